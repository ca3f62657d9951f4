//! What are the parameters of a request? `application/x-www-form-urlencoded`, in a query or a body.

use super::error::{ErrorCode, OAuthError};

/// Parameters in which each name stands once, except `resource` (RFC 8707 section 2 lets it repeat).
#[derive(Clone)]
pub struct Params(Vec<(String, String)>);

/// A name that stands more than once: three known servers then take the first or the last value, and two components
/// that choose differently can be played against each other (CVE-2026-9689).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated(pub String);

// === impl Params ===

impl Params {
    /// Parses a query or body. A parameter without a value counts as omitted (RFC 6749 section 3.1).
    #[must_use]
    pub fn parse(encoded: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(encoded)
                .into_owned()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    /// The first name that stands more than once, `resource` apart.
    #[must_use]
    pub fn repeated(&self) -> Option<Repeated> {
        let mut seen = std::collections::HashSet::new();
        self.0
            .iter()
            .find(|(name, _)| name != "resource" && !seen.insert(name.as_str()))
            .map(|(name, _)| Repeated(name.clone()))
    }

    /// All of them, in order.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The same without these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect())
    }

    /// The same and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
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
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
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
        Self(pairs)
    }
}

impl From<Repeated> for OAuthError {
    fn from(_: Repeated) -> Self {
        ErrorCode::InvalidRequest.because("a parameter is repeated")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_has_no_value() {
        let params = Params::parse(b"a=1&b=2&a=3");
        assert_eq!(params.repeated(), Some(Repeated("a".into())));
        assert_eq!((params.get("a"), params.get("b")), (None, Some("2")));
    }

    #[test]
    fn resource_may_repeat_and_empty_counts_as_omitted() {
        let params = Params::parse(b"resource=x&resource=y&state=&state=z");
        assert_eq!(params.repeated(), None);
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(params.get("state"), Some("z"));
        assert_eq!(params.require("code").unwrap_err().to_string(), "invalid_request: code is missing");
    }
}
