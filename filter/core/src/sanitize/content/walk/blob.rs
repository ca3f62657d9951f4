//! Is there text behind this Base64? Files come so as embedded resources; what is no text (images, sound) is left alone.
//!
//! Readers take more for Base64 than RFC 4648 section 4 has: broken into lines, without padding, in the alphabet for URLs, with bits
//! of the last letter that say nothing. What any of them would read is read here.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
};

const ANY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// As many letters as show whether it is text; whole groups of four.
const HEAD: usize = 64;

/// A text behind Base64.
pub(super) struct Blob {
    /// What is encoded.
    pub(super) text: String,
    /// Whether it is written as everybody writes it. What is not may as well be meant as the letters that stand there.
    pub(super) usual: bool,
    /// How it is written again.
    form: &'static GeneralPurpose,
}

// === impl Blob ===

impl Blob {
    /// The text that `said` encodes; `None` for anything else. What is no text shows at its beginning, mostly.
    pub(super) fn read(said: &str) -> Option<Self> {
        let head: Vec<u8> = letters(said).take(HEAD).collect();
        let first = ANY.decode(head).ok()?;
        let cut_off =
            |error: std::str::Utf8Error| error.error_len().is_some() || error.valid_up_to() + 4 < first.len();
        if first.is_empty() || first.contains(&0) || std::str::from_utf8(&first).err().is_some_and(cut_off) {
            return None;
        }
        let (bytes, usual) = match STANDARD.decode(said) {
            Ok(bytes) => (bytes, true),
            Err(_) => (ANY.decode(letters(said).collect::<Vec<u8>>()).ok()?, false),
        };
        Some(Self { text: String::from_utf8(bytes).ok()?, usual, form: form(said) })
    }

    /// `text` in the place of what was read: in the same alphabet, padded as that was, on one line.
    pub(super) fn with(&self, text: &str) -> String {
        self.form.encode(text)
    }
}

/// What counts of it, in the usual alphabet.
fn letters(said: &str) -> impl Iterator<Item = u8> {
    said.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    })
}

fn form(said: &str) -> &'static GeneralPurpose {
    let padded = said.contains('=') || letters(said).count().is_multiple_of(4);
    match (said.contains(['-', '_']), padded) {
        (false, true) => &STANDARD,
        (false, false) => &STANDARD_NO_PAD,
        (true, true) => &URL_SAFE,
        (true, false) => &URL_SAFE_NO_PAD,
    }
}
