//! What is a set of scopes? Scope tokens of RFC 6749 section 3.3, kept in alphabetical order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A set of scope tokens. Serialized as one space-separated string, as on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet(BTreeSet<String>);

// === impl ScopeSet ===

impl ScopeSet {
    /// Parses a `scope` parameter.
    ///
    /// # Errors
    /// When a token has a character outside RFC 6749 section 3.3.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        text.split(' ').filter(|token| !token.is_empty()).map(admit).collect()
    }

    /// The set of these tokens.
    ///
    /// # Errors
    /// When one is empty or has a character outside RFC 6749 section 3.3.
    pub fn from_list(tokens: &[String]) -> Result<Self, &'static str> {
        tokens.iter().map(|token| admit(token)).collect()
    }

    /// The tokens, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this token is in it.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// What `other` does not have.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// Whether every token of this set is in `other`.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What either has.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }
}

impl std::fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, token) in self.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{token}")?;
        }
        Ok(())
    }
}

impl FromIterator<String> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = String>>(tokens: I) -> Self {
        Self(tokens.into_iter().collect())
    }
}

impl<'a> FromIterator<&'a str> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        tokens.into_iter().map(ToOwned::to_owned).collect()
    }
}

impl From<ScopeSet> for String {
    fn from(set: ScopeSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

fn admit(token: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if token.is_empty() || !token.bytes().all(allowed) {
        return Err("a scope is one or more visible ASCII characters without quote and backslash");
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_compares_and_prints() {
        let both = ScopeSet::parse("b a  b").unwrap();
        let one = ScopeSet::parse("a").unwrap();
        assert_eq!(both.to_string(), "a b");
        assert!(one.is_subset_of(&both) && !both.is_subset_of(&one));
        assert_eq!((both.and(&one), both.or(&one)), (one, both.clone()));
        assert_eq!(serde_json::to_string(&both).unwrap(), "\"a b\"");
    }

    #[test]
    fn refuses_characters_outside_the_grammar() {
        for bad in ["a\"b", "a\\b", "é", "a\tb", "a\u{0}"] {
            assert!(ScopeSet::parse(bad).is_err(), "{bad:?}");
        }
    }
}
