//! Is this an IBAN? ISO 13616: the country's length, and 1 as the remainder by 97 (ISO 7064).

use std::ops::Range;

use super::{before, byte, is_word, past_escape};

/// Countries with the length of their numbers (the IBAN registry of SWIFT).
const COUNTRIES: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24\
FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24\
ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24\
TR26UA29VA22VG24XK20YE30";

/// The IBAN whose first digit stands at `at`, behind the two letters of its country.
pub(super) fn iban(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(2)?;
    let country = text.get(start..at)?;
    if is_word(before(text, start))
        || past_escape(text, start).is_some()
        || !country.iter().all(u8::is_ascii_alphabetic)
        || !byte(text, at + 1).is_ascii_digit()
    {
        return None;
    }
    let country = [country.first()?.to_ascii_uppercase(), country.get(1)?.to_ascii_uppercase()];
    let row = COUNTRIES.chunks_exact(4).find(|row| row.starts_with(&country))?;
    let length = row.get(2..)?.iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
    let mut letters = Vec::with_capacity(34);
    let mut end = start;
    while letters.len() < length {
        let here = byte(text, end);
        let grouped = letters.len() % 4 == 0 && !letters.is_empty();
        match here {
            b' ' | b'-' if grouped && byte(text, end + 1).is_ascii_alphanumeric() => {}
            _ if here.is_ascii_alphanumeric() => letters.push(here.to_ascii_uppercase()),
            _ => return None,
        }
        end += 1;
    }
    (!is_word(byte(text, end)) && remainder(&letters) == 1).then_some(start..end)
}

/// Of the number that the letters make, the first four last, A as 10 and so on, by 97.
fn remainder(letters: &[u8]) -> u32 {
    let (head, tail) = letters.split_at(letters.len().min(4));
    tail.iter().chain(head).fold(0, |rest, letter| {
        let value = if letter.is_ascii_digit() { letter - b'0' } else { letter - b'A' + 10 };
        (rest * if value > 9 { 100 } else { 10 } + u32::from(value)) % 97
    })
}
