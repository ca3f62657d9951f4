//! Is there text behind this Base64? Files come so as embedded resources; what is no text (images, sound) is left alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The text that `said` encodes; `None` for anything else. What is no text shows at its beginning, mostly.
pub(super) fn text_of(said: &str) -> Option<String> {
    let head = said.get(..said.len().min(64) / 4 * 4)?;
    let first = STANDARD.decode(head).ok()?;
    let cut_off =
        |error: std::str::Utf8Error| error.error_len().is_some() || error.valid_up_to() + 4 < first.len();
    if first.is_empty() || first.contains(&0) || std::str::from_utf8(&first).err().is_some_and(cut_off) {
        return None;
    }
    String::from_utf8(STANDARD.decode(said).ok()?).ok()
}

/// `text`, encoded.
pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}
