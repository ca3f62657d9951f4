//! What a pod without a shell needs done: `copy` the module out of its image, and `ask` whether addresses answer as they must.
//!
//! It lies in the image of the filter below the module, uses the standard library alone, and ends with 0 (done), 1 (an answer
//! was another one) or 2 (anything else).

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: wicketgate-pod copy FROM TO\n       wicketgate-pod ask [--host HOST] http://NAME:PORT/PATH=STATUS…";
const PATIENCE: Duration = Duration::from_secs(5);
/// A status line is short; whoever sends more is no server of ours.
const LINE: u64 = 1024;

/// Why it did not do it, and the exit code.
struct Failure(u8, String);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["copy", from, to] => copy(Path::new(from), Path::new(to)),
        ["ask", "--host", host, asked @ ..] if !asked.is_empty() => ask(Some(host), asked),
        ["ask", asked @ ..] if !asked.is_empty() => ask(None, asked),
        _ => Err(Failure(2, USAGE.to_owned())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, why)) => {
            eprintln!("{why}");
            ExitCode::from(code)
        }
    }
}

/// Copies a file whole: it appears under its name in one step.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let beside = to.with_extension("part");
    fs::copy(from, &beside).and_then(|_| fs::rename(&beside, to)).map_err(|why| {
        Failure(2, format!("{} could not be copied to {}: {why}", from.display(), to.display()))
    })
}

/// Asks each by GET. Every one is asked, so that all that is wrong is said.
fn ask(host: Option<&str>, asked: &[&str]) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for one in asked {
        let (url, wanted) = one.rsplit_once('=').ok_or_else(|| Failure(2, USAGE.to_owned()))?;
        let wanted: u16 = wanted.parse().map_err(|_| Failure(2, USAGE.to_owned()))?;
        match status(url, host) {
            Ok(status) if status == wanted => println!("{url}: {status}"),
            Ok(status) => wrong.push(format!("{url}: {status}, not {wanted}")),
            Err(why) => wrong.push(format!("{url}: {why}")),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure(1, wrong.join("\n"))) }
}

fn status(url: &str, host: Option<&str>) -> Result<u16, String> {
    let rest = url.strip_prefix("http://").ok_or("not a URL of http")?;
    let (authority, path) = rest.split_once('/').ok_or("the URL has no path")?;
    let address = authority.to_socket_addrs().map_err(|why| why.to_string())?.next().ok_or("no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|why| why.to_string())?;
    let of_stream =
        stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    of_stream.map_err(|why| why.to_string())?;
    let host = host.unwrap_or(authority);
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
        .map_err(|why| why.to_string())?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE)).read_line(&mut line).map_err(|why| why.to_string())?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.ok_or_else(|| "no HTTP answer".to_owned())
}
