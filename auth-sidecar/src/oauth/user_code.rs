//! What does a person type who signs a device in? Eight letters that form no words and are not taken for one another
//! (RFC 8628 section 6.1): 34 bits, which a limit on guesses makes enough for ten minutes.

const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// The code of these random bytes, as it is shown: `WDJB-MJHT`. Two bytes make a letter, so that none is likelier than
/// another by more than a thousandth.
#[must_use]
pub fn of(random: [u8; 2 * LENGTH]) -> String {
    let (pairs, _) = random.as_chunks::<2>();
    let letters = pairs.iter().filter_map(|pair| {
        let index = usize::from(u16::from_be_bytes(*pair)) % LETTERS.len();
        LETTERS.get(index).copied().map(char::from)
    });
    shown(&letters.collect::<String>())
}

/// What somebody typed, as it is shown; `None` when it cannot be a code. Case, spaces and dashes do not matter.
#[must_use]
pub fn read(typed: &str) -> Option<String> {
    if typed.len() > 64 {
        return None;
    }
    let ignored = |c: &char| c.is_whitespace() || matches!(c, '-' | '\u{2013}' | '_' | '.');
    let letters: String =
        typed.chars().filter(|c| !ignored(c)).map(|letter| letter.to_ascii_uppercase()).collect();
    let known = letters.bytes().all(|letter| LETTERS.contains(&letter));
    (known && letters.len() == LENGTH).then(|| shown(&letters))
}

fn shown(letters: &str) -> String {
    let (first, second) = letters.split_at_checked(LENGTH / 2).unwrap_or((letters, ""));
    format!("{first}-{second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = of([0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 19, 0, 20, 255, 255]);
        assert_eq!(code, "BCDF-GZBT");
        for typed in ["BCDF-GZBT", "bcdfgzbt", " bcdf gzbt ", "BCDF\u{2013}GZBT"] {
            assert_eq!(read(typed).as_deref(), Some("BCDF-GZBT"), "{typed}");
        }
        for typed in ["", "BCDF-GZB", "BCDF-GZBTB", "AEIO-UAEI", "BCDF-GZB\u{e9}", &"B".repeat(100)] {
            assert_eq!(read(typed), None, "{typed}");
        }
    }
}
