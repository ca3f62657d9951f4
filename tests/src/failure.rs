//! What is said when something does not work? One sentence for people, never a secret.

/// Why something could not be done, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// What every fallible function of the harness returns.
pub type Result<T> = std::result::Result<T, Failure>;

/// Puts the sentence in front of an error's own words.
pub trait Context<T> {
    /// `what: error`.
    ///
    /// # Errors
    /// The error that was there, in our form.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

// === impl Failure ===

impl Failure {
    /// A failure of this wording.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl<T, E: std::fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("{}: {error}", what())))
    }
}
