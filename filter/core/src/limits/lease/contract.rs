//! What is the authorization server asked for, and what does its answer mean? `POST /v1/leases` of the internal API
//! (`auth-sidecar/openapi/internal-v1.yaml`). A bucket is named by its tag, which names nobody.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value};

use super::TERM;
use crate::json;
use crate::limits::rate::Rate;
use crate::limits::tag::Tag;
use crate::time::Timestamp;

/// The most buckets of one question.
pub const MOST_BUCKETS: usize = 16;

/// Tokens of one bucket that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which bucket.
    pub tag: Tag,
    /// Its shape.
    pub rate: Rate,
    /// How many, at least 1.
    pub tokens: u32,
    /// Whether some of them are for those who come.
    pub batch: bool,
}

/// What was granted of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which bucket.
    pub tag: Tag,
    /// How many; maybe none.
    pub tokens: u32,
    /// They are lost then.
    pub until: Timestamp,
    /// When there will be one more, where there were fewer than were asked for.
    pub retry_after: Option<Duration>,
    /// As it was asked for.
    pub batch: bool,
}

/// The body of the question.
pub fn body(asks: &[Ask]) -> Vec<u8> {
    let mut text = String::from("{\"leases\":[");
    for (at, Ask { tag, rate, tokens, .. }) in asks.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str("{\"bucket\":\"");
        text.push_str(&name(*tag));
        text.push('"');
        let per = u32::try_from(rate.per.as_secs()).unwrap_or(u32::MAX);
        for (key, value) in
            [("capacity", rate.burst), ("tokens", rate.tokens), ("per", per), ("wanted", *tokens)]
        {
            // Writing to a String cannot fail.
            let _ = write!(text, ",\"{key}\":{value}");
        }
        text.push('}');
    }
    text.push_str("]}");
    text.into_bytes()
}

/// What an answer with status 200 grants, in the order of the question that was asked at `asked`; `None` for anything that is
/// not an answer to it, one that grants more than was asked for included.
pub fn read(answer: &[u8], asks: &[Ask], asked: Timestamp) -> Option<Vec<Grant>> {
    let members = json::object(answer).ok()?;
    let leases = members.get("leases")?.as_array().filter(|leases| leases.len() == asks.len())?;
    asks.iter().zip(leases).map(|(ask, lease)| grant(ask, lease.as_object()?, asked)).collect()
}

fn grant(ask: &Ask, lease: &Map<String, Value>, asked: Timestamp) -> Option<Grant> {
    lease.get("bucket")?.as_str().filter(|bucket| *bucket == name(ask.tag))?;
    let tokens =
        u32::try_from(lease.get("granted")?.as_u64()?).ok().filter(|tokens| *tokens <= ask.tokens)?;
    let retry_after = match lease.get("retry_after_ms") {
        Some(wait) => Some(Duration::from_millis(wait.as_u64()?)),
        // Of fewer it is told when there is one more.
        None if tokens < ask.tokens => return None,
        None => None,
    };
    Some(Grant { tag: ask.tag, tokens, until: asked.plus(TERM), retry_after, batch: ask.batch })
}

/// A bucket's name there: 32 hexadecimal digits.
fn name(tag: Tag) -> String {
    let digits = tag.0.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
