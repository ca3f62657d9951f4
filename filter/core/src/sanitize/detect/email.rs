//! Is this an address of e-mail? RFC 5321's dot-strings at a domain name, as people write them; no quoted local parts.

use std::ops::Range;

use super::past_escape;

/// What looks like the top level of a domain behind an `@` and is the ending of a file or of a systemd unit.
const ENDINGS: [&str; 26] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "js", "ts", "tsx", "jsx", "mjs", "css", "json", "map",
    "py", "md", "yml", "yaml", "service", "socket", "timer", "target", "mount", "scope", "slice",
];

/// The address whose `@` stands at `at`.
pub(super) fn address(text: &str, at: usize) -> Option<Range<usize>> {
    let local = text.get(..at)?;
    let of_local = |c: char| c.is_alphanumeric() || "._%+-'!#$&*/=?^{|}~".contains(c);
    // What only quotes or separates before the address is none of it.
    let start = local.char_indices().rev().take(65).take_while(|(_, c)| of_local(*c)).last()?.0;
    let start = past_escape(text.as_bytes(), start).unwrap_or(start);
    let name = local.get(start..)?;
    let name = name.rsplit_once(['=', '/', '{', '|', '?', '&']).map_or(name, |(_, name)| name);
    // An apostrophe within a name is a part of it, one before it is a quote.
    let quoted = name.rfind('\'').filter(|quote| !before_is_letter(name, *quote));
    let name = quoted.and_then(|quote| name.get(quote + 1..)).unwrap_or(name);
    let name = name.trim_start_matches(['.', '-', '*', '#', '$', '!', '~', '^', '%', '+']);
    if name.is_empty() || name.len() > 64 || name.ends_with('.') || name.contains("..") {
        return None;
    }
    let rest = text.get(at + 1..)?;
    let end = rest.char_indices().take(254).find(|(_, c)| !(c.is_alphanumeric() || matches!(c, '.' | '-')));
    let domain = rest
        .get(..end.map_or_else(|| rest.char_indices().nth(254).map_or(rest.len(), |(i, _)| i), |(i, _)| i))?;
    let domain = domain.trim_end_matches(['.', '-']);
    let behind = rest.get(domain.len()..)?;
    if behind.starts_with('@') || !is_domain(domain) {
        return None;
    }
    // `git@host.example:path` is how scp and git write a place.
    let path = |path: &str| path.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '~'));
    if behind.strip_prefix(':').is_some_and(path) || is_password(text.get(..at - name.len())?) {
        return None;
    }
    Some(at - name.len()..at + 1 + domain.len())
}

fn before_is_letter(text: &str, at: usize) -> bool {
    text.get(..at).and_then(|text| text.chars().next_back()).is_some_and(char::is_alphanumeric)
}

/// Whether what follows `before` is the password of a URL, which a host follows: `scheme://user:`.
fn is_password(before: &str) -> bool {
    let near = before.char_indices().rev().take(128).take_while(|(_, c)| !c.is_whitespace()).last();
    let near = near.and_then(|(at, _)| before.get(at..)).unwrap_or_default();
    near.rsplit_once("://").is_some_and(|(_, user)| !user.contains(['/', '?', '#', '@']))
}

fn is_domain(domain: &str) -> bool {
    let Some((_, top)) = domain.rsplit_once('.') else { return false };
    let labels = domain
        .split('.')
        .all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-'));
    let named = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic) || top.starts_with("xn--");
    labels && named && !ENDINGS.iter().any(|ending| top.eq_ignore_ascii_case(ending))
}
