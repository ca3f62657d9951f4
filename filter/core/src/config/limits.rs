//! How much and how often? Limits, judged; zero is refused, because nothing would ever pass.

use super::error::{Findings, Place};
use super::raw::{RawLimits, RawRate, RawSize, RawToolLimit};
use super::rules::patterns;
use super::units::{parse_rate, parse_size};
use crate::limits::rate::Rate;
use crate::server::{Limits, ToolLimit};
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// A VM of Envoy has 1 GiB for everything.
const MOST_BYTES: u64 = 64 * MIB;
/// More than any real rate; keeps the arithmetic of buckets within 64 bits.
const MOST_TOKENS: u32 = 1_000_000;
/// As many as one HTTP/2 connection carries by the reference configuration.
const STREAMS: u32 = 100;
/// More than one Envoy holds open.
const MOST_STREAMS: u32 = 100_000;

/// Compiles the limits of one server, with defaults for what is not given.
pub(crate) fn compile(raw: Option<&RawLimits>, place: &Place, found: &mut Findings) -> Limits {
    let none = RawLimits::default();
    let raw = raw.unwrap_or(&none);
    Limits {
        request_bytes: size(raw.request_bytes.as_ref(), MIB, &place.key("request_bytes"), found),
        response_bytes: size(raw.response_bytes.as_ref(), 16 * MIB, &place.key("response_bytes"), found),
        flood: raw
            .flood
            .as_ref()
            .map_or(Rate { burst: 200, tokens: 100, per: Duration::from_secs(1) }, |r| {
                bucket(r, &place.key("flood"), found)
            }),
        principal: raw.principal.as_ref().map(|r| bucket(r, &place.key("principal"), found)),
        tools: raw
            .tools
            .iter()
            .enumerate()
            .map(|(at, limit)| tool_limit(limit, &place.key("tools").index(at), found))
            .collect(),
        streams: streams(raw.streams, &place.key("streams"), found),
    }
}

/// What all streams of a VM may hold together.
pub(crate) fn held_bytes(given: Option<&RawSize>, place: &Place, found: &mut Findings) -> u64 {
    size_up_to(512 * MIB, given, 256 * MIB, place, found)
}

fn streams(given: Option<u32>, place: &Place, found: &mut Findings) -> u32 {
    match given {
        None => return STREAMS,
        Some(0) => found.error(place, "zero would refuse every request; leave it out for the default"),
        Some(streams) if streams > MOST_STREAMS => found.error(place, format!("at most {MOST_STREAMS}")),
        Some(streams) => return streams,
    }
    STREAMS
}

fn size(given: Option<&RawSize>, default: u64, place: &Place, found: &mut Findings) -> u64 {
    size_up_to(MOST_BYTES, given, default, place, found)
}

fn size_up_to(most: u64, given: Option<&RawSize>, default: u64, place: &Place, found: &mut Findings) -> u64 {
    let Some(RawSize(text)) = given else { return default };
    match parse_size(text) {
        Ok(0) => found.error(place, "zero would refuse everything; leave it out for the default"),
        Ok(bytes) if bytes > most => found.error(place, format!("at most {}MiB, found {text}", most / MIB)),
        Ok(bytes) => return bytes,
        Err(why) => found.error(place, why),
    }
    default
}

fn bucket(raw: &RawRate, place: &Place, found: &mut Findings) -> Rate {
    rate(&raw.rate, raw.burst, place, found)
}

fn tool_limit(raw: &RawToolLimit, place: &Place, found: &mut Findings) -> ToolLimit {
    let names = patterns(Some(&raw.names), &place.key("names"), found);
    ToolLimit { names, rate: rate(&raw.rate, raw.burst, place, found) }
}

fn rate(text: &str, burst: Option<u32>, place: &Place, found: &mut Findings) -> Rate {
    let unusable = Rate { burst: 1, tokens: 1, per: Duration::from_secs(1) };
    let (tokens, per) = match parse_rate(text) {
        Ok(rate) => rate,
        Err(why) => {
            found.error(&place.key("rate"), why);
            return unusable;
        }
    };
    let burst = burst.unwrap_or(tokens);
    for (key, value) in [("rate", tokens), ("burst", burst)] {
        if value == 0 {
            found.error(&place.key(key), "zero would refuse everything; a deny rule says that more clearly");
            return unusable;
        }
        if value > MOST_TOKENS {
            found.error(&place.key(key), format!("at most {MOST_TOKENS}"));
        }
    }
    Rate { burst, tokens, per }
}
