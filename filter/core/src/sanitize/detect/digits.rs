//! Which numbers stand in a text, and what are they? Every stretch of digits is looked at once, with what separates it.

use super::{
    Detector, Finding, Wanted, before, byte, card, iban, is_word, national, past_escape, phone, run,
};

/// Digits with what separates them: `4111 1111 1111 1111`, `+44 20 7946 0958`, `219-09-9999`.
#[derive(Clone, Copy)]
pub(super) struct Number<'a> {
    /// The text, and where in it this begins and ends; the first is a digit, and so is the last.
    pub(super) text: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
    /// The digits alone, the first so many.
    pub(super) digits: Digits,
    /// How long each group is.
    pub(super) groups: Groups,
    /// What stands between the groups: the same everywhere, or zero where it differs. Zero for a single group.
    pub(super) separator: u8,
}

/// Up to 24 digits.
#[derive(Clone, Copy, Default)]
pub(super) struct Digits([u8; 24], usize);

/// The most groups of a number: French telephone numbers have five, IBANs are read otherwise.
const MOST_GROUPS: usize = 9;

/// Up to so many lengths.
#[derive(Clone, Copy, Default)]
pub(super) struct Groups([u8; MOST_GROUPS], usize);

/// A row of groups, each of which may be the last of a number that begins with the first.
struct Row<'a> {
    longest: Number<'a>,
    /// Of the number with so many groups and one: its end, its digits, its separator.
    parts: [(usize, usize, u8); MOST_GROUPS],
}

const BY_DIGIT: &[Detector] = &[
    Detector::Phone,
    Detector::Card,
    Detector::Iban,
    Detector::UsSsn,
    Detector::UkNino,
    Detector::CaSin,
    Detector::FrNir,
    Detector::DeTaxId,
    Detector::EsDni,
    Detector::ItFiscalCode,
    Detector::NlBsn,
    Detector::PlPesel,
    Detector::BrCpf,
    Detector::InAadhaar,
    Detector::CnId,
];

/// Judges every number.
pub(super) fn find(text: &[u8], wanted: Wanted, out: &mut Vec<Finding>) {
    if !wanted.any(BY_DIGIT) {
        return;
    }
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let mut start = at + found;
        if matches!(byte(text, start.saturating_sub(1)), b'u' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
            && let Some(past) = past_escape(text, start)
        {
            // The digits of an escape are none of the number behind it.
            (at, start) = (past, past);
            if !byte(text, start).is_ascii_digit() {
                continue;
            }
        }
        let lettered = is_word(before(text, start));
        let ends = start + run(text, start, 20, |b| b.is_ascii_digit());
        if ends - start < 7 && !lettered && before(text, start) != b' ' && separator(text, ends).is_none() {
            at = ends;
            continue;
        }
        // A group may belong to what is before or behind it, so each begins a number of its own; the longest counts.
        let row = Row::at(text, start);
        let beside =
            if lettered || before(text, start) == b' ' { beside_letters(text, start, wanted) } else { None };
        let first = row.part(1).map_or(start + 1, |number| number.end);
        let finding = beside.or_else(|| {
            // A part of a word, a hash, a name.
            let mut counts = (1..=row.longest_count()).rev().filter(|_| !lettered);
            counts.find_map(|count| judge(&row.part(count)?, wanted))
        });
        at = finding.as_ref().map_or(first, |finding| finding.range.end.max(first));
        out.extend(finding);
    }
}

fn judge(number: &Number<'_>, wanted: Wanted) -> Option<Finding> {
    if !(7..=19).contains(&number.digits.len()) {
        return None;
    }
    let found = |detector, range: Option<std::ops::Range<usize>>| {
        let range = if wanted.holds(detector) { range } else { None };
        range.map(|range| Finding { range, detector })
    };
    found(Detector::Card, card::in_number(number))
        .or_else(|| national::in_number(number, wanted))
        .or_else(|| found(Detector::Phone, phone::in_number(number)))
}

/// What begins with letters: `DE89 3704 …`, `AB123456C`.
fn beside_letters(text: &[u8], at: usize, wanted: Wanted) -> Option<Finding> {
    let found =
        |detector, range: Option<std::ops::Range<usize>>| range.map(|range| Finding { range, detector });
    let iban = if wanted.holds(Detector::Iban) { iban::iban(text, at) } else { None };
    found(Detector::Iban, iban).or_else(|| national::lettered(text, at, wanted))
}

// === impl Row ===

impl<'a> Row<'a> {
    /// The row whose first digit stands at `start`.
    fn at(text: &'a [u8], start: usize) -> Self {
        let longest = Number {
            text,
            start,
            end: start,
            digits: Digits::default(),
            groups: Groups::default(),
            separator: 0,
        };
        let mut row = Self { longest, parts: [(start, 0, 0); MOST_GROUPS] };
        let number = &mut row.longest;
        let mut at = start;
        for part in &mut row.parts {
            let mut group = 0_u8;
            while let digit @ b'0'..=b'9' = byte(text, at) {
                number.digits.push(digit - b'0');
                group = group.saturating_add(1);
                at += 1;
            }
            number.end = at;
            number.groups.push(group);
            *part = (at, number.digits.len(), number.separator);
            let Some((separator, next)) = separator(text, at) else { break };
            if number.digits.len() >= 19 {
                break;
            }
            let same = number.groups.len() == 1 || number.separator == separator;
            number.separator = if same { separator } else { 0 };
            at = next;
        }
        row
    }

    /// How many groups a number may have: none has a single digit between others but the second (`+33 1 42 …`).
    fn longest_count(&self) -> usize {
        let groups = self.longest.groups.all();
        groups.iter().skip(2).position(|group| *group == 1).map_or(groups.len(), |at| at + 3)
    }

    /// The number of the first `count` groups.
    fn part(&self, count: usize) -> Option<Number<'a>> {
        let (end, digits, separator) = *self.parts.get(count.checked_sub(1)?)?;
        // Too short for any of them, or too long.
        if count > 1 && !(7..=19).contains(&digits) {
            return None;
        }
        let mut number = self.longest;
        (number.end, number.separator) = (end, separator);
        (number.digits.1, number.groups.1) = (digits, count);
        Some(number)
    }
}

// === impl Number ===

impl Number<'_> {
    /// Whether something before or behind says that this is a part of something else: a decimal, a date with a time, a path.
    pub(super) fn is_free(&self) -> bool {
        let (left, right) = (before(self.text, self.start), byte(self.text, self.end));
        let decimal =
            matches!(left, b'.' | b',') && before(self.text, self.start.saturating_sub(1)).is_ascii_digit();
        let joined =
            matches!(left, b'-' | b'.' | b'/') && is_word(before(self.text, self.start.saturating_sub(1)));
        let goes_on = is_word(right)
            || matches!(right, b'-' | b'.' | b',' | b'/' | b':') && is_word(byte(self.text, self.end + 1));
        !is_word(left) && !decimal && !joined && !goes_on
    }

    /// Whether one of these words, in lower case, stands within the 24 bytes before it, or nothing else stands in the text.
    pub(super) fn is_said(&self, words: &[&str]) -> bool {
        let near = self.text.get(self.start.saturating_sub(24)..self.start).unwrap_or_default();
        let said = |word: &&str| near.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes()));
        self.end - self.start == self.text.len() || words.iter().any(said)
    }

    /// Whether it is a whole row of digits, and no part of a longer one.
    pub(super) fn is_whole(&self) -> bool {
        let before_it = before(self.text, self.start) == b' '
            && before(self.text, self.start.saturating_sub(1)).is_ascii_digit();
        !before_it && separator(self.text, self.end).is_none()
    }
}

/// What separates the digits before `at` from others, and where these begin: one of a few characters, or `) `, ` (` and the
/// like, which count as zero.
fn separator(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let (here, behind) = (byte(text, at), byte(text, at + 1));
    let (separator, next) = match (here, behind) {
        (b')', b' ' | b'-') | (b' ', b'(' | b'-' | b'/') | (b'-' | b'/', b' ') => (0, at + 2),
        // A space that does not break.
        (0xc2, 0xa0) => (b' ', at + 2),
        (b' ' | b'-' | b'.' | b'/' | b'(' | b')', _) => (here, at + 1),
        _ => return None,
    };
    byte(text, next).is_ascii_digit().then_some((separator, next))
}

// === impl Digits ===

impl Digits {
    pub(super) fn push(&mut self, digit: u8) {
        if let Some(place) = self.0.get_mut(self.1) {
            *place = digit;
        }
        self.1 += 1;
    }

    /// How many there are, also beyond those that are kept.
    pub(super) const fn len(&self) -> usize {
        self.1
    }

    pub(super) fn all(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or(&[])
    }

    /// The first `count` as a number.
    pub(super) fn first(&self, count: usize) -> u64 {
        self.all().iter().take(count).fold(0, |number, digit| number * 10 + u64::from(*digit))
    }

    pub(super) fn are_one(&self) -> bool {
        self.all().windows(2).all(|two| matches!(two, [a, b] if a == b))
    }

    /// The Luhn check (ISO/IEC 7812-1 annex B).
    pub(super) fn luhn(&self) -> bool {
        let sum: u32 = self
            .all()
            .iter()
            .rev()
            .enumerate()
            .map(|(place, digit)| match u32::from(*digit) {
                digit if place % 2 == 0 => digit,
                digit if digit > 4 => 2 * digit - 9,
                digit => 2 * digit,
            })
            .sum();
        !self.all().is_empty() && sum.is_multiple_of(10)
    }

    /// The sum of the digits, each times its weight.
    pub(super) fn weighed(&self, weights: &[u32]) -> u32 {
        self.all().iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
    }
}

// === impl Groups ===

impl Groups {
    fn push(&mut self, length: u8) {
        if let Some(place) = self.0.get_mut(self.1) {
            *place = length;
            self.1 += 1;
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.1
    }

    pub(super) fn all(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or(&[])
    }
}
