//! Is this a telephone number? International ones (ITU-T E.164, `+` and 8 to 15 digits), those of North America (NANP), and
//! national ones that begin with 0 and are written in groups. Bare digits only where a word before them says so.

use std::ops::Range;

use super::digits::Number;
use super::{before, byte, is_word};

/// Words behind which bare digits are a telephone number.
const WORDS: [&str; 11] =
    ["phone", "tel", "telephone", "mobile", "cell", "fax", "whatsapp", "sms", "telefon", "handy", "call"];

pub(super) fn in_number(number: &Number<'_>) -> Option<Range<usize>> {
    let digits = number.digits.all();
    let length = number.digits.len();
    let left = before(number.text, number.start);
    let goes_on = is_word(byte(number.text, number.end))
        || matches!(byte(number.text, number.end), b'-' | b'.' | b':' | b'/')
            && byte(number.text, number.end + 1).is_ascii_digit();
    if goes_on || !(7..=15).contains(&length) || number.digits.are_one() {
        return None;
    }
    if left == b'+' && !is_word(before(number.text, number.start - 1)) {
        return (international(digits) && !is_date(number.groups.all(), number.separator))
            .then_some(number.start - 1..number.end);
    }
    let open = usize::from(left == b'(');
    let start = number.start - open;
    let decimal = matches!(before(number.text, start), b'.' | b',' | b'-' | b'/' | b'=' | b'#' | b':')
        && before(number.text, start.saturating_sub(1)) != b' '
        && is_word(before(number.text, start.saturating_sub(1)));
    let said = || is_said(number.text, start);
    if decimal && !said() {
        return None;
    }
    let grouped = number.groups.len() > 1;
    // The rest of a longer row of digits is no number of its own.
    let rest =
        before(number.text, start) == b' ' && before(number.text, start.saturating_sub(1)).is_ascii_digit();
    if rest && !said() {
        return None;
    }
    let sound = match (digits, number.groups.all()) {
        ([0, 0, rest @ ..], [2..=u8::MAX, ..]) if grouped || said() => international(rest),
        (_, [3, 3, 4] | [1, 3, 3, 4]) => american(digits),
        ([0, ..], groups) if grouped => {
            let printed = groups.len() <= 6 && groups.iter().all(|group| *group >= 2);
            printed
                && (9..=12).contains(&length)
                && number.separator != b'.'
                && !is_date(groups, number.separator)
                || said()
        }
        (_, [10 | 11]) => (american(digits) || digits.first() == Some(&0)) && said(),
        (_, groups) => grouped && groups.len() <= 4 && said(),
    };
    sound.then_some(start..number.end)
}

/// Behind `+` or `00`: a country code that is given out, and enough digits.
fn international(digits: &[u8]) -> bool {
    let length = digits.len();
    match digits {
        [1, ..] => length == 11 && american(digits),
        [7, ..] => length == 11,
        [2, 0 | 7, ..] | [3, 0..=4 | 6 | 9, ..] | [4, 0 | 1 | 3..=9, ..] | [5, 1..=8, ..] => {
            (9..=14).contains(&length)
        }
        [6, 0..=6, ..] | [8, 1 | 2 | 4 | 6, ..] | [9, 0..=5 | 8, ..] => (9..=14).contains(&length),
        [2..=9, _, _, ..] => (9..=15).contains(&length),
        _ => false,
    }
}

/// Area code and exchange begin with 2 to 9, and neither is one of services (NANP).
fn american(digits: &[u8]) -> bool {
    let digits = if digits.len() == 11 { digits.strip_prefix(&[1]).unwrap_or(&[]) } else { digits };
    match digits {
        [2..=9, b, c, 2..=9, e, f, ..] => {
            digits.len() == 10 && !(*b == 1 && *c == 1) && !(*e == 1 && *f == 1)
        }
        _ => false,
    }
}

fn is_date(groups: &[u8], separator: u8) -> bool {
    matches!(separator, b'-' | b'/' | b'.')
        && matches!(groups, [2, 2, 4, ..] | [4..=u8::MAX, 2, 2, ..] | [2, 2, 2, ..])
}

/// Whether one of the words stands just before, or before `number`.
fn is_said(text: &[u8], at: usize) -> bool {
    let near = text.get(at.saturating_sub(20)..at).unwrap_or_default();
    let trimmed = |near: &[u8]| near.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
    let near = near.get(..trimmed(near)).unwrap_or_default();
    // Rows of numbers come here often, and no word ends in a digit.
    if !near.last().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let ends = |near: &[u8], word: &[u8]| {
        near.len() >= word.len()
            && near.get(near.len() - word.len()..).is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    let near = if ends(near, b"number") { near.get(..near.len() - 6).unwrap_or_default() } else { near };
    let near = near.get(..trimmed(near)).unwrap_or_default();
    WORDS.iter().any(|word| ends(near, word.as_bytes()))
}
