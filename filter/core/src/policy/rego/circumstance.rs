//! What of the time, the address and the headers of a request does a policy see?

use crate::head::Headers;
use crate::time::Timestamp;

/// The headers of these names, each of which may be absent; `None` where one of them stands twice or is no text, so that
/// readers differ.
pub fn headers_of<'a>(
    names: impl IntoIterator<Item = &'a String>,
    headers: &Headers,
) -> Option<Vec<(String, String)>> {
    let one = |name: &String| {
        let value = headers.one(name).ok()?;
        Some(value.map(|value| (name.clone(), value.to_owned())))
    };
    let found: Option<Vec<_>> = names.into_iter().map(one).collect();
    found.map(|found| found.into_iter().flatten().collect())
}

/// A moment in UTC, as `input.time` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) now_ns: u64,
    /// `year`, `month`, `day`, `hour`, `minute`, `second`.
    pub(super) numbers: [(&'static str, u64); 6],
    /// In English: `Monday`.
    pub(super) weekday: &'static str,
}

// === impl Moment ===

impl Moment {
    pub(super) fn of(now: Timestamp) -> Self {
        let seconds = now.as_secs();
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        // 1970-01-01 was a Thursday.
        let weekdays = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
        let weekday = usize::try_from(days % 7).ok().and_then(|at| weekdays.get(at)).copied();
        Self {
            now_ns: now.as_nanos(),
            numbers: [
                ("year", year),
                ("month", month),
                ("day", day),
                ("hour", of_day / 3600),
                ("minute", of_day / 60 % 60),
                ("second", of_day % 60),
            ],
            weekday: weekday.unwrap_or_default(),
        }
    }
}

/// The peer's address without its port.
pub(super) fn address_of(source: &str) -> &str {
    if let Some((address, _)) = source.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match source.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => source,
    }
}

/// Year, month and day in the Gregorian calendar, so many days after 1970-01-01. Counted in eras of 400 years that begin in
/// March, so that the leap day comes last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_that_the_calendar_gives_them() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_786, (2026, 11, 29)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }

    #[test]
    fn an_address_has_no_port() {
        for (source, address) in [
            ("10.0.0.1:4711", "10.0.0.1"),
            ("[::1]:80", "::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(address_of(source), address);
        }
    }
}
