//! Which characters of a text does nobody see? Control characters, terminal sequences, invisible and reordering characters,
//! and those in which whole texts can be hidden (tag characters, variation selectors).

use std::ops::Range;

/// The stretches of `text` that nobody sees, in order. A joiner or a variation selector stays where it has a use: one of
/// them, between or behind characters beyond ASCII (emoji, Persian, Indic scripts), of the supplement directly behind an
/// ideograph whose form it chooses (Unicode Technical Standard 37). Tags never have one that is worth characters which nobody
/// sees: flags of England, Scotland and Wales lose it. So do forms of ideographs beyond the 32nd, since 240 different
/// selectors would hide a byte behind each ideograph.
pub(crate) fn hidden(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    if !may_hide(text.as_bytes()) {
        return found;
    }
    // The last character that is seen, and where it ends.
    let mut last: Option<(char, usize)> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let seen = last.map(|(c, _)| c);
        let next = chars.peek().map(|(_, c)| *c);
        let range = match c {
            '\u{1b}' => at..end + sequence(text.as_bytes().get(end..).unwrap_or_default()),
            '\u{9b}' => at..end + control(text.as_bytes().get(end..).unwrap_or_default()),
            // Directly: where something hidden stood between, it does not vary what it would stand behind then.
            FIRST_FORM..=LAST_FORM if last.is_some_and(|(last, end)| is_ideograph(last) && end == at) => {
                last = Some((c, end));
                continue;
            }
            _ if is_hidden(c) => at..end,
            '\u{200c}' | '\u{200d}' if !joins(seen) || !is_joined(next) => at..end,
            '\u{fe00}'..='\u{fe0f}' if !takes_selector(seen) => at..end,
            _ => {
                last = Some((c, end));
                continue;
            }
        };
        while chars.next_if(|(at, _)| *at < range.end).is_some() {}
        match found.last_mut() {
            Some(before) if before.end == range.start => before.end = range.end,
            _ => found.push(range),
        }
    }
    found
}

/// `text` without `hidden`, which are ranges of it in order.
pub(crate) fn without(text: &str, hidden: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in hidden {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Makes of `ranges` of the text without `hidden` those of the text with them. Both are in order, and none overlap.
pub(crate) fn place(ranges: &mut [Range<usize>], hidden: &[Range<usize>]) {
    let (mut rest, mut shift) = (hidden.iter().peekable(), 0);
    for range in ranges {
        // What is hidden just before a range is none of it, what is hidden just behind it neither.
        while let Some(range) = rest.next_if(|hidden| hidden.start <= range.start + shift) {
            shift += range.len();
        }
        range.start += shift;
        while let Some(range) = rest.next_if(|hidden| hidden.start < range.end + shift) {
            shift += range.len();
        }
        range.end += shift;
    }
}

/// Whether a byte that begins such a character is in it at all: most texts are of printable ASCII.
fn may_hide(text: &[u8]) -> bool {
    text.iter().any(|b| match b {
        b'\t' | b'\n' | b'\r' => false,
        0..0x20 | 0x7f => true,
        _ => *b >= 0xc2,
    })
}

const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a joiner behind it has a use. The last selector is the one of emoji, which are joined.
fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        !c.is_ascii() && !is_hidden(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0e}')
    })
}

/// Whether a joiner before it has a use.
fn is_joined(c: Option<char>) -> bool {
    joins(c) && c != Some('\u{fe0f}')
}

/// Whether a variation selector behind it has a use: emoji and symbols, of ASCII the digits, `#` and `*` of keycaps.
fn takes_selector(c: Option<char>) -> bool {
    c.is_some_and(|c| matches!(c, '0'..='9' | '#' | '*') || !c.is_ascii() && !c.is_whitespace())
        && !c.is_some_and(|c| is_hidden(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}'))
}

/// The selectors of the forms of ideographs that stay: more than 32 no ideograph has.
const FIRST_FORM: char = '\u{e0100}';
const LAST_FORM: char = '\u{e011f}';

/// Whether it is a unified ideograph, of which there are registered forms. Those for compatibility are a form themselves.
const fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2f7ff}' | '\u{30000}'..='\u{3fffd}')
}

/// How long the terminal sequence is that follows an escape character (ECMA-48 section 5.4, and the strings of section 5.6).
fn sequence(text: &[u8]) -> usize {
    const LONGEST: usize = 4096;
    match text.first() {
        Some(b'[') => 1 + control(text.get(1..).unwrap_or_default()),
        Some(b']' | b'P' | b'^' | b'_' | b'X') => {
            let string = text.get(..text.len().min(LONGEST)).unwrap_or_default();
            let end = string.iter().position(|b| matches!(b, 7 | 0x1b));
            match end.map(|at| (at, string.get(at..at + 2))) {
                Some((at, Some(b"\x1b\\"))) => at + 2,
                Some((at, _)) if string.get(at) == Some(&7) => at + 1,
                // Without an end it would be all of the text.
                _ => 1,
            }
        }
        Some(b'(' | b')' | b'#') => text.len().min(2),
        Some(0x30..=0x7e) => 1,
        _ => 0,
    }
}

/// The same for what follows the introducer of a control sequence, which is one character or two.
fn control(text: &[u8]) -> usize {
    let held = text.iter().take(64).take_while(|b| matches!(b, 0x20..=0x3f)).count();
    let last = text.get(held).is_some_and(|b| matches!(b, 0x40..=0x7e));
    held + usize::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_found_and_what_has_a_use_is_not() {
        // A text, and what is left of it.
        for (text, left) in [
            ("plain\ttext\r\nof two lines", "plain\ttext\r\nof two lines"),
            ("\u{1b}[31mred\u{1b}[0m and \u{1b}]0;title\u{7}done", "red and done"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("a\u{200b}b\u{202e}c\u{2066}d\u{feff}", "abcd"),
            ("x\u{e0041}\u{e0042}\u{e007f}y", "xy"),
            ("pass\u{ad}word", "password"),
            ("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{200d}\u{1f469}"),
            ("a\u{200d}b", "ab"),
            ("\u{2764}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("\u{2764}\u{fe0f}\u{fe01}\u{fe02}", "\u{2764}\u{fe0f}"),
            ("a\u{fe0f}", "a"),
            ("\u{6cc}\u{200c}\u{62e}", "\u{6cc}\u{200c}\u{62e}"),
            ("bell\u{7}\u{8}\u{7f}\u{85}", "bell"),
            ("\u{1b}", ""),
            ("\u{9b}31mred", "red"),
            ("\u{feff}a", "a"),
            ("ع\u{200c}\u{200d}", "ع"),
            ("ع\u{200d}\u{fe0f}x", "ع\u{fe0f}x"),
            ("x\u{fe01}\u{fe0f}", "x"),
            ("a\u{e0101}\u{e0102}", "a"),
            ("葛\u{e0100}城", "葛\u{e0100}城"),
            ("辻\u{e011f}", "辻\u{e011f}"),
            ("葛\u{e0120}\u{e01ef}", "葛"),
            ("葛\u{e0100}\u{e0101}\u{fe00}\u{200d}城", "葛\u{e0100}城"),
            ("葛\u{200b}\u{e0100}", "葛"),
            ("\u{e0100}葛", "葛"),
            ("あ\u{e0100}\u{f900}\u{e0100}é\u{e0100}", "あ\u{f900}é"),
            ("\u{20089}\u{e0101}", "\u{20089}\u{e0101}"),
            ("pay\u{202e}load\u{2066}", "payload"),
            ("a\u{8}\u{0}\u{85}\u{7f}", "a"),
            ("\u{3164}\u{ad}\u{2800}\u{180b}", ""),
            ("Zürich, Łódź, 東京", "Zürich, Łódź, 東京"),
        ] {
            let ranges = hidden(text);
            assert_eq!(without(text, &ranges), left, "{text:?}");
            assert!(hidden(left).is_empty(), "{text:?}: once more");
        }
    }

    #[test]
    fn what_people_write_is_seen() {
        for text in [
            "Finds notes.\n\t- one\r\n",
            "葛\u{e0100}飾区, 辻\u{e0101}さん",
            "naïve Ünïcödé, 日本語, עברית, العربية, हिन्दी",
            "می\u{200c}خواهم, क\u{94d}\u{200d}ष",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}, \u{2764}\u{fe0f}, 1\u{fe0f}\u{20e3}, #\u{fe0f}\u{20e3}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
        ] {
            assert!(hidden(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn places_are_found_again_in_the_whole_text() {
        let text = "\u{200b}AK\u{200b}IA\u{200b}.";
        let mut ranges = [0..4, 4..5];
        place(&mut ranges, &hidden(text));
        assert_eq!(text.get(ranges[0].clone()), Some("AK\u{200b}IA"));
        assert_eq!(text.get(ranges[1].clone()), Some("."));
    }
}
