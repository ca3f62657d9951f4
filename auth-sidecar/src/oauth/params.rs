//! What are the parameters of a request? `application/x-www-form-urlencoded`, in a query or a body.

use super::error::{ErrorCode, OAuthError};

/// The names that may repeat: RFC 8707 section 2, RFC 8693 section 2.1.
const MAY_REPEAT: [&str; 2] = ["resource", "audience"];

/// Parameters in which each name stands once, except `resource` and `audience`.
#[derive(Clone)]
pub struct Params {
    pairs: Vec<(String, String)>,
    /// Whether all of it was UTF-8 (RFC 6749 appendix B): what was not has been altered by reading it.
    is_text: bool,
}

// === impl Params ===

impl Params {
    /// Parses a query or body. A parameter without a value counts as omitted (RFC 6749 section 3.1).
    #[must_use]
    pub fn parse(encoded: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(encoded).into_owned();
        Self {
            pairs: pairs.filter(|(_, value)| !value.is_empty()).collect(),
            is_text: percent_encoding::percent_decode(encoded).decode_utf8().is_ok(),
        }
    }

    /// Whether each name, those that may repeat apart, stands once, and all was sent as UTF-8. Of a name that repeats, three known
    /// servers take the first or the last value, and two components that choose differently can be played against each
    /// other (CVE-2026-9689); what is no text could not be returned as it came.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn admit(&self) -> Result<(), OAuthError> {
        let mut seen = std::collections::HashSet::new();
        let mut names = self.pairs.iter().map(|(name, _)| name.as_str());
        if names.any(|name| !MAY_REPEAT.contains(&name) && !seen.insert(name)) {
            return Err(ErrorCode::InvalidRequest.because("a parameter is repeated"));
        }
        match self.is_text {
            true => Ok(()),
            false => Err(ErrorCode::InvalidRequest.because("the parameters are not UTF-8")),
        }
    }

    /// All of them, in order.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The same without these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.pairs.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self { pairs: kept.cloned().collect(), is_text: self.is_text }
    }

    /// The same without all other names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = self.pairs.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Self { pairs: kept.cloned().collect(), is_text: self.is_text }
    }

    /// The same and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.pairs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a parameter; of a repeated one, nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Every value of a parameter, in order.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter.
    pub fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| ErrorCode::InvalidRequest.because(format!("{name} is missing")))
    }
}

impl From<Vec<(String, String)>> for Params {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self { pairs, is_text: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_has_no_value() {
        let params = Params::parse(b"a=1&b=2&a=3");
        assert_eq!(params.admit().unwrap_err().to_string(), "invalid_request: a parameter is repeated");
        assert_eq!((params.get("a"), params.get("b")), (None, Some("2")));
    }

    #[test]
    fn targets_may_repeat_and_empty_counts_as_omitted() {
        let params = Params::parse(b"resource=x&resource=y&audience=v&audience=w&state=&state=z");
        assert_eq!(params.admit(), Ok(()));
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(params.all("audience").collect::<Vec<_>>(), ["v", "w"]);
        assert_eq!(params.get("state"), Some("z"));
        assert_eq!(params.require("code").unwrap_err().to_string(), "invalid_request: code is missing");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for (encoded, is_text) in [("a=%C3%A9&b=%zz%", true), ("a=%FF", false), ("%C3=%A9", false)] {
            assert_eq!(Params::parse(encoded.as_bytes()).admit().is_ok(), is_text, "{encoded}");
        }
    }
}
