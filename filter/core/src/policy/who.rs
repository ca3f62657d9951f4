//! Whom does a rule mean?

use super::caller::Caller;
use crate::identity::certificate::CertificateName;
use crate::identity::network::Network;
use crate::identity::principal::{Identity, Principal};

/// The subjects of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody, without a credential too.
    Everyone,
    /// Whoever presented a valid credential.
    Authenticated,
    /// Only who presented no credential.
    Anonymous,
    /// Everybody who asks from one of these, without a credential too.
    From(Vec<Network>),
    /// Whoever has all of these.
    Having(Box<Attributes>),
}

/// Keys are joined by "and"; the values of a key by "or", but scopes are all needed. An empty list asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// OAuth client ids.
    pub clients: Vec<String>,
    /// Subjects (`sub`).
    pub subjects: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Organizations.
    pub organizations: Vec<String>,
    /// Scopes, all needed.
    pub scopes: Vec<String>,
    /// Issuers, as `iss` spells them.
    pub issuers: Vec<String>,
    /// Where they ask from.
    pub addresses: Vec<Network>,
    /// Certificates of the connection that they ask on.
    pub certificates: Vec<CertificateName>,
}

/// How a principal stands to a [`Who`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is meant.
    Met,
    /// It would be, with all of these scopes (those that it has included); nothing else is missing.
    NeedsScopes(Vec<String>),
    /// It is not meant; the key of the rule that says so.
    Unmet(&'static str),
}

// === impl Who ===

impl Who {
    /// How somebody stands to this.
    pub fn fit<'a>(&self, who: impl Into<Caller<'a>>) -> Fit {
        self.fit_caller(&who.into())
    }

    fn fit_caller(&self, who: &Caller<'_>) -> Fit {
        match (self, who.principal) {
            (Self::Everyone, _)
            | (Self::Anonymous, Principal::Anonymous)
            | (Self::Authenticated, Principal::Authenticated(_) | Principal::Certified(_)) => Fit::Met,
            (Self::From(networks), _) if within(networks, who) => Fit::Met,
            (Self::From(_), _) => Fit::Unmet("addresses"),
            (Self::Authenticated | Self::Having(_), Principal::Anonymous) => Fit::Unmet("credential"),
            (Self::Anonymous, _) => Fit::Unmet("anonymous"),
            (Self::Having(wanted), Principal::Authenticated(identity)) => wanted.fit(identity, who),
            // Nothing in a certificate is what a token says, however it reads.
            (Self::Having(wanted), Principal::Certified(_)) if wanted.ask_token() => Fit::Unmet("credential"),
            (Self::Having(wanted), Principal::Certified(_)) => wanted.around(who).unwrap_or(Fit::Met),
        }
    }

    /// Whether somebody with a credential can be meant.
    pub const fn may_be_authenticated(&self) -> bool {
        matches!(self, Self::Authenticated | Self::Having(_))
    }

    /// Whether somebody can be meant for what a token says of him.
    pub fn asks_token(&self) -> bool {
        matches!(self, Self::Having(wanted) if wanted.ask_token())
    }

    /// The scopes that it asks for.
    pub fn scopes(&self) -> &[String] {
        match self {
            Self::Having(wanted) => &wanted.scopes,
            _ => &[],
        }
    }
}

// === impl Attributes ===

impl Attributes {
    fn fit(&self, identity: &Identity, who: &Caller<'_>) -> Fit {
        let one = |wanted: &[String], has: Option<&String>| {
            wanted.is_empty() || has.is_some_and(|h| wanted.contains(h))
        };
        let some =
            |wanted: &[String], has: &[String]| wanted.is_empty() || wanted.iter().any(|w| has.contains(w));
        if !one(&self.issuers, Some(&identity.issuer)) {
            return Fit::Unmet("issuers");
        }
        if !one(&self.clients, identity.client.as_ref()) {
            return Fit::Unmet("clients");
        }
        if !one(&self.subjects, Some(&identity.subject)) {
            return Fit::Unmet("subjects");
        }
        if !some(&self.groups, &identity.groups) {
            return Fit::Unmet("groups");
        }
        if !some(&self.roles, &identity.roles) {
            return Fit::Unmet("roles");
        }
        if !one(&self.organizations, identity.organization.as_ref()) {
            return Fit::Unmet("organizations");
        }
        if let Some(unmet) = self.around(who) {
            return unmet;
        }
        if self.scopes.iter().all(|s| identity.scopes.contains(s)) {
            return Fit::Met;
        }
        Fit::NeedsScopes(self.scopes.clone())
    }

    /// What is not as asked besides the token.
    fn around(&self, who: &Caller<'_>) -> Option<Fit> {
        if !self.addresses.is_empty() && !within(&self.addresses, who) {
            return Some(Fit::Unmet("addresses"));
        }
        // Whose certificate the host does not tell has none.
        let shown = who.principal.certificate();
        let named = |certificate| self.certificates.iter().any(|name| name.names(certificate));
        (!self.certificates.is_empty() && !shown.is_some_and(named)).then_some(Fit::Unmet("certificates"))
    }

    /// Whether they ask for anything that only a token says.
    fn ask_token(&self) -> bool {
        let Self {
            clients,
            subjects,
            groups,
            roles,
            organizations,
            scopes,
            issuers,
            addresses: _,
            certificates: _,
        } = self;
        [clients, subjects, groups, roles, organizations, scopes, issuers].iter().any(|list| !list.is_empty())
    }
}

/// Whose address the host does not name is in no network.
fn within(networks: &[Network], who: &Caller<'_>) -> bool {
    who.address.is_some_and(|address| networks.iter().any(|network| network.holds(address)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::head::PeerCertificate;
    use crate::identity::network::address_of;

    fn alice() -> Principal {
        Principal::Authenticated(Arc::new(Identity {
            client: Some("c1".into()),
            scopes: vec!["read".into()],
            groups: vec!["staff".into()],
            roles: vec!["operator".into()],
            organization: Some("acme".into()),
            ..Identity::named("https://as", "alice")
        }))
    }

    /// A way to ask for one attribute.
    type Asks = fn(Vec<String>) -> Attributes;

    #[test]
    fn every_attribute_is_asked_for_by_itself() {
        let asked: [(&str, &str, Asks); 6] = [
            ("issuers", "https://as", |issuers| Attributes { issuers, ..Attributes::default() }),
            ("clients", "c1", |clients| Attributes { clients, ..Attributes::default() }),
            ("subjects", "alice", |subjects| Attributes { subjects, ..Attributes::default() }),
            ("groups", "staff", |groups| Attributes { groups, ..Attributes::default() }),
            ("roles", "operator", |roles| Attributes { roles, ..Attributes::default() }),
            ("organizations", "acme", |organizations| Attributes { organizations, ..Attributes::default() }),
        ];
        for (key, own, asks) in asked {
            let fit = |values: &[&str]| {
                let values = values.iter().map(|value| (*value).to_owned()).collect();
                Who::Having(Box::new(asks(values))).fit(&alice())
            };
            assert_eq!(fit(&[own]), Fit::Met, "{key}");
            assert_eq!(fit(&["another", own]), Fit::Met, "{key}: one of them is enough");
            assert_eq!(fit(&["another"]), Fit::Unmet(key));
            assert_eq!(fit(&[&own.to_uppercase()]), Fit::Unmet(key));
        }
    }

    #[test]
    fn who_names_no_client_is_none_that_a_rule_names() {
        let Principal::Authenticated(mut identity) = alice() else { panic!("alice is known") };
        Arc::make_mut(&mut identity).client = None;
        let clients = vec!["c1".to_owned()];
        let who = Who::Having(Box::new(Attributes { clients, ..Attributes::default() }));
        assert_eq!(who.fit(&Principal::Authenticated(identity)), Fit::Unmet("clients"));
    }

    #[test]
    fn a_certificate_is_nothing_that_a_token_says() {
        let names = |text: &str| Some(text.to_owned());
        let shown = PeerCertificate::new(names("alice"), names("alice"), names("alice")).unwrap();
        let certified = Principal::Certified(Arc::new(shown));
        let asked: [(&str, Asks); 7] = [
            ("issuers", |issuers| Attributes { issuers, ..Attributes::default() }),
            ("clients", |clients| Attributes { clients, ..Attributes::default() }),
            ("subjects", |subjects| Attributes { subjects, ..Attributes::default() }),
            ("groups", |groups| Attributes { groups, ..Attributes::default() }),
            ("roles", |roles| Attributes { roles, ..Attributes::default() }),
            ("organizations", |organizations| Attributes { organizations, ..Attributes::default() }),
            ("scopes", |scopes| Attributes { scopes, ..Attributes::default() }),
        ];
        let alice = || vec![CertificateName::parse("alice").unwrap()];
        for (key, asks) in asked {
            let wanted = Attributes { certificates: alice(), ..asks(vec!["alice".to_owned()]) };
            let who = Who::Having(Box::new(wanted));
            assert_eq!((who.fit(&certified), who.asks_token()), (Fit::Unmet("credential"), true), "{key}");
        }
        let own = Who::Having(Box::new(Attributes { certificates: alice(), ..Attributes::default() }));
        assert_eq!((own.fit(&certified), own.asks_token()), (Fit::Met, false));
        assert_eq!(own.fit(&Principal::Anonymous), Fit::Unmet("credential"));
        assert_eq!(Who::Anonymous.fit(&certified), Fit::Unmet("anonymous"));
        assert_eq!((Who::Authenticated.fit(&certified), Who::Everyone.fit(&certified)), (Fit::Met, Fit::Met));
    }

    #[test]
    fn an_address_is_asked_for_like_anything_else() {
        let networks = || vec![Network::parse("10.0.0.0/8").unwrap()];
        let having = Who::Having(Box::new(Attributes { addresses: networks(), ..Attributes::default() }));
        let (alice, nobody) = (alice(), Principal::Anonymous);
        let at = |principal, source| Caller { address: address_of(source), ..Caller::from(principal) };
        for (source, within) in [
            (Some("10.1.2.3"), true),
            (Some("::ffff:10.1.2.3"), true),
            (Some("192.0.2.1"), false),
            (Some("elsewhere"), false),
            (None, false),
        ] {
            let expected = if within { Fit::Met } else { Fit::Unmet("addresses") };
            assert_eq!(having.fit(at(&alice, source)), expected, "{source:?}");
            assert_eq!(Who::From(networks()).fit(at(&nobody, source)), expected, "{source:?}");
            assert_eq!(having.fit(at(&nobody, source)), Fit::Unmet("credential"), "{source:?}");
        }
    }
}
