//! Whom does a rule mean?

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
    /// How `principal` stands to this.
    pub fn fit(&self, principal: &Principal) -> Fit {
        match (self, principal.identity()) {
            (Self::Everyone | Self::Anonymous, None) | (Self::Everyone | Self::Authenticated, Some(_)) => {
                Fit::Met
            }
            (Self::Authenticated | Self::Having(_), None) => Fit::Unmet("credential"),
            (Self::Anonymous, Some(_)) => Fit::Unmet("anonymous"),
            (Self::Having(wanted), Some(identity)) => wanted.fit(identity),
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
    fn fit(&self, identity: &Identity) -> Fit {
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
        if self.scopes.iter().all(|s| identity.scopes.contains(s)) {
            return Fit::Met;
        }
        Fit::NeedsScopes(self.scopes.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

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
}
