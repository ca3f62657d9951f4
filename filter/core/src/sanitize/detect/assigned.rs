//! Is a secret assigned here? `password = "…"`, `"api_key": "…"`, `AccountKey=…;`, in whatever language.

use std::ops::Range;

use super::entropy::{is_mixed, is_random};
use super::{before, byte, past_escape, run};

/// How much a value must look like a secret, given the word before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// The word means nothing else: any value but a placeholder.
    Password,
    /// The word may mean much: the value looks random.
    Key,
}

/// Words that name secrets, in lower case. What stands between a word and its value may lengthen it (`_PROD`, `_v2`).
pub(super) const WORDS: &[(&str, Worth)] = &[
    ("password", Worth::Password),
    ("passwd", Worth::Password),
    ("passphrase", Worth::Password),
    ("pwd", Worth::Password),
    ("passwort", Worth::Password),
    ("secret", Worth::Key),
    ("apikey", Worth::Key),
    ("api_key", Worth::Key),
    ("api-key", Worth::Key),
    ("api key", Worth::Key),
    ("access_key", Worth::Key),
    ("accesskey", Worth::Key),
    ("secretkey", Worth::Key),
    ("token", Worth::Key),
    ("credential", Worth::Key),
    ("accountkey", Worth::Key),
    ("sharedaccesskey", Worth::Key),
    ("private_key", Worth::Key),
    ("authkey", Worth::Key),
    ("auth_key", Worth::Key),
    ("encryption_key", Worth::Key),
    ("signing_key", Worth::Key),
    ("sharedaccesssignature", Worth::Key),
];

/// By how much of a value is judged whether it is one.
const JUDGED: usize = 256;
/// The longest value that is one: keys in Base64 without their armour are some thousand bytes.
const LONGEST: usize = 32 << 10;

/// The value assigned to the word of `length` at `at`.
pub(super) fn assigned(text: &[u8], at: usize, length: usize, worth: Worth) -> Option<Range<usize>> {
    // `pwd` within another word is none.
    if length < 4 && before(text, at).is_ascii_alphabetic() {
        return None;
    }
    let named = at + length;
    let mut to = named + run(text, named, 24, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if speaks_of_one(text.get(at..to)?) {
        return None;
    }
    // The quote that ends a key, as it is or escaped in a text within a text.
    to += run(text, to, 1, |b| b == b'\\');
    to += run(text, to, 1, |b| matches!(b, b'"' | b'\'' | b'`' | b']'));
    to += run(text, to, 4, |b| matches!(b, b' ' | b'\t'));
    let separator = run(text, to, 2, |b| matches!(b, b'=' | b':'));
    let sign = text.get(to..to + separator)?;
    let loose = sign == b":";
    if sign == b"::" {
        return None;
    }
    to += separator + usize::from(separator > 0 && byte(text, to + separator) == b'>');
    // `--password secret`, `-p secret` are how commands have it.
    let option = separator == 0
        && text.get(at.saturating_sub(2)..at) == Some(b"--")
        && byte(text, to.saturating_sub(1)) == b' ';
    if separator == 0 && !option {
        return None;
    }
    to += run(text, to, 4, |b| matches!(b, b' ' | b'\t'));
    if byte(text, to) == b'\\' {
        to = past_escape(text, to + 1).unwrap_or(to + 1);
    }
    let quote = Some(byte(text, to)).filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    to += usize::from(quote.is_some());
    if opens_placeholder(text.get(to..)?) {
        return None;
    }
    // A colon in prose is followed by any word, and that by the end of a sentence.
    let prose = loose && quote.is_none();
    let ends = |b: u8| match quote {
        Some(quote) => b == quote || b == b'\\' || b == b'\n',
        None => b <= b' ' || b"\"'`,;&<>()}]|\\".contains(&b) || worth == Worth::Key && b == b'@',
    };
    let within = |most| {
        let held = run(text, to, most, |b| !ends(b));
        let full_stop = prose && held > 0 && matches!(byte(text, to + held - 1), b'.' | b':' | b'!' | b'?');
        held - usize::from(full_stop)
    };
    let held = within(JUDGED);
    let value = text.get(to..to + held)?;
    // A call, or a place in a program: no value. Several words: something about one.
    let code = quote.is_none() && (byte(text, to + held) == b'(' || is_code(value));
    if code || value.contains(&b' ') {
        return None;
    }
    worth_hiding(value, worth, prose).then(|| to..to + within(LONGEST))
}

/// Whether a member of this name holds a secret, and how sure that is. Letter case, `_` and `-` do not matter.
pub(crate) fn names_a_secret(name: &str) -> Option<Worth> {
    // All words begin with one of these, or end so.
    const HINTS: [&[u8; 3]; 6] = [b"pas", b"pwd", b"sec", b"key", b"tok", b"cre"];
    let hints = |three: &[u8]| HINTS.iter().any(|hint| three.eq_ignore_ascii_case(*hint));
    if name.len() > 64 || !name.as_bytes().windows(3).any(hints) {
        return None;
    }
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    if speaks_of_one(plain.as_bytes()) {
        return None;
    }
    WORDS
        .iter()
        .find(|(word, _)| !word.contains(['_', '-', ' ']) && plain.contains(word))
        .map(|(_, worth)| *worth)
}

/// Whether something of this name says something about secrets, and holds none: tokens are counted, a `token_type` is public.
fn speaks_of_one(name: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 20] = [
        b"tokens",
        b"count",
        b"type",
        b"limit",
        b"usage",
        b"name",
        b"id",
        b"url",
        b"uri",
        b"endpoint",
        b"class",
        b"file",
        b"path",
        b"length",
        b"size",
        b"policy",
        b"expiry",
        b"expires",
        b"ref",
        b"arn",
    ];
    let plain: Vec<u8> =
        name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

/// Whether a value that is said to be a secret is one, and no word about it. In `prose` more is asked for.
pub(crate) fn worth_hiding(value: &[u8], worth: Worth, prose: bool) -> bool {
    if is_placeholder(value) || value.len() < 4 {
        return false;
    }
    let classes = [
        u8::is_ascii_digit as fn(&u8) -> bool,
        u8::is_ascii_lowercase,
        u8::is_ascii_uppercase,
        u8::is_ascii_punctuation,
    ]
    .iter()
    .filter(|class| value.iter().any(class))
    .count();
    let digits = value.iter().any(u8::is_ascii_digit);
    match worth {
        Worth::Password if prose => value.len() >= 6 && classes >= 2 && (digits || classes >= 3),
        Worth::Password => true,
        Worth::Key => {
            (!prose || value.len() >= 20 || is_mixed(value))
                && value.len() >= 12
                && !value.windows(3).any(|three| three == b"://" || three.starts_with(b"::"))
                && digits
                && classes >= 2
                && !value.contains(&b' ')
                && is_random(value, 3.0)
        }
    }
}

/// Whether it stands for a value that is not there: `<password>`, `${TOKEN}`, `xxxxx`, `None`, a mark of ours.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 34] = [
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "string",
        "required",
        "optional",
        "password",
        "secret",
        "token",
        "redacted",
        "hidden",
        "masked",
        "empty",
        "text",
        "value",
        "your_password",
        "yourpassword",
        "your-password",
        "your_api_key",
        "your-api-key",
        "your_token",
        "your-token",
        "your_secret",
        "example",
        "placeholder",
        "unknown",
        "str",
        "int",
        "bytes",
        "number",
        "boolean",
    ];
    let said =
        std::str::from_utf8(value).unwrap_or_default().trim_matches(|c: char| "\"'`[]{}()".contains(c));
    let one = value.first().is_some_and(|first| value.iter().all(|b| b == first));
    value.is_empty()
        || one
        || opens_placeholder(value)
        || WORDS.iter().any(|word| said.eq_ignore_ascii_case(word))
}

/// Whether what begins so stands for something else.
fn opens_placeholder(value: &[u8]) -> bool {
    const OPENS: [&[u8]; 13] = [
        b"<",
        b"${",
        b"$(",
        b"{{",
        b"%(",
        b"%{",
        b"[redacted",
        b"[REDACTED",
        b"$",
        b"***",
        b"os.",
        b"process.",
        b"env.",
    ];
    OPENS.iter().any(|open| value.starts_with(open))
}

/// Whether it is the name of a place in a program, `req.body.password`, or on the web.
fn is_code(value: &[u8]) -> bool {
    let said = std::str::from_utf8(value).unwrap_or_default().trim_end_matches(['[', ']']);
    let name = |part: &str| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    said.contains("::") || said.contains("://") || said.contains('.') && said.split('.').all(name)
}
