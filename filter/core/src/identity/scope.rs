//! What is a scope?

/// Whether this is one, as RFC 6749 section 3.3 writes it (scope-token): then it fits into a challenge as it is.
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'!' | b'#'..=b'[' | b']'..=b'~'))
}
