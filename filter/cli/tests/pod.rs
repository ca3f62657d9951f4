//! The program that pods without a shell run: does it copy whole, and tell a wrong answer from a right one?

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wicketgate-pod")).args(arguments).output().unwrap()
}

/// Answers `count` requests with this status, and returns what it was sent.
fn server(status: &'static str, count: usize) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let handle = thread::spawn(move || {
        let mut seen = Vec::new();
        for _ in 0..count {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.extend(byte);
            }
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            seen.push(String::from_utf8(request).unwrap());
        }
        seen
    });
    (address, handle)
}

#[test]
fn a_file_is_copied() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pod");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let (from, to) = (folder.join("plugin.wasm"), folder.join("to.wasm"));
    fs::write(&from, b"\0asm").unwrap();
    let done = run(&["copy", from.to_str().unwrap(), to.to_str().unwrap()]);
    assert!(done.status.success());
    assert_eq!(fs::read(&to).unwrap(), b"\0asm");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    let missing = run(&["copy", "/nowhere/plugin.wasm", to.to_str().unwrap()]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("/nowhere/plugin.wasm"));
}

#[test]
fn an_answer_is_judged_by_its_status() {
    let (address, handle) = server("401 Unauthorized", 2);
    let url = format!("http://{address}/mcp");
    assert!(run(&["ask", "--host", "mcp.example.com", &format!("{url}=401")]).status.success());
    let other = run(&["ask", &format!("{url}=200")]);
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(String::from_utf8(other.stderr).unwrap(), format!("{url}: 401, not 200\n"));
    let seen = handle.join().unwrap();
    assert!(seen.first().unwrap().starts_with("GET /mcp HTTP/1.1\r\nhost: mcp.example.com\r\n"), "{seen:?}");
    assert!(seen.last().unwrap().contains(&format!("\r\nhost: {address}\r\n")), "{seen:?}");
}

#[test]
fn nobody_there_and_no_http_are_failures() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(run(&["ask", &format!("http://{free}/=200")]).status.code(), Some(1));
    let (address, _handle) = server("", 1);
    let vague = run(&["ask", &format!("http://{address}/=200")]);
    assert!(String::from_utf8(vague.stderr).unwrap().contains("no HTTP answer"));
    for wrong in [&["ask"][..], &["copy", "x"], &["ask", "http://h/"], &["ask", "http://h/=x"], &[]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
