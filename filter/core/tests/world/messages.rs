//! What clients and servers say, as tests write it.

use serde_json::{Value, json};
use wicketgate_core::head::{Headers, RequestHead, ResponseHead};

pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> RequestHead {
    RequestHead {
        method: method.into(),
        authority: "gate.example".into(),
        path: path.into(),
        headers: pairs(headers),
        request_id: Some("r1".into()),
        ..RequestHead::default()
    }
}

pub fn response(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    ResponseHead { status, headers: pairs(headers), by_host: false }
}

fn pairs(headers: &[(&str, &str)]) -> Headers {
    Headers::new(headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect())
}

pub fn call(tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
}

pub fn list(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method})
}
