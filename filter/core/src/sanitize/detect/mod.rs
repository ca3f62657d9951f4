//! What in a text is a secret, or says who somebody is? One pass over the text for all literals, one for all digits; what
//! they point at is judged by check sums, lengths and entropy, never by a pattern that backtracks.
//!
//! Every judgement looks at a bounded stretch around the place that called for it, so that a text costs time in proportion
//! to its length, whatever is in it.

mod assigned;
mod card;
mod digits;
mod email;
mod entropy;
mod exfiltration;
mod formats;
mod iban;
mod instructions;
mod literals;
mod national;
mod phone;
pub mod regexes;
mod tokens;

use std::ops::Range;

pub(crate) use assigned::{Worth, names_a_secret, worth_hiding};
pub(crate) use card::card;

/// Something that can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detector {
    /// Keys, tokens, private keys, passwords that are assigned to something.
    Credentials,
    /// Addresses of e-mail.
    Email,
    /// Telephone numbers.
    Phone,
    /// Numbers of payment cards.
    Card,
    /// International bank account numbers.
    Iban,
    /// US social security numbers.
    UsSsn,
    /// UK national insurance numbers.
    UkNino,
    /// Canadian social insurance numbers.
    CaSin,
    /// French numbers of registration (NIR).
    FrNir,
    /// German tax identification numbers.
    DeTaxId,
    /// Spanish DNI and NIE.
    EsDni,
    /// Italian fiscal codes.
    ItFiscalCode,
    /// Dutch citizen service numbers.
    NlBsn,
    /// Polish PESEL.
    PlPesel,
    /// Brazilian CPF.
    BrCpf,
    /// Indian Aadhaar numbers.
    InAadhaar,
    /// Chinese resident identity numbers.
    CnId,
    /// Orders to the model that reads the answer.
    Instructions,
    /// Links and images that carry data away when they are shown.
    Exfiltration,
}

/// A stretch of a text that a detector means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// Who says so.
    pub detector: Detector,
}

/// A set of detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(u32);

// === impl Detector ===

impl Detector {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 19] = [
        Self::Credentials,
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::UsSsn,
        Self::UkNino,
        Self::CaSin,
        Self::FrNir,
        Self::DeTaxId,
        Self::EsDni,
        Self::ItFiscalCode,
        Self::NlBsn,
        Self::PlPesel,
        Self::BrCpf,
        Self::InAadhaar,
        Self::CnId,
        Self::Instructions,
        Self::Exfiltration,
    ];

    /// Its name in configurations, marks, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::UsSsn => "us_ssn",
            Self::UkNino => "uk_nino",
            Self::CaSin => "ca_sin",
            Self::FrNir => "fr_nir",
            Self::DeTaxId => "de_tax_id",
            Self::EsDni => "es_dni",
            Self::ItFiscalCode => "it_fiscal_code",
            Self::NlBsn => "nl_bsn",
            Self::PlPesel => "pl_pesel",
            Self::BrCpf => "br_cpf",
            Self::InAadhaar => "in_aadhaar",
            Self::CnId => "cn_id",
            Self::Instructions => "instructions",
            Self::Exfiltration => "exfiltration",
        }
    }

    /// The detector of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.name() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

// === impl Wanted ===

impl Wanted {
    /// These.
    pub fn of(detectors: impl IntoIterator<Item = Detector>) -> Self {
        Self(detectors.into_iter().fold(0, |set, detector| set | detector.bit()))
    }

    /// Whether this one is in it.
    pub const fn holds(self, detector: Detector) -> bool {
        self.0 & detector.bit() != 0
    }

    /// Whether none is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether any of these is in it.
    fn any(self, detectors: &[Detector]) -> bool {
        detectors.iter().any(|detector| self.holds(*detector))
    }
}

/// Appends what the `wanted` detectors find in `text`, in no particular order; findings may overlap.
pub fn find(text: &str, wanted: Wanted, out: &mut Vec<Finding>) {
    if wanted.is_empty() || text.len() < 4 {
        return;
    }
    literals::find(text, wanted, out);
    digits::find(text.as_bytes(), wanted, out);
}

/// The byte at `at`; zero, which is in no text that matters, beyond both ends.
fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The byte before `at`; a line break where an escape ends there, whose letter is none of a word.
fn before(text: &[u8], at: usize) -> u8 {
    let Some(last) = at.checked_sub(1) else { return 0 };
    let escaped = is_short_escape(text, last) || at.checked_sub(5).is_some_and(|u| is_long_escape(text, u));
    if escaped { b'\n' } else { byte(text, last) }
}

/// Where the escape ends in which the byte at `at` lies, behind its backslash.
fn past_escape(text: &[u8], at: usize) -> Option<usize> {
    if is_short_escape(text, at) {
        return Some(at + 1);
    }
    (at.saturating_sub(4)..=at).find(|u| is_long_escape(text, *u)).map(|u| u + 5)
}

/// Whether this is the letter of an escape, as texts within texts have them (`\n`). Each text around it doubles the backslashes,
/// so it is one behind any number of them: where it belongs to a path, a letter is left over.
fn is_short_escape(text: &[u8], at: usize) -> bool {
    matches!(byte(text, at), b'n' | b'r' | b't' | b'b' | b'f')
        && at.checked_sub(1).is_some_and(|at| byte(text, at) == b'\\')
}

/// The same of the `u` of `\u0026`.
fn is_long_escape(text: &[u8], at: usize) -> bool {
    byte(text, at) == b'u'
        && at.checked_sub(1).is_some_and(|at| byte(text, at) == b'\\')
        && run(text, at + 1, 4, |b| b.is_ascii_hexdigit()) == 4
}

/// Whether a byte continues a word: letters, digits, underscores, and every byte of a character beyond ASCII.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// How many bytes from `from` on are such, at most `most`.
fn run(text: &[u8], from: usize, most: usize, such: impl Fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take(most).take_while(|b| such(**b)).count()
}

#[cfg(test)]
mod tests;
