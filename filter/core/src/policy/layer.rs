//! For whom does a set of rules stand, and above or below which others? Defaults, organizations, groups, clients.

use std::fmt;

use super::rule::Rule;
use crate::identity::principal::Principal;

/// Where rules stand, from the top down. A lower level may narrow what a higher one allows, and widen only what it marks as
/// delegable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For everybody.
    Defaults,
    /// For one organization.
    Organization,
    /// For one group; several that mean a caller are one layer together.
    Group,
    /// For one OAuth client.
    Client,
}

/// Whom something means, by the one thing that layers are told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// Everybody.
    Everyone,
    /// Who has no credential.
    Anonymous,
    /// Who has this organization, group or client.
    Of {
        /// Which of the three; never [`Level::Defaults`].
        level: Level,
        /// Its name.
        name: String,
        /// By the word of this issuer alone; `None` where the server accepts one only.
        issuer: Option<String>,
    },
}

/// Rules for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// For whom.
    pub member: Member,
    /// The rules, in the order of the configuration.
    pub rules: Vec<Rule>,
}

// === impl Level ===

impl Level {
    /// From the top down.
    pub const ALL: [Self; 4] = [Self::Defaults, Self::Organization, Self::Group, Self::Client];

    /// The key of a server that holds such layers.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Defaults => "rules",
            Self::Organization => "organizations",
            Self::Group => "groups",
            Self::Client => "clients",
        }
    }
}

// === impl Member ===

impl Member {
    /// How a client is called that is nobody: whoever has no credential.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// Whether `who` is meant.
    pub fn means(&self, who: &Principal) -> bool {
        match (self, who.identity()) {
            (Self::Everyone, _) => true,
            (Self::Anonymous, _) => who.is_anonymous(),
            // A certificate says of nobody in which organization he is.
            (Self::Of { .. }, None) => false,
            (Self::Of { level, name, issuer }, Some(identity)) => {
                let named = match level {
                    Level::Defaults => false,
                    Level::Organization => identity.organization.as_ref() == Some(name),
                    Level::Group => identity.groups.contains(name),
                    Level::Client => identity.client.as_ref() == Some(name),
                };
                named && issuer.as_ref().is_none_or(|issuer| *issuer == identity.issuer)
            }
        }
    }

    /// Where it stands among the others.
    pub const fn level(&self) -> Level {
        match self {
            Self::Everyone => Level::Defaults,
            Self::Anonymous => Level::Client,
            Self::Of { level, .. } => *level,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("rules"),
            Self::Anonymous => write!(f, "clients[{}]", Self::ANONYMOUS),
            Self::Of { level, name, .. } => write!(f, "{}[{name}]", level.key()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Level, Member};
    use crate::head::PeerCertificate;
    use crate::identity::principal::{Identity, Principal};

    #[test]
    fn a_layer_means_whom_its_issuer_calls_so() {
        let alice = Principal::Authenticated(Arc::new(Identity {
            client: Some("cli".into()),
            groups: vec!["staff".into()],
            organization: Some("acme".into()),
            ..Identity::named("https://a", "alice")
        }));
        for (level, own) in [(Level::Organization, "acme"), (Level::Group, "staff"), (Level::Client, "cli")] {
            let of = |name: &str, issuer: Option<&str>| Member::Of {
                level,
                name: name.into(),
                issuer: issuer.map(str::to_owned),
            };
            assert!(of(own, None).means(&alice) && of(own, Some("https://a")).means(&alice), "{level:?}");
            assert!(!of(own, Some("https://b")).means(&alice), "{level:?}: another issuer's word");
            assert!(!of("alice", None).means(&alice), "{level:?}");
            assert!(!of(own, None).means(&Principal::Anonymous), "{level:?}");
            assert_eq!(of(own, None).to_string(), format!("{}[{own}]", level.key()));
        }
        let named =
            |name: &str| PeerCertificate::new(Some(name.into()), Some(name.into()), Some(name.into()));
        for (level, name) in [(Level::Organization, "acme"), (Level::Group, "staff"), (Level::Client, "cli")]
        {
            let certified = Principal::Certified(Arc::new(named(name).unwrap()));
            let member = Member::Of { level, name: name.into(), issuer: None };
            assert!(!member.means(&certified) && !Member::Anonymous.means(&certified), "{level:?}");
        }
        assert!(Member::Anonymous.means(&Principal::Anonymous) && !Member::Anonymous.means(&alice));
        assert!(Member::Everyone.means(&Principal::Anonymous) && Member::Everyone.means(&alice));
    }
}
