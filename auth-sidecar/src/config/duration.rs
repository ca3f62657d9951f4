//! How is a span of time written? As `60s`, `10m`, `8h`, `14d`: one number and one unit.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

/// A span of time as written in the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub(super) Duration);

// === impl Span ===

impl Span {
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(super) const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    pub(super) const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    pub(super) const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let number =
            number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u64>().ok())??;
        Some(Self::seconds(number.checked_mul(seconds)?))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no span of time: write 60s, 10m, 8h or 14d"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_number_and_one_unit() {
        for (text, seconds) in [("0s", 0), ("60s", 60), ("10m", 600), ("8h", 28_800), ("14d", 1_209_600)] {
            assert_eq!(Span::parse(text).unwrap().0.as_secs(), seconds, "{text}");
        }
        for text in ["", "s", "10", "1h30m", "-1s", "+1s", "1.5h", "10 m", "99999999999999999999d", "10é"] {
            assert!(Span::parse(text).is_none(), "{text}");
        }
    }
}
