//! Whom does a rule mean?

use super::caller::Caller;
use crate::identity::network::Network;
use crate::identity::principal::Identity;

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
        match (self, who.principal.identity()) {
            (Self::Everyone | Self::Anonymous, None) | (Self::Everyone | Self::Authenticated, Some(_)) => {
                Fit::Met
            }
            (Self::From(networks), _) if within(networks, who) => Fit::Met,
            (Self::From(_), _) => Fit::Unmet("addresses"),
            (Self::Authenticated | Self::Having(_), None) => Fit::Unmet("credential"),
            (Self::Anonymous, Some(_)) => Fit::Unmet("anonymous"),
            (Self::Having(wanted), Some(identity)) => wanted.fit(identity, who),
        }
    }

    /// Whether somebody with a credential can be meant.
    pub const fn may_be_authenticated(&self) -> bool {
        matches!(self, Self::Authenticated | Self::Having(_))
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
        if !self.addresses.is_empty() && !within(&self.addresses, who) {
            return Fit::Unmet("addresses");
        }
        if self.scopes.iter().all(|s| identity.scopes.contains(s)) {
            return Fit::Met;
        }
        Fit::NeedsScopes(self.scopes.clone())
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
    use crate::identity::network::address_of;
    use crate::identity::principal::Principal;

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
