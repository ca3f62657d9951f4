//! Whose bucket is it? A name of fixed length for every combination that has a bucket of its own.

use std::fmt;
use std::time::Duration;

use super::rate::Rate;
use crate::identity::principal::Principal;
use crate::rows;

/// Names one bucket: the first 128 bits of SHA-256 over what it is for and the shape of its rate, so that a changed rate
/// starts a new bucket. Nothing of the principal can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(super) [u8; 16]);

/// What a bucket counts.
#[derive(Clone, Copy)]
enum Kind {
    Source = 1,
    Principal = 2,
    Tool = 3,
    Validation = 4,
    Streams = 5,
}

// === impl Tag ===

impl Tag {
    /// All requests of one address to one server; `None` where the host names no address (then they share one bucket).
    pub fn source(server: &str, source: Option<&str>, rate: Rate) -> Self {
        let mut fields = vec![server.as_bytes()];
        fields.extend(source.map(str::as_bytes));
        Self::of(Kind::Source, 0, &fields, rate)
    }

    /// Questions to an issuer about tokens that one address presents.
    pub fn validation(source: Option<&str>, rate: Rate) -> Self {
        let fields: Vec<&[u8]> = source.map(str::as_bytes).into_iter().collect();
        Self::of(Kind::Validation, 0, &fields, rate)
    }

    /// All requests of one principal to one server. Anonymous ones count by address.
    pub fn principal(server: &str, who: &Principal, source: Option<&str>, rate: Rate) -> Self {
        Self::of(Kind::Principal, 0, &fields(server, who, source), rate)
    }

    /// Calls of one principal under the `limit`-th tool limit of a server.
    pub fn tool(server: &str, limit: usize, who: &Principal, source: Option<&str>, rate: Rate) -> Self {
        Self::of(Kind::Tool, limit, &fields(server, who, source), rate)
    }

    /// The streams of one principal from one server, however many there may be.
    pub fn streams(server: &str, who: &Principal, source: Option<&str>) -> Self {
        let none = Rate { burst: 0, tokens: 0, per: Duration::ZERO };
        Self::of(Kind::Streams, 0, &fields(server, who, source), none)
    }

    fn of(kind: Kind, limit: usize, fields: &[&[u8]], rate: Rate) -> Self {
        let shape = [
            &[kind as u8][..],
            &(limit as u64).to_be_bytes(),
            &rate.burst.to_be_bytes(),
            &rate.tokens.to_be_bytes(),
            &rate.per.as_nanos().to_be_bytes(),
        ];
        Self(rows::name(&shape.concat(), fields))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:032x})", u128::from_be_bytes(self.0))
    }
}

/// Server, then who: issuer and subject (a subject alone names nobody), or the address of somebody unknown.
fn fields<'a>(server: &'a str, who: &'a Principal, source: Option<&'a str>) -> Vec<&'a [u8]> {
    let mut fields = vec![server.as_bytes()];
    match who.identity() {
        Some(identity) => {
            fields.extend([b"identity", identity.issuer.as_bytes(), identity.subject.as_bytes()])
        }
        None => {
            fields.push(b"anonymous");
            fields.extend(source.map(str::as_bytes));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::Tag;
    use crate::identity::principal::{Identity, Principal};
    use crate::limits::rate::Rate;
    use crate::time::Timestamp;

    fn someone(issuer: &str, subject: &str) -> Principal {
        Principal::Authenticated(Box::new(Identity {
            issuer: issuer.into(),
            subject: subject.into(),
            client: None,
            scopes: vec![],
            groups: vec![],
            roles: vec![],
            organization: None,
            grant: None,
            expires: Timestamp::from_secs(1),
        }))
    }

    #[test]
    fn every_combination_has_a_bucket_of_its_own() {
        let rate = Rate { burst: 5, tokens: 10, per: Duration::from_secs(60) };
        let alice = someone("https://a", "alice");
        let tags = [
            Tag::principal("s", &alice, None, rate),
            Tag::principal("t", &alice, None, rate),
            Tag::principal("s", &someone("https://b", "alice"), None, rate),
            Tag::principal("s", &someone("https://aa", "lice"), None, rate),
            Tag::principal("s", &Principal::Anonymous, None, rate),
            Tag::principal("s", &Principal::Anonymous, Some("10.0.0.1"), rate),
            Tag::principal("s", &Principal::Anonymous, Some("10.0.0.2"), rate),
            Tag::principal("s", &alice, None, Rate { burst: 6, ..rate }),
            Tag::principal("s", &alice, None, Rate { tokens: 11, ..rate }),
            Tag::principal("s", &alice, None, Rate { per: Duration::from_secs(61), ..rate }),
            Tag::tool("s", 0, &alice, None, rate),
            Tag::tool("s", 1, &alice, None, rate),
            Tag::streams("s", &alice, None),
            Tag::streams("s", &Principal::Anonymous, Some("10.0.0.1")),
            Tag::source("s", None, rate),
            Tag::source("s", Some(""), rate),
            Tag::source("s", Some("10.0.0.1"), rate),
        ];
        assert_eq!(tags.iter().collect::<HashSet<_>>().len(), tags.len());
        // An address does not split the bucket of somebody known.
        assert_eq!(tags[0], Tag::principal("s", &someone("https://a", "alice"), Some("10.0.0.9"), rate));
        assert!(!format!("{:?}", tags[0]).contains("alice"));
    }
}
