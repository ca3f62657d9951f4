//! What arrives on a stream of Server-Sent Events, and when? Events are given out as their last byte arrives, with
//! everything that they carried, comments too: a gateway must pass it all.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::timeout;

use crate::failure::Context as _;
use crate::{Failure, Result};

/// One event, or a block of comment lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its `data:` lines, joined by line breaks.
    pub data: String,
    /// Its `event:`.
    pub event: Option<String>,
    /// Its `id:`.
    pub id: Option<String>,
    /// Its `retry:`, as sent.
    pub retry: Option<String>,
    /// Its comment lines, without the colon.
    pub comments: Vec<String>,
}

/// An answer that is read as it arrives.
#[derive(Debug)]
pub struct EventStream {
    response: Response,
    rest: Vec<u8>,
    parsed: std::collections::VecDeque<Event>,
}

/// Events of `text`, and what is left after the last complete one.
#[must_use]
pub fn parse(text: &str) -> (Vec<Event>, &str) {
    let mut events = Vec::new();
    let mut rest = text;
    let mut event = Event::default();
    let mut unfinished = text;
    while let Some((line, after)) = split_line(rest) {
        rest = after;
        if line.is_empty() {
            if event != Event::default() {
                events.push(std::mem::take(&mut event));
            }
            unfinished = rest;
        } else {
            event.take_line(line);
        }
    }
    (events, unfinished)
}

// A line ends with \r\n, \n or \r. A \r at the very end may be half of a \r\n and waits for more.
fn split_line(text: &str) -> Option<(&str, &str)> {
    let at = text.find(['\r', '\n'])?;
    let (line, ending) = text.split_at(at);
    if ending == "\r" {
        return None;
    }
    let after = ending.strip_prefix("\r\n").or_else(|| ending.get(1..))?;
    Some((line, after))
}

// === impl Event ===

impl Event {
    fn take_line(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => self.comments.push(value.to_owned()),
            "data" if self.data.is_empty() => value.clone_into(&mut self.data),
            "data" => {
                self.data.push('\n');
                self.data.push_str(value);
            }
            "event" => self.event = Some(value.to_owned()),
            "id" => self.id = Some(value.to_owned()),
            "retry" => self.retry = Some(value.to_owned()),
            _ => {}
        }
    }

    /// Its JSON-RPC message; `None` for one without data, such as a priming event or a comment.
    ///
    /// # Errors
    /// Its data is not JSON.
    pub fn message(&self) -> Result<Option<Value>> {
        if self.data.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&self.data).map(Some).context(|| format!("an event is not JSON: {}", self.data))
    }
}

// === impl EventStream ===

impl EventStream {
    pub(crate) fn new(response: Response) -> Self {
        Self { response, rest: Vec::new(), parsed: std::collections::VecDeque::new() }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Its header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next event, `None` at the end of the stream.
    ///
    /// # Errors
    /// None came within `limit`, or the connection broke.
    pub async fn next(&mut self, limit: Duration) -> Result<Option<Event>> {
        timeout(limit, self.read()).await.map_err(|_| Failure::new(format!("no event within {limit:?}")))?
    }

    /// The next JSON-RPC message; events without one are passed over.
    ///
    /// # Errors
    /// None came within `limit` each, the stream ended, or the data is not JSON.
    pub async fn next_message(&mut self, limit: Duration) -> Result<Value> {
        loop {
            let event = self.next(limit).await?;
            let event = event.ok_or_else(|| Failure::new("the stream ended before the message came"))?;
            if let Some(message) = event.message()? {
                return Ok(message);
            }
        }
    }

    /// Whether the stream is still open: nothing was lost so far, and what has arrived meanwhile is kept.
    pub async fn is_open(&mut self) -> bool {
        let at_once = Duration::from_millis(1);
        loop {
            match timeout(at_once, self.response.chunk()).await {
                Err(_) => return true,
                Ok(Ok(Some(bytes))) => self.take(&bytes),
                Ok(Ok(None) | Err(_)) => return false,
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.parsed.pop_front() {
                return Ok(Some(event));
            }
            match self.response.chunk().await.context(|| "the stream broke".to_owned())? {
                Some(bytes) => self.take(&bytes),
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        // A character may be split over two chunks: only what is UTF-8 so far is looked at.
        let valid = match std::str::from_utf8(&self.rest) {
            Ok(text) => text,
            Err(error) => self
                .rest
                .get(..error.valid_up_to())
                .and_then(|part| std::str::from_utf8(part).ok())
                .unwrap_or(""),
        };
        let (events, rest) = parse(valid);
        let used = valid.len() - rest.len();
        self.parsed.extend(events);
        self.rest.drain(..used);
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, parse};

    #[test]
    fn everything_of_an_event_is_kept() {
        let text = ": hello\n\nid: 0\nretry: 3000\ndata:\n\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata: half";
        let (events, rest) = parse(text);
        assert_eq!(rest, "data: half");
        assert_eq!(events[0], Event { comments: vec!["hello".into()], ..Event::default() });
        assert_eq!(events[1], Event { id: Some("0".into()), retry: Some("3000".into()), ..Event::default() });
        assert_eq!(events[1].message().unwrap(), None);
        assert_eq!(events[2].message().unwrap().unwrap()["a"], 1);
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn every_cut_gives_the_same_events() {
        let text = "data: 1\r\n\r\ndata: 2\n\nid: x\rdata: 3\r\rdata: 4\n\n";
        let whole = parse(text).0;
        assert_eq!(whole.len(), 4);
        for cut in 0..text.len() {
            let (mut events, rest) = parse(&text[..cut]);
            let joined = format!("{rest}{}", &text[cut..]);
            events.extend(parse(&joined).0);
            assert_eq!(events, whole, "cut at {cut}");
        }
    }
}
