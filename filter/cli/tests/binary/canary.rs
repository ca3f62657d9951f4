//! What does `canary` say of whatever answers, and by which exit code? With a real gateway, the end-to-end tests ask it.

use crate::world::World;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

const OURS: &str = r#"{"jsonrpc":"2.0","error":{"code":-31004,"message":"Origin not allowed"}}"#;

/// A server that answers a request with an `Origin` so, and others so: status and body. Returns its URL.
fn server(with_origin: (u16, &'static str), without: (u16, &'static str)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut read = Vec::new();
            while !read.windows(4).any(|four| four == b"\r\n\r\n") {
                let mut some = [0; 4096];
                let many = stream.read(&mut some).unwrap();
                read.extend(some.into_iter().take(many));
            }
            let head = String::from_utf8_lossy(&read).to_lowercase();
            let (status, body) = if head.contains("\r\norigin: ") { with_origin } else { without };
            write!(
                stream,
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    format!("http://127.0.0.1:{port}/mcp")
}

#[test]
fn what_answers_is_known_by_its_words() {
    let world = World::new("canary");
    for (what, page, bare, arguments, code, words) in [
        (
            "the filter",
            (403, OURS),
            (401, "{}"),
            vec![],
            0,
            "the filter is in the way, and asks for a credential",
        ),
        ("an open server", (403, OURS), (200, "{}"), vec!["--anonymous"], 0, "and the server is open"),
        (
            "one that is not meant to be",
            (403, OURS),
            (200, "{}"),
            vec![],
            1,
            "without a credential with 200, not 401",
        ),
        ("nothing of ours", (401, "{}"), (401, "{}"), vec![], 1, "THE FILTER IS NOT IN THE WAY"),
        (
            "the server itself",
            (200, "{}"),
            (200, "{}"),
            vec!["--anonymous"],
            1,
            "THE FILTER IS NOT IN THE WAY",
        ),
    ] {
        let url = server(page, bare);
        let ran = world.run(&[&["canary", url.as_str()], arguments.as_slice()].concat());
        assert_eq!(ran.code, Some(code), "{what}: {ran:?}");
        assert!(ran.out.starts_with(&url) && ran.out.contains(words), "{what}: {ran:?}");
        let ran = world.run(&[&["canary", url.as_str(), "--json"], arguments.as_slice()].concat());
        let json = ran.json();
        assert_eq!(
            (&json["ok"], &json["foreign_page"], &json["without_credential"]),
            (&json!(code == 0), &json!(page.0), &json!(bare.0)),
            "{what}"
        );
        assert!(json["says"].as_str().unwrap().contains(words), "{what}: {json}");
    }
}

#[test]
fn what_cannot_be_asked_ends_with_two() {
    let world = World::new("canary-unusable");
    world.write("empty.pem", "nothing");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("http://127.0.0.1:{free}/mcp");
    for (arguments, words) in [
        (vec!["mcp.example.com"], "a URL of http or https"),
        (vec!["ftp://mcp.example.com/"], "a URL of http or https"),
        (vec!["http://a:b@127.0.0.1/"], "a URL of http or https"),
        (vec![nobody.as_str()], "no answer"),
        (vec![nobody.as_str(), "--roots", "empty.pem"], "holds no certificate"),
        (vec![nobody.as_str(), "--roots", "missing.pem"], "missing.pem"),
        (vec![nobody.as_str(), "--timeout", "0"], "0 is not in 1..=300"),
        (vec![], "<URL>"),
    ] {
        let ran = world.run(&[&["canary"], arguments.as_slice()].concat());
        assert!(ran.code == Some(2) && ran.err.contains(words), "{arguments:?}: {ran:?}");
        assert!(!ran.err.contains("a:b"), "{ran:?}");
    }
}
