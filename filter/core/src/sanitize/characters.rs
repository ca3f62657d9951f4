//! Which characters does nobody see, though a model reads them? One table of classes, for whatever is looked through.

/// What a character does to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It begins a command to a terminal: ESC, or CSI as one character.
    Escape,
    /// Another control character, but for tab, line feed and carriage return.
    Control,
    /// It takes no room: zero-width spaces and joiners, fillers, soft hyphens, variation selectors that vary nothing.
    Invisible,
    /// It changes the direction of what stands around it.
    Direction,
    /// A tag (U+E0000 to U+E007F): ASCII that nobody sees.
    Tag,
}

// === impl Class ===

impl Class {
    /// The class of `c`, which stands behind `before`; `None` for what can be seen, and for white space.
    ///
    /// Joiners and variation selectors belong to scripts and emoji: behind a character outside ASCII they are not hidden, a
    /// second one behind the first is. A tag is hidden even in the flags of England, Scotland and Wales.
    pub fn of(c: char, before: Option<char>) -> Option<Self> {
        match c {
            ' '..='~' | '\t' | '\n' | '\r' => None,
            '\u{1b}' | '\u{9b}' => Some(Self::Escape),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some(Self::Control),
            '\u{200c}' | '\u{200d}' => hidden_unless(before.is_some_and(|b| !b.is_ascii() && !is_joint(b))),
            // Behind a digit, `#` or `*` the last one makes a key cap.
            '\u{fe00}'..='\u{fe0f}' => hidden_unless(before.is_some_and(is_varied)),
            '\u{e0100}'..='\u{e01ef}' => hidden_unless(before.is_some_and(is_ideograph)),
            '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0080}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}' => Some(Self::Invisible),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                Some(Self::Direction)
            }
            '\u{e0000}'..='\u{e007f}' => Some(Self::Tag),
            _ => None,
        }
    }
}

fn hidden_unless(seen: bool) -> Option<Class> {
    (!seen).then_some(Class::Invisible)
}

/// Whether it joins or varies what stands before it.
const fn is_joint(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{e0100}'..='\u{e01ef}')
        || matches!(Some(c), Some('\u{fe00}'..='\u{fe0e}'))
}

fn is_varied(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*') || (!c.is_ascii() && !is_joint(c) && c != '\u{fe0f}')
}

const fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<Class> {
        let mut before = None;
        text.chars().filter_map(|c| Class::of(c, before.replace(c))).collect()
    }

    #[test]
    fn what_people_write_is_seen() {
        for text in [
            "Finds notes.\n\t- one\r\n",
            "naïve Ünïcödé, 日本語, עברית, العربية, हिन्दी",
            "می\u{200c}خواهم, क\u{94d}\u{200d}ष",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}, \u{2764}\u{fe0f}, 1\u{fe0f}\u{20e3}, #\u{fe0f}\u{20e3}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
            "葛\u{e0100}",
        ] {
            assert_eq!(hidden(text), [], "{text:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_found() {
        use Class::{Control, Direction, Escape, Invisible, Tag};
        for (text, classes) in [
            ("a\u{200b}b", &[Invisible][..]),
            ("\u{feff}a", &[Invisible]),
            ("a\u{200d}b", &[Invisible]),
            ("ع\u{200c}\u{200d}", &[Invisible]),
            ("x\u{fe01}\u{fe0f}", &[Invisible, Invisible]),
            ("\u{2764}\u{fe0f}\u{fe0f}\u{fe01}", &[Invisible, Invisible]),
            ("a\u{e0101}\u{e0102}", &[Invisible, Invisible]),
            ("pay\u{202e}load\u{2066}", &[Direction, Direction]),
            ("\u{e0041}\u{e007f}", &[Tag, Tag]),
            ("\u{1b}[31m", &[Escape]),
            ("\u{9b}31m", &[Escape]),
            ("a\u{8}\u{0}\u{85}\u{7f}", &[Control, Control, Control, Control]),
            ("\u{3164}\u{ad}", &[Invisible, Invisible]),
        ] {
            assert_eq!(hidden(text), classes, "{text:?}");
        }
    }
}
