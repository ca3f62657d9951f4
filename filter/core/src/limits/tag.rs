//! Whose bucket is it? A name of fixed length for every combination that has a bucket of its own.

use std::fmt;
use std::time::Duration;

use super::rate::Rate;
use crate::identity::network::site_of;
use crate::identity::principal::Principal;
use crate::rows;

/// Names one bucket: the first 128 bits of SHA-256 over what it is for and the shape of its rate, so that a changed rate
/// starts a new bucket. Nothing of the principal can be read from it. Its last bit is set for strangers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(super) [u8; 16]);

/// What a bucket counts.
#[derive(Clone, Copy)]
enum Kind {
    Source = 1,
    Caller = 2,
    Limit = 3,
    Validation = 4,
    Streams = 5,
    Asker = 6,
}

/// Who shares a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Issuer and subject, or the names of a certificate that stands for a token. The anonymous count by address.
    Principal,
    /// All principals of an OAuth client at an issuer; those without one are together.
    Client,
    /// All principals of an organization at an issuer; those without one are together.
    Organization,
    /// All requests of one source address, whoever makes them; where the host names none they are together.
    Source,
    /// Everybody.
    Server,
}

// === impl Tag ===

impl Tag {
    /// All requests of one address to one server; `None` where the host names no address (then they share one bucket).
    pub fn source(server: &str, source: Option<&str>, rate: Rate) -> Self {
        let site = source.map(site_of);
        let mut fields = vec![server.as_bytes()];
        fields.extend(site.as_deref().map(str::as_bytes));
        Self::of(Kind::Source, true, &fields, rate)
    }

    /// Questions to an issuer about tokens that one address presents.
    pub fn validation(source: Option<&str>, rate: Rate) -> Self {
        let site = source.map(site_of);
        let fields: Vec<&[u8]> = site.as_deref().map(str::as_bytes).into_iter().collect();
        Self::of(Kind::Validation, true, &fields, rate)
    }

    /// All requests of one principal to one server, allowed or not.
    pub fn caller(server: &str, who: &Principal, source: Option<&str>, rate: Rate) -> Self {
        Self::shared(Kind::Caller, &[server], Per::Principal, who, source, rate)
    }

    /// What falls under the limit of this name on a server.
    pub fn limit(
        server: &str,
        name: &str,
        per: Per,
        who: &Principal,
        source: Option<&str>,
        rate: Rate,
    ) -> Self {
        Self::shared(Kind::Limit, &[server, name], per, who, source, rate)
    }

    /// The streams of one principal from one server, however many there may be.
    pub fn streams(server: &str, who: &Principal, source: Option<&str>) -> Self {
        let none = Rate { burst: 0, tokens: 0, per: Duration::ZERO };
        Self::shared(Kind::Streams, &[server], Per::Principal, who, source, none)
    }

    /// On whose behalf others are asked; `None` where it is not known yet who it is, then all of one address are one.
    pub fn asker(who: Option<&Principal>, source: Option<&str>) -> Self {
        let none = Rate { burst: 0, tokens: 0, per: Duration::ZERO };
        Self::shared(Kind::Asker, &[], Per::Principal, who.unwrap_or(&Principal::Anonymous), source, none)
    }

    /// Whether anybody can begin such a bucket, without a credential.
    pub const fn is_strangers(self) -> bool {
        self.0[15] & 1 == 1
    }

    fn shared(
        kind: Kind,
        what: &[&str],
        per: Per,
        who: &Principal,
        source: Option<&str>,
        rate: Rate,
    ) -> Self {
        let site = source.map(site_of);
        let certificate = who.certificate_key();
        let mut fields: Vec<&[u8]> = what.iter().map(|w| w.as_bytes()).collect();
        match (per, who.identity()) {
            (Per::Server, _) => fields.push(b"server"),
            (Per::Source, _) => {
                fields.push(b"source");
                fields.extend(site.as_deref().map(str::as_bytes));
            }
            // A subject alone names nobody, and neither does a client.
            (_, Some(identity)) => {
                let (word, whose) = match per {
                    Per::Client => (&b"client"[..], identity.client.as_deref()),
                    Per::Organization => (&b"organization"[..], identity.organization.as_deref()),
                    Per::Principal | Per::Source | Per::Server => {
                        (&b"identity"[..], Some(identity.subject.as_str()))
                    }
                };
                fields.extend([word, identity.issuer.as_bytes()]);
                fields.extend(whose.map(str::as_bytes));
            }
            (_, None) => match (per, &certificate) {
                (Per::Principal, Some(certificate)) => {
                    fields.extend([&b"certificate"[..], certificate.as_bytes()]);
                }
                // A certificate has no client and no organization, and is together with those that have none either.
                (_, Some(_)) => fields.push(b"certificates"),
                (_, None) => {
                    fields.push(b"anonymous");
                    fields.extend(site.as_deref().map(str::as_bytes));
                }
            },
        }
        let strangers = match per {
            Per::Server => false,
            Per::Source => true,
            _ => who.is_anonymous(),
        };
        Self::of(kind, strangers, &fields, rate)
    }

    fn of(kind: Kind, strangers: bool, fields: &[&[u8]], rate: Rate) -> Self {
        let shape = [
            &[kind as u8][..],
            &rate.burst.to_be_bytes(),
            &rate.tokens.to_be_bytes(),
            &rate.per.as_nanos().to_be_bytes(),
        ];
        let mut name = rows::name(&shape.concat(), fields);
        let [.., last] = &mut name;
        *last = (*last & !1) | u8::from(strangers);
        Self(name)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:032x})", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Per, Tag};
    use crate::head::PeerCertificate;
    use crate::identity::principal::{Identity, Principal};
    use crate::limits::rate::Rate;

    fn someone(issuer: &str, subject: &str) -> Principal {
        Principal::Authenticated(Arc::new(Identity::named(issuer, subject)))
    }

    fn certified(uri: &str) -> Principal {
        Principal::Certified(Arc::new(PeerCertificate::new(Some(uri.to_owned()), None, None).unwrap()))
    }

    #[test]
    fn every_combination_has_a_bucket_of_its_own() {
        let rate = Rate { burst: 5, tokens: 10, per: Duration::from_secs(60) };
        let alice = someone("https://a", "alice");
        let of = |who: &Principal, source| Tag::caller("s", who, source, rate);
        let limit = |name, per, who: &Principal| Tag::limit("s", name, per, who, None, rate);
        let tags = [
            of(&alice, None),
            Tag::caller("t", &alice, None, rate),
            of(&someone("https://b", "alice"), None),
            of(&someone("https://aa", "lice"), None),
            of(&certified("https://a"), None),
            of(&certified("alice"), None),
            limit("a", Per::Principal, &certified("alice")),
            limit("a", Per::Client, &certified("alice")),
            of(&Principal::Anonymous, None),
            of(&Principal::Anonymous, Some("10.0.0.1")),
            of(&Principal::Anonymous, Some("10.0.0.2")),
            Tag::caller("s", &alice, None, Rate { burst: 6, ..rate }),
            Tag::caller("s", &alice, None, Rate { tokens: 11, ..rate }),
            Tag::caller("s", &alice, None, Rate { per: Duration::from_secs(61), ..rate }),
            limit("a", Per::Principal, &alice),
            limit("b", Per::Principal, &alice),
            limit("a", Per::Client, &alice),
            limit("a", Per::Organization, &alice),
            limit("a", Per::Server, &alice),
            limit("a", Per::Client, &Principal::Anonymous),
            limit("a", Per::Source, &alice),
            Tag::limit("s", "a", Per::Source, &alice, Some("10.0.0.1"), rate),
            Tag::streams("s", &alice, None),
            Tag::streams("s", &Principal::Anonymous, Some("10.0.0.1")),
            Tag::asker(Some(&alice), None),
            Tag::asker(Some(&certified("alice")), None),
            Tag::asker(None, None),
            Tag::asker(None, Some("10.0.0.1")),
            Tag::asker(None, Some("10.0.0.2")),
            Tag::source("s", None, rate),
            Tag::source("s", Some(""), rate),
            Tag::source("s", Some("10.0.0.1"), rate),
        ];
        assert_eq!(tags.iter().collect::<HashSet<_>>().len(), tags.len());
        // All certificates are one client, as are all tokens that name none.
        assert_eq!(limit("a", Per::Client, &certified("x")), limit("a", Per::Client, &certified("alice")));
        assert!(!of(&certified("alice"), Some("10.0.0.1")).is_strangers());
        assert_eq!(of(&certified("alice"), None), of(&certified("alice"), Some("10.0.0.9")));
        // An address does not split the bucket of somebody known.
        assert_eq!(tags[0], of(&someone("https://a", "alice"), Some("10.0.0.9")));
        assert!(!format!("{:?}", tags[0]).contains("alice"));
    }

    #[test]
    fn who_shares_a_limit_has_one_bucket() {
        let rate = Rate { burst: 5, tokens: 10, per: Duration::from_secs(60) };
        let member = |issuer, subject, client: &str, organization: &str| {
            let mut who = someone(issuer, subject);
            if let Principal::Authenticated(identity) = &mut who {
                let identity = Arc::make_mut(identity);
                identity.client = Some(client.to_owned());
                identity.organization = Some(organization.to_owned());
            }
            who
        };
        let (one, two) =
            (member("https://a", "one", "cli", "acme"), member("https://a", "two", "cli", "acme"));
        let elsewhere = member("https://b", "one", "cli", "acme");
        for (per, shared, apart) in [
            (Per::Principal, false, true),
            (Per::Client, true, true),
            (Per::Organization, true, true),
            (Per::Server, true, false),
        ] {
            let of = |who| Tag::limit("s", "a", per, who, None, rate);
            assert_eq!(of(&one) == of(&two), shared, "{per:?}");
            assert_eq!(of(&one) != of(&elsewhere), apart, "{per:?}");
            assert!(!of(&one).is_strangers());
        }
        let at = |who, source| Tag::limit("s", "a", Per::Source, who, Some(source), rate);
        assert_eq!(at(&one, "10.0.0.1"), at(&elsewhere, "::ffff:10.0.0.1"));
        assert_ne!(at(&one, "10.0.0.1"), at(&one, "10.0.0.2"));
        assert!(at(&one, "10.0.0.1").is_strangers(), "whoever has many addresses takes no principal's room");
        assert!(Tag::limit("s", "a", Per::Client, &Principal::Anonymous, None, rate).is_strangers());
        assert!(!Tag::limit("s", "a", Per::Server, &Principal::Anonymous, None, rate).is_strangers());
    }

    #[test]
    fn a_network_of_addresses_that_one_site_has_is_one_source() {
        let rate = Rate { burst: 5, tokens: 10, per: Duration::from_secs(60) };
        let of = |source| Tag::source("s", Some(source), rate);
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert!(of("10.0.0.1").is_strangers() && Tag::validation(None, rate).is_strangers());
    }
}
