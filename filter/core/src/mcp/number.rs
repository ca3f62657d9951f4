//! Which number does a JSON text say? Exactly, however long it is: doubles take neighbours for one another.

use std::cmp::Ordering;

/// A number of JSON's grammar, as sign, significant digits and power of ten: `0.DIGITS * 10^power`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// Without zeros at either end; empty for zero, which has no sign.
    digits: Vec<u8>,
    power: i64,
}

/// Powers beyond this are taken for it: far outside of all that any reader tells apart.
const FAR: i64 = 1 << 40;
/// The most zeros that a division appends.
const MAX_SHIFT: i64 = 2048;

// === impl Number ===

impl Number {
    /// Reads a number in JSON's grammar (RFC 8259 section 6), which the scanner has found sound; anything else reads as some
    /// number, too.
    pub fn read(text: &str) -> Self {
        let unsigned = text.trim_start_matches('-');
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit);
        let leading = all().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = all().skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Self { negative: false, digits, power: 0 };
        }
        let power = size(whole.len()).saturating_sub(size(leading)).saturating_add(shift(exponent));
        Self { negative: text.starts_with('-'), digits, power: power.clamp(-FAR, FAR) }
    }

    /// Whether it has no fraction: `1.0` and `1e2` have none.
    pub fn is_integer(&self) -> bool {
        self.digits.is_empty() || self.power >= size(self.digits.len())
    }

    /// Whether it is below zero.
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// As a number of things, where it is whole and not negative; one that is larger counts as the largest.
    pub fn to_count(&self) -> Option<usize> {
        if self.negative || !self.is_integer() {
            return None;
        }
        if self.power > 19 {
            return Some(usize::MAX);
        }
        let zeros = usize::try_from(self.power.saturating_sub(size(self.digits.len()))).unwrap_or_default();
        let digits = self.digits.iter().copied().chain(std::iter::repeat_n(b'0', zeros));
        Some(digits.fold(0usize, |count, digit| {
            count.saturating_mul(10).saturating_add(usize::from(digit.saturating_sub(b'0')))
        }))
    }

    /// Whether it is a whole multiple of `unit`; `None` where `unit` is zero or longer than can be divided by, or the two lie
    /// too far apart.
    pub fn is_multiple_of(&self, unit: &Self) -> Option<bool> {
        if self.is_zero() {
            return (!unit.is_zero()).then_some(true);
        }
        let lowest = |n: &Self| n.power.saturating_sub(size(n.digits.len()));
        let divisor: u64 = std::str::from_utf8(&unit.digits).ok()?.parse().ok().filter(|d| *d > 0)?;
        let zeros = lowest(self).saturating_sub(lowest(unit));
        if zeros < 0 {
            // The last digit of neither is a zero.
            return Some(false);
        }
        if zeros > MAX_SHIFT {
            return None;
        }
        let appended = std::iter::repeat_n(b'0', usize::try_from(zeros).ok()?);
        let digits = self.digits.iter().copied().chain(appended);
        let rest = digits.fold(0u128, |rest, digit| {
            (rest * 10 + u128::from(digit.saturating_sub(b'0'))) % u128::from(divisor)
        });
        Some(rest == 0)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |n: &Self| if n.is_zero() { 0 } else { 1 - 2 * i8::from(n.negative) };
        let by_size = || self.power.cmp(&other.power).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { by_size().reverse() } else { by_size() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The exponent, however many digits it has.
fn shift(exponent: &str) -> i64 {
    let digits = exponent.trim_start_matches(['+', '-']);
    let size = digits.bytes().filter(u8::is_ascii_digit).fold(0i64, |size, digit| {
        size.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0'))).min(FAR)
    });
    if exponent.starts_with('-') { -size } else { size }
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_compared_exactly_however_they_are_written() {
        for (less, more) in [
            ("9007199254740992", "9007199254740993"),
            ("0.1", "0.10000000000000000001"),
            ("-1e400", "-1e399"),
            ("-1", "0"),
            ("1e-99999999999999999999", "1e-400"),
            ("-0.5", "0.4"),
            ("99", "1e2"),
            ("100.00000000000000000000", "100.00000000000000000001"),
            ("0", "1e-99999999999999999999"),
        ] {
            assert!(Number::read(less) < Number::read(more), "{less} < {more}");
            assert!(Number::read(more) > Number::read(less), "{more} > {less}");
        }
        for (one, other) in [("1", "1.0"), ("-0", "0e5"), ("1e2", "100"), ("120E-1", "12"), ("0.001", "1e-3")]
        {
            assert_eq!(Number::read(one), Number::read(other), "{one} = {other}");
        }
        for whole in ["0", "-0.0", "1e3", "1.50e1", "-12.000", "123456789012345678901234567890"] {
            assert!(Number::read(whole).is_integer(), "{whole}");
        }
        for broken in ["0.5", "1e-1", "12.01", "-0.1e0"] {
            assert!(!Number::read(broken).is_integer(), "{broken}");
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (number, unit, whole) in [
            ("0.3", "0.1", Some(true)),
            ("1.005", "0.01", Some(false)),
            ("9007199254740993", "2", Some(false)),
            ("1e300", "7", Some(false)),
            ("-14", "7", Some(true)),
            ("0", "0.1", Some(true)),
            ("1e308", "1e-5", Some(true)),
            ("5", "0", None),
            ("1", "0.00000000000000000000000000012345678901234567890123", None),
            ("1e4000", "1", None),
        ] {
            assert_eq!(Number::read(number).is_multiple_of(&Number::read(unit)), whole, "{number} / {unit}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_ordered_as_they_are(a in any::<i64>(), b in any::<i64>(), unit in 1i64..1000) {
            let (x, y) = (Number::read(&a.to_string()), Number::read(&b.to_string()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.is_multiple_of(&Number::read(&unit.to_string())), Some(a % unit == 0));
        }

        #[test]
        fn whatever_stands_there_is_some_number(text in "[-+0-9eE.x]{0,20}") {
            let _ = Number::read(&text).is_multiple_of(&Number::read("3"));
        }
    }
}
