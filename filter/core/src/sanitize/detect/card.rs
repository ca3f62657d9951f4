//! Is this the number of a payment card? The issuer's range and length (ISO/IEC 7812), grouping as printed, Luhn's check.

use std::ops::Range;

use super::digits::{Digits, Number};

/// First six digits from, to, and the lengths that such numbers have.
const ISSUERS: &[(u64, u64, &[usize])] = &[
    (400_000, 499_999, &[13, 16, 19]),
    (510_000, 559_999, &[16]),
    (222_100, 272_099, &[16]),
    (340_000, 349_999, &[15]),
    (370_000, 379_999, &[15]),
    (601_100, 601_199, &[16]),
    (644_000, 659_999, &[16]),
    (352_800, 358_999, &[16]),
    (300_000, 305_999, &[14]),
    (309_500, 309_599, &[14]),
    (360_000, 369_999, &[14]),
    (380_000, 399_999, &[14]),
    (620_000, 629_999, &[16, 17, 18, 19]),
    (220_000, 220_499, &[16]),
    (500_000, 509_999, &[16]),
    (560_000, 589_999, &[16]),
    (630_000, 639_999, &[16]),
    (670_000, 679_999, &[16]),
    (810_000, 829_999, &[16]),
];

pub(super) fn in_number(number: &Number<'_>) -> Option<Range<usize>> {
    let printed = match number.groups.all() {
        [_] => true,
        groups => {
            matches!(number.separator, b' ' | b'-' | b'.')
                && matches!(groups, [4, 4, 4, 1..=4] | [4, 6, 4..=5] | [4, 4, 4, 4, 1..=3] | [6, 13])
        }
    };
    (printed && number.is_free() && is_card(&number.digits)).then_some(number.start..number.end)
}

/// The same for a JSON number as it is written.
pub(crate) fn card(number: &str) -> bool {
    let mut digits = Digits::default();
    let plain = number.len() <= 19 && number.bytes().all(|b| b.is_ascii_digit());
    digits.extend(number.bytes().map(|b| b.wrapping_sub(b'0')));
    plain && is_card(&digits)
}

fn is_card(digits: &Digits) -> bool {
    let length = digits.len();
    if !(13..=19).contains(&length) || digits.are_one() {
        return false;
    }
    let first = digits.first(6);
    ISSUERS.iter().any(|(from, to, lengths)| (*from..=*to).contains(&first) && lengths.contains(&length))
        && digits.luhn()
}

impl Extend<u8> for Digits {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, digits: T) {
        digits.into_iter().for_each(|digit| self.push(digit));
    }
}
