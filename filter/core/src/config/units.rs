//! How are sizes, durations and rates written? `1MiB`, `30s`, `600/m`; one number, one unit.

use std::time::Duration;

/// Bytes: `4096`, `64KiB`, `1MiB`, `1GiB`.
///
/// # Errors
/// A phrase that says what is accepted.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const WANTED: &str = "a size such as 64KiB or 1MiB (B, KiB, MiB, GiB)";
    let (number, unit) = split_number(text).ok_or_else(|| format!("`{text}` is not {WANTED}"))?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "K" | "KB" | "kB" | "M" | "MB" | "G" | "GB" => {
            let first = unit.get(..1).unwrap_or_default().to_ascii_uppercase();
            return Err(format!("the unit `{unit}` is ambiguous: write {number}{first}iB"));
        }
        _ => return Err(format!("`{text}` is not {WANTED}")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

/// A span: `500ms`, `30s`, `10m`, `24h`, `14d`.
///
/// # Errors
/// A phrase that says what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration such as 30s or 10m (ms, s, m, h, d)");
    let (number, unit) = split_number(text).ok_or_else(wrong)?;
    let millis = match unit {
        "ms" => Some(number),
        _ => unit_secs(unit).and_then(|s| number.checked_mul(s)).and_then(|s| s.checked_mul(1000)),
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}

/// `span` as [`parse_duration`] reads it, in the largest unit that divides it.
pub fn format_duration(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    match units.iter().find(|(_, size)| millis > *size && millis.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", millis / size),
        None if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        None => format!("{millis}ms"),
    }
}

/// So many per second, minute, hour or day: `600/m`.
///
/// # Errors
/// A phrase that says what is accepted.
pub fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || format!("`{text}` is not a rate such as 600/m (number, `/`, and s, m, h or d)");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let tokens = match split_number(number) {
        Some((n, "")) => u32::try_from(n).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let per = unit_secs(unit).ok_or_else(wrong)?;
    Ok((tokens, Duration::from_secs(per)))
}

fn unit_secs(unit: &str) -> Option<u64> {
    Some(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    })
}

/// Digits and what follows them; `None` without digits or beyond 64 bits.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    Some((digits.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        assert_eq!(parse_size("1MiB"), Ok(1 << 20));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("14d"), Ok(Duration::from_secs(14 * 86400)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["90s", "14d", "250ms", "0s", "1s", "60s", "24h"] {
            assert_eq!(parse_duration(&format_duration(parse_duration(text).unwrap())), parse_duration(text));
        }
        assert_eq!(parse_rate("600/m"), Ok((600, Duration::from_secs(60))));
    }

    #[test]
    fn everything_else_is_refused_with_the_form_that_is_accepted() {
        for text in
            ["", "MiB", "1 MiB", "-1", "1.5MiB", "1mib", "99999999999999999999", "18446744073709551615GiB"]
        {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(parse_size("1MB"), Err("the unit `MB` is ambiguous: write 1MiB".into()));
        for text in ["", "30", "30 s", "s", "1h30m", "-1s", "18446744073709551615d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "600", "600/", "600/min", "/m", "6x/m", "600/m/s", "5000000000/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
