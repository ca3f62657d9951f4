//! Is this random, or does somebody mean something by it?

/// Bits per byte of the distribution of bytes in `text` (Shannon); a text of n different bytes has log2(n).
fn bits_per_byte(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let whole = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)).max(1.0);
    counts.iter().filter(|count| **count > 0).fold(0.0, |bits, count| {
        let part = f64::from(*count) / whole;
        bits - part * part.log2()
    })
}

/// Whether it looks drawn at random: at least `bits` per byte, and no run of six that counts up, as placeholders do.
pub(super) fn is_random(text: &[u8], bits: f64) -> bool {
    let counts_up =
        text.windows(6).any(|six| six.windows(2).all(|two| matches!(two, [a, b] if a.wrapping_add(1) == *b)));
    !counts_up && bits_per_byte(text) >= bits
}

/// Whether letters of both cases and digits are in it, of lower-case hexadecimal also letters and digits alone.
pub(super) fn is_mixed(text: &[u8]) -> bool {
    let (digit, lower, upper) = (
        text.iter().any(u8::is_ascii_digit),
        text.iter().any(u8::is_ascii_lowercase),
        text.iter().any(u8::is_ascii_uppercase),
    );
    digit && (lower || upper) && ((lower && upper) || text.iter().all(u8::is_ascii_hexdigit))
}
