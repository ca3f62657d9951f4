//! Who owns what? Names of fixed length for principals and for what servers hand out to them.

use std::fmt;

use crate::identity::principal::Principal;
use crate::rows;

/// Names a principal: the first 128 bits of SHA-256 over issuer, subject and client, or over the address of somebody
/// unknown, or over the names of a certificate. Nothing of the principal can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(pub(super) [u8; 16]);

/// Names one thing that a server handed out: the first 128 bits of SHA-256 over the server and the id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(pub(super) [u8; 16]);

/// What is handed out. Each kind has a table of its own, so that many tasks push out no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `Mcp-Session-Id`.
    Session,
    /// `taskId`.
    Task,
}

/// That a thing belongs, or would belong, to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub handle: Handle,
    /// Whose.
    pub owner: Owner,
}

// === impl Owner ===

impl Owner {
    /// Issuer, subject and client; for somebody unknown the address, which all share where the host names none.
    pub fn of(who: &Principal, source: Option<&str>) -> Self {
        let certificate = who.certificate_key();
        let mut fields: Vec<&[u8]> = Vec::new();
        match (who.identity(), &certificate) {
            (Some(identity), _) => {
                fields.extend([&b"identity"[..], identity.issuer.as_bytes(), identity.subject.as_bytes()]);
                fields.extend(identity.client.as_ref().map(|client| client.as_bytes()));
            }
            (None, Some(certificate)) => fields.extend([&b"certificate"[..], certificate.as_bytes()]),
            (None, None) => {
                fields.push(b"anonymous");
                fields.extend(source.map(str::as_bytes));
            }
        }
        Self(rows::name(&[], &fields))
    }
}

// === impl Handle ===

impl Handle {
    /// What `server` calls `id`.
    pub fn of(server: &str, id: &str) -> Self {
        Self(rows::name(&[], &[server.as_bytes(), id.as_bytes()]))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:032x})", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:032x})", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::{Handle, Owner};
    use crate::head::PeerCertificate;
    use crate::identity::principal::{Identity, Principal};

    fn someone(issuer: &str, subject: &str, client: Option<&str>) -> Principal {
        let client = client.map(str::to_owned);
        Principal::Authenticated(Arc::new(Identity { client, ..Identity::named(issuer, subject) }))
    }

    fn certified(uri: &str, dns: &str) -> Principal {
        let name = |text: &str| Some(text.to_owned());
        Principal::Certified(Arc::new(PeerCertificate::new(name(uri), name(dns), None).unwrap()))
    }

    #[test]
    fn issuer_subject_and_client_make_an_owner() {
        let owners = [
            Owner::of(&someone("https://a", "alice", Some("c")), None),
            Owner::of(&someone("https://a", "alice", Some("d")), None),
            Owner::of(&someone("https://a", "alice", Some("")), None),
            Owner::of(&someone("https://a", "alice", None), None),
            Owner::of(&someone("https://a", "alicec", None), None),
            Owner::of(&someone("https://b", "alice", Some("c")), None),
            Owner::of(&someone("https://aa", "lice", Some("c")), None),
            Owner::of(&certified("https://a", ""), None),
            Owner::of(&certified("", "alice"), None),
            Owner::of(&certified("", "c"), None),
            Owner::of(&Principal::Anonymous, None),
            Owner::of(&Principal::Anonymous, Some("")),
            Owner::of(&Principal::Anonymous, Some("10.0.0.1")),
            Owner::of(&Principal::Anonymous, Some("10.0.0.2")),
        ];
        assert_eq!(owners.iter().collect::<HashSet<_>>().len(), owners.len());
        assert_eq!(owners[0], Owner::of(&someone("https://a", "alice", Some("c")), Some("10.0.0.9")));
        assert_eq!(owners[5 + 2], Owner::of(&certified("https://a", ""), Some("10.0.0.9")));
        assert!(!format!("{:?}", owners[0]).contains("alice"));
    }

    #[test]
    fn one_id_of_two_servers_is_two_things() {
        let handles =
            [Handle::of("a", "bc"), Handle::of("ab", "c"), Handle::of("b", "bc"), Handle::of("a", "bd")];
        assert_eq!(handles.iter().collect::<HashSet<_>>().len(), handles.len());
    }
}
