//! How much and how often? Limits, judged; zero is refused, because nothing would ever pass.

use super::error::{Findings, Place, nearest};
use super::leases;
use super::methods;
use super::raw::{RawLimits, RawNamedLimit, RawObligedLimit, RawRate, RawSize};
use super::rules::{name, patterns};
use super::units::{parse_rate, parse_size};
use crate::limits::rate::{Across, Rate};
use crate::limits::tag::Per;
use crate::mcp::operation::Operation;
use crate::server::{Covers, Limit, Limits, ObligedLimit};
use std::time::Duration;

/// Who may share a bucket, as the document spells it.
const PER: [(&str, Per); 5] = [
    ("principal", Per::Principal),
    ("client", Per::Client),
    ("organization", Per::Organization),
    ("source", Per::Source),
    ("server", Per::Server),
];
const MIB: u64 = 1 << 20;
/// A VM of Envoy has 1 GiB for everything.
const MOST_BYTES: u64 = 64 * MIB;
/// More than any real rate; keeps the arithmetic of buckets within 64 bits.
const MOST_TOKENS: u32 = 1_000_000;
/// As many as one HTTP/2 connection carries by the reference configuration.
const STREAMS: u32 = 100;
/// The most limits that a policy can name.
const MOST_OBLIGED: usize = 32;
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
                here(r, &place.key("flood"), found)
            }),
        rates: rates(raw, place, found),
        obliged: obliged(raw, &place.key("obliged"), found),
        streams: streams(raw.streams, &place.key("streams"), found),
    }
}

/// What all streams of a VM may hold together.
pub(crate) fn held_bytes(given: Option<&RawSize>, place: &Place, found: &mut Findings) -> u64 {
    size_up_to(512 * MIB, given, 256 * MIB, place, found)
}

/// What one address may have looked at.
pub(crate) fn unknown_tokens(given: Option<&RawRate>, place: &Place, found: &mut Findings) -> Rate {
    let default = Rate { burst: 50, tokens: 10, per: Duration::from_secs(1) };
    given.map_or(default, |raw| here(raw, place, found))
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

pub(super) fn size_up_to(
    most: u64,
    given: Option<&RawSize>,
    default: u64,
    place: &Place,
    found: &mut Findings,
) -> u64 {
    let Some(RawSize(text)) = given else { return default };
    match parse_size(text) {
        Ok(0) => found.error(place, "zero would refuse everything; leave it out for the default"),
        Ok(bytes) if bytes > most => found.error(place, format!("at most {}MiB, found {text}", most / MIB)),
        Ok(bytes) => return bytes,
        Err(why) => found.error(place, why),
    }
    default
}

/// A bucket that stops a flood where it comes in.
pub(super) fn here(raw: &RawRate, place: &Place, found: &mut Findings) -> Rate {
    if leases::across(raw.across.as_deref(), place, found) == Across::Fleet {
        found.error(&place.key("across"), "floods are stopped where they come in: by each `envoy`");
    }
    bucket(raw, place, found)
}

fn bucket(raw: &RawRate, place: &Place, found: &mut Findings) -> Rate {
    rate(&raw.rate, raw.burst, place, found)
}

/// Buckets for allowed requests: those for everything first.
fn rates(raw: &RawLimits, place: &Place, found: &mut Findings) -> Vec<Limit> {
    let whole = [&raw.principal, &raw.client, &raw.organization, &raw.source, &raw.server];
    let mut limits = Vec::new();
    for ((word, per), raw) in PER.iter().zip(whole) {
        limits.extend(raw.as_ref().map(|raw| Limit {
            name: (*word).to_owned(),
            per: *per,
            covers: Covers::Everything,
            rate: bucket(raw, &place.key(word), found),
            across: leases::across(raw.across.as_deref(), &place.key(word), found),
        }));
    }
    for (key, raw) in [("methods", &raw.methods), ("tools", &raw.tools)] {
        for (at, raw) in raw.iter().enumerate() {
            let here = place.key(key).index(at);
            let limit = named(key, raw, &here, found);
            if limits.iter().any(|other: &Limit| other.name == limit.name && other.rate == limit.rate) {
                found.error(&here, "stands twice: each request would spend two tokens of one bucket");
            }
            limits.push(limit);
        }
    }
    limits
}

fn named(key: &str, raw: &RawNamedLimit, place: &Place, found: &mut Findings) -> Limit {
    let names = patterns(Some(&raw.names), &place.key("names"), found);
    let (word, per) = per(raw.per.as_deref(), &place.key("per"), found);
    let name = format!("{key} per {word}: {}", raw.names.join(", "));
    let covers = if key == "tools" {
        Covers::Tools(names)
    } else {
        methods::judge_names(&names, &place.key("names"), found);
        if let Some(at) = raw.names.iter().position(|name| name == Operation::DISCOVER) {
            let message =
                "spends of no limit but `flood`: a modern client that is refused it becomes a legacy one";
            found.error(&place.key("names").index(at), message);
        }
        Covers::Methods(names)
    };
    let across = leases::across(raw.across.as_deref(), place, found);
    Limit { name, per, covers, rate: rate(&raw.rate, raw.burst, place, found), across }
}

/// Buckets for what a policy obliges to them.
fn obliged(raw: &RawLimits, place: &Place, found: &mut Findings) -> Vec<ObligedLimit> {
    if raw.obliged.len() > MOST_OBLIGED {
        found.error(place, format!("at most {MOST_OBLIGED} limits, found {}", raw.obliged.len()));
    }
    let one = |(at, limit): (usize, &RawObligedLimit)| {
        let here = place.index(at);
        name(&limit.id, &here.key("id"), found);
        if raw.obliged.iter().take(at).any(|other| other.id == limit.id) {
            found.error(&here.key("id"), format!("the id `{}` stands twice on this server", limit.id));
        }
        let (word, per) = per(limit.per.as_deref(), &here.key("per"), found);
        let limit_of = Limit {
            name: format!("obliged per {word}: {}", limit.id),
            per,
            covers: Covers::Everything,
            rate: rate(&limit.rate, limit.burst, &here, found),
            across: leases::across(limit.across.as_deref(), &here, found),
        };
        ObligedLimit { id: limit.id.clone(), limit: limit_of }
    };
    raw.obliged.iter().enumerate().map(one).collect()
}

fn per(given: Option<&str>, place: &Place, found: &mut Findings) -> (&'static str, Per) {
    let Some(given) = given else { return PER[0] };
    PER.iter().find(|(word, _)| *word == given).copied().unwrap_or_else(|| {
        let words = PER.map(|(word, _)| word);
        let message = format!("`{given}` is none of {}", words.join(", "));
        found.suggest(place, message, nearest(given, words));
        PER[0]
    })
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
