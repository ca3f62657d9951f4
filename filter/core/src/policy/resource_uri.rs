//! Which resource does a URI name? One normal form for each, so that a rule cannot be evaded by spelling.
//!
//! RFC 3986 section 6.2: scheme and host in lower case, percent-encoding of unreserved characters undone, other
//! encodings in upper case, dot segments removed, default ports of http and https dropped. What servers are known to
//! read in several ways has no normal form and so is allowed by no rule: encoded slashes, backslashes and control
//! characters, double encoding, dot segments that climb above the path, user names in web addresses.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

/// A URI in normal form: the only thing that an allow pattern is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceUri {
    normal: String,
    /// Where its path is; behind it are query and fragment.
    path: Range<usize>,
    /// What else servers read in it, once somebody asks.
    others: OnceCell<Vec<String>>,
}

/// Why a URI has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriFault {
    /// It does not begin with `scheme:`.
    NoScheme,
    /// A control character, a backslash, or a space at either end.
    Character,
    /// A `%` without two hexadecimal digits.
    Percent,
    /// An encoded slash, backslash, control character, or an encoded `%` that hides another encoding.
    HiddenCharacter,
    /// A dot segment that leaves the path, or stands beside an empty segment.
    DotSegment,
    /// A web address with a user name, a non-ASCII or percent-encoded host, or one that ends in a dot.
    Authority,
}

// === impl ResourceUri ===

impl ResourceUri {
    /// The normal form of `text`.
    ///
    /// # Errors
    /// [`UriFault`] where two readers could disagree about what is named.
    pub fn parse(text: &str) -> Result<Self, UriFault> {
        let (scheme, rest) = split_scheme(text)?;
        if text.trim() != text || text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(UriFault::Character);
        }
        let rest = normal_percent(rest)?;
        let (hier, tail) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, path) = match hier.strip_prefix("//") {
            Some(h) => {
                let (authority, path) = h.split_at(h.find('/').unwrap_or(h.len()));
                (Some(normal_authority(&scheme, authority)?), path)
            }
            None => (None, hier),
        };
        let mut path = remove_dot_segments(path)?;
        if path.is_empty() && is_web(&scheme) {
            path.push('/');
        }
        if authority.is_none() && path.starts_with("//") {
            return Err(UriFault::DotSegment);
        }
        let authority = authority.map(|a| format!("//{a}")).unwrap_or_default();
        let before = format!("{scheme}:{authority}");
        let normal = format!("{before}{path}{tail}");
        Ok(Self { normal, path: before.len()..before.len() + path.len(), others: OnceCell::new() })
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.normal
    }

    /// The normal form, and all else that a server may take it for: a deny pattern that matches any of them means it.
    pub fn readings(&self) -> impl Iterator<Item = &str> {
        let others = std::iter::once_with(|| self.others.get_or_init(|| self.read_otherwise())).flatten();
        std::iter::once(&self.normal).chain(others).map(String::as_str)
    }

    /// Servers ignore fragments, or queries with them; parameters of a segment; a slash at the end; or take several slashes for one.
    /// Each of them may do any of this without the rest: 24 readings at most, none for most URIs.
    fn read_otherwise(&self) -> Vec<String> {
        let Range { start, end } = self.path;
        let parts = (self.normal.get(..start), self.normal.get(start..end), self.normal.get(end..));
        let (Some(before), Some(path), Some(tail)) = parts else { return Vec::new() };
        let mut readings = Vec::new();
        for path in paths(path) {
            for tail in [tail, tail.split('#').next().unwrap_or_default(), ""] {
                let reading = format!("{before}{path}{tail}");
                if reading != self.normal && !readings.contains(&reading) {
                    readings.push(reading);
                }
            }
        }
        readings
    }
}

// === impl UriFault ===

impl UriFault {
    /// What is wrong, as one phrase.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::NoScheme => "no scheme (such as `notes:`) at the beginning",
            Self::Character => "a control character, a backslash, or a space at either end",
            Self::Percent => "a `%` without two hexadecimal digits",
            Self::HiddenCharacter => "an encoded slash, backslash or control character, or double encoding",
            Self::DotSegment => "a `..` that climbs above the path or stands beside an empty segment",
            Self::Authority => "a user name, an encoded or non-ASCII host, or a host that ends in a dot",
        }
    }
}

/// Schemes whose authority is a DNS host with known default ports.
pub(super) fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

/// RFC 3986 section 3.1; the scheme comes back in lower case.
pub(super) fn split_scheme(text: &str) -> Result<(String, &str), UriFault> {
    let (scheme, rest) = text.split_once(':').ok_or(UriFault::NoScheme)?;
    let mut letters = scheme.chars();
    let sound = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !sound {
        return Err(UriFault::NoScheme);
    }
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// Decodes what needs no encoding, encodes what is not ASCII (RFC 3987 section 3.1), refuses what hides structure.
pub(super) fn normal_percent(text: &str) -> Result<String, UriFault> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else {
                    return Err(UriFault::Percent);
                };
                let decoded = high * 16 + low;
                match decoded {
                    b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(UriFault::HiddenCharacter),
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        out.push(char::from(decoded))
                    }
                    _ => push_encoded(&mut out, decoded),
                }
            }
            b' ' | 0x80.. => push_encoded(&mut out, b),
            _ => out.push(char::from(b)),
        }
    }
    let hides_encoding = out.match_indices("%25").any(|(at, _)| {
        let mut next = out.bytes().skip(at + 3);
        next.next().and_then(hex).is_some() && next.next().and_then(hex).is_some()
    });
    if hides_encoding { Err(UriFault::HiddenCharacter) } else { Ok(out) }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

fn push_encoded(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.extend(char::from_digit(u32::from(digit), 16).map(|c| c.to_ascii_uppercase()));
    }
}

/// Host in lower case, user name kept as it is; for the web without user name and default port.
fn normal_authority(scheme: &str, authority: &str) -> Result<String, UriFault> {
    if matches!(authority, "." | "..") {
        return Err(UriFault::DotSegment);
    }
    if !is_web(scheme) {
        return Ok(match authority.rsplit_once('@') {
            Some((user, host)) => format!("{user}@{}", lower_literals(host)),
            None => lower_literals(authority),
        });
    }
    let port = if scheme == "http" { ":80" } else { ":443" };
    let host = authority.strip_suffix(port).or_else(|| authority.strip_suffix(':')).unwrap_or(authority);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if authority.contains(['@', '%']) || name.is_empty() || name.ends_with('.') || host.ends_with(':') {
        return Err(UriFault::Authority);
    }
    Ok(host.to_ascii_lowercase())
}

/// Lower case for letters, upper case for the digits of an encoding.
fn lower_literals(host: &str) -> String {
    let mut encoded = 0u8;
    let lower = |c: char| {
        if c == '%' {
            encoded = 2;
            return c;
        }
        if encoded > 0 {
            encoded -= 1;
            return c.to_ascii_uppercase();
        }
        c.to_ascii_lowercase()
    };
    host.chars().map(lower).collect()
}

/// RFC 3986 section 5.2.4, but refusing what climbs out, and `..` in a path with empty segments (a file system reads
/// `a//../b` otherwise than the RFC does).
fn remove_dot_segments(path: &str) -> Result<String, UriFault> {
    let (root, body) = path.strip_prefix('/').map_or(("", path), |body| ("/", body));
    let mut kept: Vec<&str> = Vec::new();
    let (mut climbs, mut empties) = (false, false);
    let mut segments = body.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                climbs = true;
                kept.pop().ok_or(UriFault::DotSegment)?;
            }
            _ if segment.starts_with("..;") || segment.starts_with(".;") => return Err(UriFault::DotSegment),
            _ => {
                empties |= segment.is_empty() && !last;
                kept.push(segment);
            }
        }
        if last && matches!(segment, "." | "..") && !kept.is_empty() {
            kept.push("");
        }
    }
    if climbs && empties {
        return Err(UriFault::DotSegment);
    }
    Ok(format!("{root}{}", kept.join("/")))
}

/// The path as file systems and frameworks read it, as it stands first.
fn paths(path: &str) -> Vec<Cow<'_, str>> {
    let mut paths = vec![Cow::Borrowed(path)];
    also(&mut paths, |path| path.contains(';').then(|| without_parameters(path)));
    also(&mut paths, |path| path.contains("//").then(|| with_single_slashes(path)));
    also(&mut paths, |path| path.ends_with('/').then(|| path.trim_end_matches('/').to_owned()));
    paths
}

/// Each of them as it is, and as somebody reads it who reads it otherwise.
fn also(paths: &mut Vec<Cow<'_, str>>, read: impl Fn(&str) -> Option<String>) {
    let others: Vec<String> = paths.iter().filter_map(|path| read(path)).collect();
    paths.extend(others.into_iter().map(Cow::Owned));
}

/// `;x` of every segment left out.
fn without_parameters(path: &str) -> String {
    let bare: Vec<&str> = path.split('/').map(|s| s.split(';').next().unwrap_or_default()).collect();
    bare.join("/")
}

fn with_single_slashes(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    single
}

#[cfg(test)]
mod tests;
