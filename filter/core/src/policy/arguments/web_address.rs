//! To which host does a URL lead, for every reader? And is that a public one?
//!
//! Where a name leads when it is looked up, nobody knows here: `private: deny` refuses addresses and names that say so
//! themselves. What RFC 3986 and the WHATWG's URL standard read differently is read in neither way.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The addresses that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Schemes in lower case; none for all.
    pub schemes: Vec<String>,
    /// Any of these.
    pub hosts: Vec<HostPattern>,
    /// Whether hosts that are not public may be meant.
    pub private: bool,
    /// Whether international names may be meant (`xn--`).
    pub punycode: bool,
    /// Whether an entry without a port means every port; else that of the scheme.
    pub any_port: bool,
}

/// One entry of `hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    name: Name,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Any,
    /// In lower case: a name, an IPv4 address, or an IPv6 address in brackets in its canonical form.
    Exact(String),
    /// What stands before this, a dot first, at any depth.
    Below(String),
}

/// A URL, as far as it says where it leads.
struct Address {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Names that are looked up in the own network only (RFC 6761, RFC 6762, RFC 8375, RFC 9476 and the habits of clouds).
const PRIVATE_NAMES: [&str; 11] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "svc",
];

// === impl HostPattern ===

impl HostPattern {
    /// `*`, `api.example.com`, `*.example.org` (any name below it), an IP address, each with `:port` or without.
    ///
    /// # Errors
    /// A phrase that says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WANTED: &str = "is a host such as `api.example.com`, `*.example.org`, `192.0.2.1`, `[2001:db8::1]` or `*`, in \
                              lower case, with a port or without";
        let (name, port) = split_port(text).ok_or(WANTED)?;
        let name = match name.strip_prefix("*.") {
            _ if name == "*" => Name::Any,
            Some(below) => match Host::parse(below) {
                Some(Host::Name(_)) => Name::Below(format!(".{below}")),
                _ => return Err(WANTED),
            },
            None => Name::Exact(Host::parse(name).ok_or(WANTED)?.to_text()),
        };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(WANTED);
        }
        Ok(Self { name, port })
    }

    /// Whether nothing that it means is public.
    pub fn is_private(&self) -> bool {
        match &self.name {
            Name::Any => false,
            Name::Exact(name) => Host::parse(name).is_none_or(|host| host.is_private()),
            Name::Below(name) => {
                Host::Name(name.trim_start_matches('.').to_owned()).is_private() && name.contains('.')
            }
        }
    }

    /// Whether it names an international name.
    pub fn is_punycode(&self) -> bool {
        matches!(&self.name, Name::Exact(name) | Name::Below(name) if name.split('.').any(|l| l.starts_with("xn--")))
    }

    fn holds(&self, host: &Host, port: Option<u16>, default: Option<u16>, any_port: bool) -> bool {
        let port_fits = match self.port {
            Some(own) => port.or(default) == Some(own),
            None => any_port || port.is_none() || port == default,
        };
        port_fits
            && match &self.name {
                Name::Any => true,
                Name::Exact(name) => host.to_text() == *name,
                Name::Below(suffix) => {
                    matches!(host, Host::Name(name) if name.len() > suffix.len() && name.ends_with(suffix))
                }
            }
    }
}

// === impl Addresses ===

impl Addresses {
    /// Whether `url` leads to one of these; an error where readers may differ about where it leads.
    pub(super) fn hold(&self, url: &str) -> Result<bool, ()> {
        let address = Address::parse(url).ok_or(())?;
        let default = match address.scheme.as_str() {
            "https" | "wss" => Some(443),
            "http" | "ws" => Some(80),
            "ftp" => Some(21),
            _ => None,
        };
        let punycode = match &address.host {
            Host::Name(name) => name.split('.').any(|label| label.starts_with("xn--")),
            _ => false,
        };
        Ok((self.schemes.is_empty() || self.schemes.contains(&address.scheme))
            && (self.private || !address.host.is_private())
            && (self.punycode || !punycode)
            && self.hosts.iter().any(|h| h.holds(&address.host, address.port, default, self.any_port)))
    }
}

// === impl Address ===

impl Address {
    /// `None` for what two readers may understand differently: white space and control characters (which some leave out),
    /// backslashes (which some take for slashes), a user name, a host that is no plain ASCII name or canonical address.
    fn parse(url: &str) -> Option<Self> {
        if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let mut letters = scheme.bytes();
        let sound = letters.next()?.is_ascii_alphabetic()
            && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = split_port(authority).filter(|_| sound)?;
        let host = Host::parse(&host.to_ascii_lowercase())?;
        Some(Self { scheme: scheme.to_ascii_lowercase(), host, port })
    }
}

// === impl Host ===

impl Host {
    /// `text` is in lower case.
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if text.is_empty() || text.len() > 253 {
            return None;
        }
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        if !text.split('.').all(label) {
            return None;
        }
        // A name that ends in a number is an address to some (WHATWG URL, "ends in a number checker"): only its plain form.
        let last = text.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|b| b.is_ascii_digit()) || is_hexadecimal(last);
        if number { text.parse().ok().map(Self::V4) } else { Some(Self::Name(text.to_owned())) }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::V4(address) => address.to_string(),
            Self::V6(address) => format!("[{address}]"),
        }
    }

    /// Whether it says itself that it is not on the public Internet.
    fn is_private(&self) -> bool {
        match self {
            Self::Name(name) => {
                let under = |suffix: &&str| {
                    name.strip_suffix(*suffix)
                        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
                };
                !name.contains('.') || PRIVATE_NAMES.iter().any(under)
            }
            Self::V4(address) => !is_public_v4(*address),
            Self::V6(address) => !is_public_v6(*address),
        }
    }
}

fn is_hexadecimal(label: &str) -> bool {
    label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A host and its port; `None` for a user name, an empty port or one that is no plain number.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    match port {
        None => Some((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => {
            Some((host, Some(digits.parse().ok()?)))
        }
        Some(_) => None,
    }
}

/// IANA's registry of special-purpose IPv4 addresses, multicast, and the address by which Azure's machines reach their host.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 31, 196)
            | (192, 52, 193)
            | (192, 88, 99)
            | (192, 168, _)
            | (192, 175, 48)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special && address != Ipv4Addr::new(168, 63, 129, 16)
}

/// 2000::/3 without what IANA's registry takes out of it, and without addresses that hold another one (6to4, Teredo).
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let special = match a {
        0x2001 => b < 0x200 || b == 0xdb8,
        0x2002 | 0x3fff => true,
        _ => false,
    };
    (0x2000..0x4000).contains(&a) && !special
}
