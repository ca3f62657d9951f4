//! Is this a number by which a state knows somebody? Each by its form and, where it has one, its check. Where one number in
//! ten would pass by chance, bare digits count only behind a word that says so, or where they are the whole text.

use std::ops::Range;

use super::digits::Number;
use super::{Detector, Finding, Wanted, before, byte, is_word, past_escape, run};

/// Whether a number is one.
type OfNumber = fn(&Number<'_>) -> bool;
/// Where one is whose first digit stands there.
type OfText = fn(&[u8], usize) -> Option<Range<usize>>;

/// Numbers of digits alone.
pub(super) fn in_number(number: &Number<'_>, wanted: Wanted) -> Option<Finding> {
    const OF_DIGITS: [(Detector, OfNumber); 9] = [
        (Detector::UsSsn, us_ssn),
        (Detector::CaSin, ca_sin),
        (Detector::FrNir, fr_nir),
        (Detector::DeTaxId, de_tax_id),
        (Detector::NlBsn, nl_bsn),
        (Detector::PlPesel, pl_pesel),
        (Detector::BrCpf, br_cpf),
        (Detector::InAadhaar, in_aadhaar),
        (Detector::CnId, cn_id),
    ];
    if let Some(range) = wanted.holds(Detector::CnId).then(|| cn_id_with_x(number)).flatten() {
        return Some(Finding { range, detector: Detector::CnId });
    }
    if let Some(range) = wanted.holds(Detector::EsDni).then(|| es_dni(number.text, number.start)).flatten() {
        return Some(Finding { range, detector: Detector::EsDni });
    }
    if number.digits.are_one() || !number.is_free() || !number.is_whole() {
        return None;
    }
    let found = OF_DIGITS.iter().find(|(detector, is)| wanted.holds(*detector) && is(number));
    found.map(|(detector, _)| Finding { range: number.start..number.end, detector: *detector })
}

/// Numbers that begin with letters; the first digit stands at `at`.
pub(super) fn lettered(text: &[u8], at: usize, wanted: Wanted) -> Option<Finding> {
    const LETTERED: [(Detector, OfText); 3] =
        [(Detector::UkNino, uk_nino), (Detector::EsDni, es_nie), (Detector::ItFiscalCode, it_fiscal_code)];
    let mut wanted = LETTERED.iter().filter(|(detector, _)| wanted.holds(*detector));
    wanted.find_map(|(detector, is)| is(text, at).map(|range| Finding { range, detector: *detector }))
}

/// As it is printed, 3-2-4: neither area 000, 666, 9xx nor a group of zeros (SSA, since 2011).
fn us_ssn(number: &Number<'_>) -> bool {
    let digits = &number.digits;
    let area = digits.first(3);
    matches!(number.groups.all(), [3, 2, 4])
        && matches!(number.separator, b'-' | b' ')
        && !matches!(area, 0 | 666 | 900..)
        && !digits.first(5).is_multiple_of(100)
        && !digits.first(9).is_multiple_of(10_000)
}

/// Nine digits 3-3-3 with Luhn's check.
fn ca_sin(number: &Number<'_>) -> bool {
    matches!(number.groups.all(), [3, 3, 3])
        && matches!(number.separator, b'-' | b' ')
        && !matches!(number.digits.all().first(), Some(0 | 8))
        && number.digits.luhn()
}

/// Fifteen digits: sex, year, month, place, order, and 97 less the remainder of those by 97.
fn fr_nir(number: &Number<'_>) -> bool {
    let digits = &number.digits;
    let month = digits.first(5) % 100;
    digits.len() == 15
        && matches!(digits.all().first(), Some(1 | 2))
        && (1..=12).contains(&month)
        && 97 - digits.first(13) % 97 == digits.first(15) % 100
}

/// Eleven digits of which one is repeated in the first ten, and ISO 7064's MOD 11,10.
fn de_tax_id(number: &Number<'_>) -> bool {
    let Some((last, ten)) = number.digits.all().split_last() else { return false };
    let grouped = matches!(number.groups.all(), [11] | [2, 3, 3, 3]);
    if !grouped || ten.len() != 10 || ten.first() == Some(&0) {
        return false;
    }
    let counts: [usize; 10] =
        std::array::from_fn(|digit| ten.iter().filter(|one| usize::from(**one) == digit).count());
    let repeated =
        counts.iter().filter(|count| **count > 1).count() == 1 && counts.iter().all(|count| *count <= 3);
    let product = ten.iter().fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    let check = (11 - product) % 10;
    repeated && check == u32::from(*last)
}

/// Nine digits, weighed 9 to 2 and -1, make a multiple of 11. By themselves only as a word of nine.
fn nl_bsn(number: &Number<'_>) -> bool {
    let sum = number.digits.weighed(&[9, 8, 7, 6, 5, 4, 3, 2, 10]);
    let printed = match number.groups.all() {
        [9] => number.is_said(&["bsn", "burgerservicenummer", "sofi"]),
        groups => matches!(groups, [4, 2, 3]),
    };
    printed && sum.is_multiple_of(11)
}

/// Eleven digits: a birth date (the century in the month) and a weighed check.
fn pl_pesel(number: &Number<'_>) -> bool {
    let digits = &number.digits;
    let (month, day) = (digits.first(4) % 100, digits.first(6) % 100);
    let sum = digits.weighed(&[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    matches!(number.groups.all(), [11])
        && (1..=12).contains(&(month % 20))
        && (1..=31).contains(&day)
        && sum.is_multiple_of(10)
}

/// Eleven digits, 3.3.3-2 as printed or in one, with two weighed checks.
fn br_cpf(number: &Number<'_>) -> bool {
    let digits = number.digits.all();
    let check = |count: u32| {
        let weights: Vec<u32> = (2..=count + 1).rev().collect();
        match number.digits.weighed(&weights) * 10 % 11 {
            10 => 0,
            rest => rest,
        }
    };
    let printed = match number.groups.all() {
        [11] => number.is_said(&["cpf"]),
        groups => matches!(groups, [3, 3, 3, 2]),
    };
    printed
        && digits.get(9).is_some_and(|d| u32::from(*d) == check(9))
        && digits.get(10).is_some_and(|d| u32::from(*d) == check(10))
}

/// Twelve digits that begin with 2 to 9, with Verhoeff's check.
fn in_aadhaar(number: &Number<'_>) -> bool {
    let digits = number.digits.all();
    let printed = match number.groups.all() {
        [12] => number.is_said(&["aadhaar", "aadhar", "uid", "uidai"]),
        groups => matches!(groups, [4, 4, 4]),
    };
    printed && matches!(digits.first(), Some(2..=9)) && verhoeff(digits)
}

/// The dihedral group of five rotations, and the permutation for each place (Verhoeff 1969).
fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permute = |digit: u8, times: usize| {
        (0..times).fold(digit, |digit, _| PERMUTED.get(usize::from(digit)).copied().unwrap_or(0))
    };
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - 5 + 5 - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| times(sum, permute(*digit, place % 8))) == 0
}

/// Eighteen digits: place, birth date, order, and ISO 7064's MOD 11-2.
fn cn_id(number: &Number<'_>) -> bool {
    matches!(number.groups.all(), [18])
        && number.digits.all().last().is_some_and(|last| cn_check(number, *last))
}

/// The same with an X for the tenth check digit.
fn cn_id_with_x(number: &Number<'_>) -> Option<Range<usize>> {
    let sound = matches!(number.groups.all(), [17])
        && matches!(byte(number.text, number.end), b'X' | b'x')
        && !is_word(byte(number.text, number.end + 1))
        && !is_word(before(number.text, number.start))
        && cn_check(number, 10);
    sound.then_some(number.start..number.end + 1)
}

fn cn_check(number: &Number<'_>, check: u8) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = &number.digits;
    let (year, month, day) = (digits.first(10) % 10_000, digits.first(12) % 100, digits.first(14) % 100);
    let expected = (12 - digits.weighed(&WEIGHTS) % 11) % 11;
    (1900..=2099).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && expected == u32::from(check)
}

/// Two letters, six digits in pairs or not, a letter A to D (HMRC, NIM39110).
fn uk_nino(text: &[u8], at: usize) -> Option<Range<usize>> {
    let gap = usize::from(before(text, at) == b' ');
    let start = at.checked_sub(2 + gap)?;
    let (first, second) =
        (byte(text, start).to_ascii_uppercase(), byte(text, start + 1).to_ascii_uppercase());
    let prefix = !b"DFIQUV".contains(&first)
        && !b"DFIQUVO".contains(&second)
        && ![*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"].contains(&[first, second]);
    let mut end = at;
    for _ in 0..3 {
        if !byte(text, end).is_ascii_digit() || !byte(text, end + 1).is_ascii_digit() {
            return None;
        }
        end += 2;
        end += usize::from(byte(text, end) == b' ');
    }
    let sound = first.is_ascii_uppercase() && second.is_ascii_uppercase() && prefix;
    let free = !is_word(before(text, start)) && !is_word(byte(text, end + 1));
    let free = free && past_escape(text, start).is_none();
    (sound && free && matches!(byte(text, end), b'A'..=b'D' | b'a'..=b'd')).then_some(start..end + 1)
}

/// The letter for a number (Spain: the remainder by 23).
fn es_letter(number: u32) -> u8 {
    byte(b"TRWAGMYFPDXBNJZSQVHLCKE", (number % 23) as usize)
}

/// Eight digits and their letter.
fn es_dni(text: &[u8], at: usize) -> Option<Range<usize>> {
    let digits = text.get(at..at + run(text, at, 9, |b| b.is_ascii_digit()))?;
    if digits.len() != 8 || is_word(before(text, at)) {
        return None;
    }
    let end = at + 8 + usize::from(byte(text, at + 8) == b'-');
    let number = digits.iter().fold(0, |n: u32, d| n * 10 + u32::from(d - b'0'));
    let sound = byte(text, end) == es_letter(number) && !is_word(byte(text, end + 1));
    sound.then_some(at..end + 1)
}

/// X, Y or Z, seven digits and their letter.
fn es_nie(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(1)?;
    let digits = text.get(at..at + run(text, at, 8, |b| b.is_ascii_digit()))?;
    let first = byte(text, start).wrapping_sub(b'X');
    if digits.len() != 7 || first > 2 || is_word(before(text, start)) {
        return None;
    }
    let end = at + 7 + usize::from(byte(text, at + 7) == b'-');
    let number = digits.iter().fold(u32::from(first), |n, d| n * 10 + u32::from(d - b'0'));
    let sound = byte(text, end) == es_letter(number) && !is_word(byte(text, end + 1));
    sound.then_some(start..end + 1)
}

/// Sixteen letters and digits, the last of which checks the others (decree of 23 December 1976).
fn it_fiscal_code(text: &[u8], at: usize) -> Option<Range<usize>> {
    const ODD: &[u8; 26] = b"\x01\x00\x05\x07\x09\x0d\x0f\x11\x13\x15\x02\x04\x12\x14\x0b\x03\x06\x08\x0c\x0e\x10\x0a\x16\x19\x18\x17";
    let start = at.checked_sub(6)?;
    let code = text.get(start..start + 16)?;
    let letter = |place: usize| matches!(place, 0..=5 | 8 | 11 | 15);
    // Digits may be written as letters where two people would share a code, which is rare enough to be a known miss.
    let form = code
        .iter()
        .enumerate()
        .all(|(place, b)| if letter(place) { b.is_ascii_uppercase() } else { b.is_ascii_digit() });
    if !form || is_word(before(text, start)) || is_word(byte(text, start + 16)) {
        return None;
    }
    let value = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'A' };
    let sum: u32 = code
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, b)| {
            u32::from(if place % 2 == 0 { byte(ODD, usize::from(value(*b))) } else { value(*b) })
        })
        .sum();
    let sound = code.last().is_some_and(|last| u32::from(last - b'A') == sum % 26);
    sound.then_some(start..start + 16)
}
