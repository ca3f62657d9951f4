//! Is this the answer of an MCP server? JSON or an event stream, read up to the message that answers us.

use reqwest::{Response, StatusCode, header};
use serde_json::Value;

/// Longer no answer to such a question is; capabilities and instructions are in it.
const MOST: usize = 256 * 1024;

/// What a server said instead of what it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection, or one that broke off.
    Unreachable,
    /// Nothing within the time that it had.
    TimedOut,
    /// Status 5xx or 429.
    Status,
    /// It sends elsewhere, where nobody of ours follows.
    Redirects,
    /// 401 or 403: it asks for a credential, of which we have none.
    AsksForCredential,
    /// What it said is no answer of MCP.
    NoMcp,
}

// === impl Fault ===

impl Fault {
    /// For metrics, the log and `/status`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Status => "status",
            Self::Redirects => "redirects",
            Self::AsksForCredential => "asks_for_credential",
            Self::NoMcp => "no_mcp",
        }
    }
}

/// The result that answers the request `id`; `NoMcp` for an error, too: a server of the other era gives one.
pub(super) async fn read(mut response: Response, id: &str) -> Result<Value, Fault> {
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Fault::AsksForCredential),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Fault::Status);
        }
        status if status.is_redirection() => return Err(Fault::Redirects),
        status if status.is_success() => {}
        _ => return Err(Fault::NoMcp),
    }
    let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let stream = match media.as_str() {
        "application/json" => false,
        "text/event-stream" => true,
        _ => return Err(Fault::NoMcp),
    };
    let (mut size, mut body, mut events) = (0_usize, Vec::new(), Events::default());
    while let Some(chunk) = response.chunk().await.map_err(|_| Fault::Unreachable)? {
        size = size.saturating_add(chunk.len());
        if size > MOST {
            return Err(Fault::NoMcp);
        }
        if !stream {
            body.extend_from_slice(&chunk);
        } else if let Some(result) = events.feed(&chunk, id) {
            // A stream may stay open after the answer.
            return Ok(result);
        }
    }
    result_of(&body, id).ok_or(Fault::NoMcp)
}

/// An event stream as it comes; each byte of it is looked at once, however it is cut.
#[derive(Default)]
struct Events {
    /// Of the event that is not whole yet, with `\n` for every end of a line.
    begun: Vec<u8>,
    after_cr: bool,
}

// === impl Events ===

impl Events {
    /// The result in the first event that is whole now and answers `id`.
    fn feed(&mut self, chunk: &[u8], id: &str) -> Option<Value> {
        let from = self.begun.len().saturating_sub(1);
        for byte in chunk {
            let is_second = *byte == b'\n' && self.after_cr;
            self.after_cr = *byte == b'\r';
            if !is_second {
                self.begun.push(if self.after_cr { b'\n' } else { *byte });
            }
        }
        let last = self.begun.get(from..)?.windows(2).rposition(|two| two == b"\n\n")?;
        let whole: Vec<u8> = self.begun.drain(..from + last + 2).collect();
        String::from_utf8_lossy(&whole).split("\n\n").find_map(|event| in_event(event, id))
    }
}

fn in_event(event: &str, id: &str) -> Option<Value> {
    let data: Vec<&str> = event
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| data.strip_prefix(' ').unwrap_or(data))
        .collect();
    result_of(data.join("\n").as_bytes(), id)
}

fn result_of(message: &[u8], id: &str) -> Option<Value> {
    let message: Value = serde_json::from_slice(message).ok()?;
    if message.get("id").and_then(Value::as_str) != Some(id) {
        return None;
    }
    message.get("result").filter(|result| result.is_object()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_ours_is_read() {
        let good = r#"{"jsonrpc":"2.0","id":"p","result":{"a":1}}"#;
        let other = r#"{"jsonrpc":"2.0","id":"q","result":{"a":2}}"#;
        for (what, body, found) in [
            ("one", format!("data: {good}\n\n"), true),
            ("after others", format!(": hello\n\ndata: {other}\r\n\r\nid: 1\ndata:{good}\n\n"), true),
            ("not whole yet", format!("data: {other}\n\ndata: {good}\n"), false),
            ("an error", "data: {\"id\":\"p\",\"error\":{}}\n\n".to_owned(), false),
            ("nothing", String::new(), false),
            ("over several lines", "data: {\"id\":\"p\",\ndata: \"result\":{}}\n\n".to_owned(), true),
        ] {
            assert_eq!(Events::default().feed(body.as_bytes(), "p").is_some(), found, "{what}");
            let mut events = Events::default();
            let answered = body.as_bytes().chunks(1).any(|byte| events.feed(byte, "p").is_some());
            assert_eq!(answered, found, "{what}, cut");
        }
        let mut events = Events::default();
        (0..1000).for_each(|_| assert!(events.feed(b"\n", "p").is_none()));
        assert!(events.begun.len() < 2, "what was looked at is not kept");
        assert!(result_of(good.as_bytes(), "p").is_some() && result_of(good.as_bytes(), "q").is_none());
        assert!(result_of(br#"{"id":"p","result":7}"#, "p").is_none());
        assert!(result_of(b"\xff", "p").is_none());
    }
}
