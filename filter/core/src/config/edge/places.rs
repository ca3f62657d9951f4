//! How are addresses, files, names and times of the edge written?

use crate::config::error::{Findings, Place, nearest};
use crate::config::units::{format_duration, parse_duration};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// A host name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// An address.
    Address(IpAddr),
    /// A DNS name in lower case.
    Name(String),
}

/// A host with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where.
    pub host: HostName,
    /// 1 to 65535.
    pub port: u16,
}

// === impl HostName ===

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl HostName {
    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

// === impl Endpoint ===

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            HostName::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl Endpoint {
    /// Reads `host:port`, `1.2.3.4:port` or `[v6]:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        if port.is_empty() || port.starts_with('0') || !port.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let port = port.parse().ok()?;
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().ok()?;
            return Some(Self { host: HostName::Address(address.into()), port });
        }
        let host = match host.parse() {
            Ok(address) => HostName::Address(IpAddr::V4(address)),
            // What ends in a number is no name (RFC 3696 section 2), and some resolvers read an address.
            Err(_) if is_name(host) => HostName::Name(host.to_owned()),
            Err(_) => return None,
        };
        Some(Self { host, port })
    }
}

/// A DNS name in lower case, with `_` because service discovery uses it.
pub(super) fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(numeric)
}

pub(super) fn endpoint(text: Option<&str>, default: &str, place: &Place, found: &mut Findings) -> Endpoint {
    let parsed = Endpoint::parse(text.unwrap_or(default));
    parsed.unwrap_or_else(|| {
        let example = "an address with a port, such as 127.0.0.1:3001, [::1]:3001 or notes.internal:3001";
        found.error(place, format!("is {example}"));
        Endpoint { host: HostName::Name(String::new()), port: 1 }
    })
}

/// The same, of an IP address.
pub(super) fn socket(text: Option<&str>, default: &str, place: &Place, found: &mut Findings) -> Endpoint {
    let before = found.errors.len();
    let parsed = endpoint(text, default, place, found);
    if found.errors.len() == before && matches!(parsed.host, HostName::Name(_)) {
        found.error(place, "is an IP address with a port: Envoy does not look up names to listen on");
    }
    parsed
}

/// The path of a file: printable, and no directory.
pub(super) fn file(text: &str, place: &Place, found: &mut Findings) -> String {
    let printable = text.chars().all(|c| !c.is_control());
    if text.trim().is_empty() || text.ends_with('/') || !printable {
        found.error(place, "is the path of a file");
    }
    text.to_owned()
}

pub(super) fn optional_file(text: Option<&str>, place: &Place, found: &mut Findings) -> Option<String> {
    text.map(|text| file(text, place, found))
}

/// Names for certificates: DNS names, `*.` and one, and where `uris` are meant, too, texts with `://`.
pub(super) fn names(
    texts: Option<&[String]>,
    uris: bool,
    place: &Place,
    found: &mut Findings,
) -> Option<Vec<String>> {
    let texts = texts?;
    if texts.is_empty() {
        found.error(place, "an empty list matches nothing; leave the key out");
    }
    for (at, text) in texts.iter().enumerate() {
        let uri = uris && text.contains("://") && text.bytes().all(|b| b.is_ascii_graphic());
        let address = uris && text.parse::<IpAddr>().is_ok();
        if !uri && !address && !is_name(text.strip_prefix("*.").unwrap_or(text)) {
            found.error(&place.index(at), "is a name in lower case, or `*.` and a name");
        }
    }
    Some(texts.to_vec())
}

pub(super) fn span(
    text: Option<&str>,
    default: &str,
    [least, most]: [Duration; 2],
    place: &Place,
    found: &mut Findings,
) -> Duration {
    match parse_duration(text.unwrap_or(default)) {
        Ok(span) if (least..=most).contains(&span) => span,
        Ok(_) => {
            let (from, to) = (format_duration(least), format_duration(most));
            found.error(place, format!("is {from} to {to}, found {}", text.unwrap_or(default)));
            least
        }
        Err(why) => {
            found.error(place, why);
            least
        }
    }
}

pub(super) fn number(
    given: Option<u32>,
    default: u32,
    [least, most]: [u32; 2],
    place: &Place,
    found: &mut Findings,
) -> u32 {
    let number = given.unwrap_or(default);
    if !(least..=most).contains(&number) {
        found.error(place, format!("is {least} to {most}, found {number}"));
    }
    number
}

/// One of some words.
pub(super) fn word<T: Copy>(
    given: Option<&str>,
    words: &[(&str, T)],
    place: &Place,
    found: &mut Findings,
) -> Option<T> {
    let given = given?;
    let known = words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value);
    if known.is_none() {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        found.suggest(
            place,
            format!("`{given}` is none of {}", all.join(", ")),
            nearest(given, all.iter().copied()),
        );
    }
    known
}
