//! Is this a token of a known format, a JWT, a private key, an Authorization header, a URL with a password?

use std::ops::Range;

use base64::Engine as _;

use super::assigned::is_placeholder;
use super::entropy::{is_mixed, is_random};
use super::formats::{Check, Format};
use super::{before, byte, is_word, past_escape, run};

/// The most of a private key that is searched for its end.
const MAX_BLOCK: usize = 32 << 10;

/// A token whose prefix stands at `at`.
pub(super) fn token(text: &[u8], at: usize, format: &Format) -> Option<Range<usize>> {
    let from = at + format.prefix.len();
    // Which letter case the search does not look at.
    // What may stand in a token before it: one began earlier. So no stretch is looked at twice.
    let left = before(text, at);
    if is_word(left) || format.body.holds(left) || text.get(at..from) != Some(format.prefix.as_bytes()) {
        return None;
    }
    let (least, most) = format.length;
    let mut length = run(text, from, most + 1, |b| format.body.holds(b));
    // A full stop that ends a sentence is none of the token's.
    while length > 0 && matches!(byte(text, from + length - 1), b'.' | b'-') {
        length -= 1;
    }
    let end = from + length;
    if !(least..=most).contains(&length) || byte(text, end).is_ascii_alphanumeric() {
        return None;
    }
    let body = text.get(from..end)?;
    let sound = match format.check {
        Check::Random => is_random(body, 2.5),
        Check::Crc32 => has_crc32(body) || is_random(body, 3.5),
        Check::Mixed => is_random(body, 3.5) && is_mixed(body),
    };
    sound.then_some(at..end)
}

/// The last six characters are the CRC-32 of those before in base 62, zeros in front (GitHub's and npm's tokens).
fn has_crc32(body: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, sum)) = body.split_last_chunk::<6>() else { return false };
    let mut crc = !0_u32;
    for byte in random {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    let mut rest = !crc;
    sum.iter().rev().all(|digit| {
        let expected = DIGITS.get((rest % 62) as usize);
        rest /= 62;
        expected == Some(digit)
    })
}

/// A JWS or JWE in compact form (RFC 7515 section 7.1) that begins at `at` with `eyJ`, the beginning of a JSON object.
pub(super) fn jwt(text: &[u8], at: usize) -> Option<Range<usize>> {
    let left = before(text, at);
    if is_word(left) || matches!(left, b'-' | b'.') || text.get(at..at + 3) != Some(b"eyJ") {
        return None;
    }
    let part = |from| run(text, from, 16 << 10, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let mut end = at + part(at);
    let (mut parts, mut second) = (1, 0);
    while byte(text, end) == b'.' && parts < 5 {
        second = if parts == 1 { end + 1 } else { second };
        end = end + 1 + part(end + 1);
        parts += 1;
    }
    let claims = text.get(second..second + 3) == Some(b"eyJ");
    // A JWS whose signature was cut off says as much of somebody.
    let whole = (parts >= 2 && claims) || parts == 5;
    (whole && end - at > 36).then_some(at..end)
}

/// A private key in PEM armour (RFC 7468) or OpenPGP's, from `-----BEGIN` at `at` to its end; one without an end, to where
/// the text stops to look like one.
pub(super) fn private_key(text: &[u8], at: usize) -> Option<Range<usize>> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let block = text.get(at..)?.get(..MAX_BLOCK.min(text.len() - at))?;
    let label = block.strip_prefix(BEGIN)?;
    let label =
        label.get(..run(label, 0, 64, |b| b.is_ascii_uppercase() || matches!(b, b' ' | b'0'..=b'9')))?;
    if !label.ends_with(b"PRIVATE KEY") && !label.ends_with(b"PRIVATE KEY BLOCK") {
        return None;
    }
    let body = BEGIN.len() + label.len() + 5;
    // Its end, or where the next one begins.
    let next = block
        .get(body..)?
        .windows(9)
        .position(|w| w == b"-----END " || w == b"-----BEGI")
        .map(|at| body + at);
    let Some(end) = next.filter(|at| block.get(at + 5..at + 8) == Some(b"END")) else {
        let armour = |b: u8| b.is_ascii_alphanumeric() || b" \t\r\n+/=\\:,".contains(&b);
        let length = run(block, body, next.unwrap_or(MAX_BLOCK).saturating_sub(body), armour);
        return (length >= 64).then_some(at..at + body + length);
    };
    let tail = run(block, end + 9, 64, |b| b != b'-' && b != b'\n');
    Some(at..at + end + 9 + tail + run(block, end + 9 + tail, 5, |b| b == b'-'))
}

/// What follows `Bearer ` or `Basic ` at `at`, which is `length` long, where it is a credential (RFC 6750, RFC 7617).
pub(super) fn authorization(text: &[u8], at: usize, length: usize) -> Option<Range<usize>> {
    if is_word(before(text, at)) {
        return None;
    }
    let from = at + length;
    let held = run(text, from, 4096, |b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
    let value = text.get(from..from + held)?;
    let sound = if length == "basic ".len() {
        let decoded = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
        decoded.contains(&b':') && decoded.iter().all(|b| *b >= 0x20)
    } else {
        held >= 16 && value.iter().any(u8::is_ascii_digit) && is_random(value, 3.0)
    };
    (sound && !is_placeholder(value)).then_some(from..from + held)
}

/// The password of a URL (RFC 3986 section 3.2.1) whose `://` stands at `at`.
pub(super) fn password_of_url(text: &[u8], at: usize) -> Option<Range<usize>> {
    let from = at + 3;
    if !before(text, at).is_ascii_alphanumeric() {
        return None;
    }
    let ends = |b: u8| b <= b' ' || b"/?#\"'<>`\\,".contains(&b);
    let authority = text.get(from..from + run(text, from, 512, |b| !ends(b)))?;
    let host = authority.iter().rposition(|b| *b == b'@')?;
    let colon = authority.get(..host)?.iter().position(|b| *b == b':')?;
    let password = authority.get(colon + 1..host)?;
    (!password.is_empty() && !is_placeholder(password)).then_some(from + colon + 1..from + host)
}

/// An Azure client secret around the `Q~` at `at`: three characters and a digit before, 31 to 34 after.
pub(super) fn azure_secret(text: &[u8], at: usize) -> Option<Range<usize>> {
    let such = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'~' | b'.' | b'-');
    let start = at.checked_sub(4)?;
    let head = text.get(start..at)?;
    let tail = run(text, at + 2, 35, such);
    let sound = head.iter().all(|b| such(*b)) && head.last().is_some_and(u8::is_ascii_digit);
    let free = !such(before(text, start)) && past_escape(text, start).is_none();
    let body = text.get(start..at + 2 + tail)?;
    (sound && free && (31..=34).contains(&tail) && is_random(body, 3.5)).then_some(start..at + 2 + tail)
}

/// A token of a Telegram bot around the `:AA` at `at`: its number before, 33 characters behind.
pub(super) fn telegram_token(text: &[u8], at: usize) -> Option<Range<usize>> {
    let digits = text.get(..at)?.iter().rev().take(11).take_while(|b| b.is_ascii_digit()).count();
    let start = at - digits;
    let start = past_escape(text, start).map_or(start, |past| past.min(at));
    let digits = at - start;
    let tail = run(text, at + 3, 34, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let body = text.get(at + 3..at + 3 + tail)?;
    let sound = (8..=10).contains(&digits) && tail == 33 && is_random(body, 3.0);
    let prefixed = matches!(before(text, start), b't' if start >= 3) || !is_word(before(text, start));
    (sound && prefixed && text.get(at..at + 3) == Some(b":AA")).then_some(start..at + 3 + tail)
}

/// The secret part of a Slack webhook whose `hooks.slack.com/` stands at `at`.
pub(super) fn slack_webhook(text: &[u8], at: usize) -> Option<Range<usize>> {
    let from = at + "hooks.slack.com/".len();
    let length = run(text, from, 160, |b| b.is_ascii_alphanumeric() || b == b'/');
    let path = text.get(from..from + length)?;
    let parts = path.split(|b| *b == b'/').count();
    (parts >= 3 && length >= 40).then_some(from..from + length)
}
