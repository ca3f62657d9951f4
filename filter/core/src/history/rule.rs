//! What does a rule over the past say, and what must it be told?

use std::fmt;
use std::time::Duration;

use super::table::{Ask, Check};
use crate::identity::network::site_of;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};
use crate::order;
use crate::policy::pattern::Pattern;
use crate::policy::rule::RuleId;
use crate::rows;
use crate::salt::Salt;

/// A rule over what was done before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRule {
    /// Unique on its server, among rules of all kinds.
    pub id: RuleId,
    /// Whose past it is.
    pub per: Per,
    /// How long something counts as done before.
    pub within: Duration,
    /// What it looks at.
    pub sort: Sort,
}

/// Whose past a rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// That of the session; where there is none, of the principal and his client.
    #[default]
    Session,
    /// That of the principal and his client, in all sessions.
    Principal,
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sort {
    /// After a call of one of these, none of the others.
    Taint {
        /// What taints.
        after: Vec<Pattern>,
        /// What is denied then.
        deny: Vec<Pattern>,
    },
    /// Not more than so many different ones.
    Distinct {
        /// How many.
        most: u16,
        /// Of what.
        of: Things,
    },
    /// One of these must have been answered well before any of the others.
    Order {
        /// What must come first.
        require: Vec<Pattern>,
        /// What may only come then.
        before: Vec<Pattern>,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Things {
    /// Tools that are called.
    Tools,
    /// Resources that are read or subscribed to.
    Resources,
}

/// Whose past it is that a request adds to.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The session, once it is known to be the principal's.
    pub session: Option<&'a str>,
    /// Who asks.
    pub who: &'a Principal,
    /// From where.
    pub source: Option<&'a str>,
}

/// Whose slots: named after the principal, so that whoever fills some fills his own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    pub(super) name: [u8; 16],
    pub(super) stranger: bool,
}

// === impl HistoryRule ===

impl HistoryRule {
    /// The most different things that a rule can count: half of what fits for a principal.
    pub const MOST_DISTINCT: u16 = 32;

    /// What is asked and marked before `operation` goes on. Names are marked by `salt`, so that nobody outside can look for two that are
    /// taken for one.
    pub fn before(&self, operation: &Operation, actor: &Actor<'_>, salt: Salt) -> Vec<Ask> {
        let tag = self.tag(actor);
        let ask = |mark, check, marks| Ask { tag, mark, check, marks, within: self.within };
        match &self.sort {
            Sort::Taint { after, deny } => {
                let (denied, taints) = (calls(operation, deny), calls(operation, after));
                let check = if denied { Check::Absent } else { Check::Nothing };
                if denied || taints { vec![ask([0; 8], check, taints)] } else { Vec::new() }
            }
            Sort::Distinct { most, of } => {
                let names = operation.targets.iter().filter_map(|target| of.name(target));
                names.map(|name| ask(mark(name, salt), Check::AtMost(*most), true)).collect()
            }
            Sort::Order { before, .. } if calls(operation, before) => {
                vec![ask([0; 8], Check::Present, false)]
            }
            Sort::Order { .. } => Vec::new(),
        }
    }

    /// What is marked once `operation` was answered well.
    pub fn after(&self, operation: &Operation, actor: &Actor<'_>) -> Option<Ask> {
        match &self.sort {
            Sort::Order { require, .. } if calls(operation, require) => Some(Ask {
                tag: self.tag(actor),
                mark: [0; 8],
                check: Check::Nothing,
                marks: true,
                within: self.within,
            }),
            _ => None,
        }
    }

    /// Whether it would refuse `operation` after calls of these tools, all of them answered well and within its time.
    pub fn refuses(&self, operation: &Operation, called: &[String]) -> bool {
        let any = |patterns: &[Pattern]| called.iter().any(|name| patterns.iter().any(|p| p.matches(name)));
        match &self.sort {
            Sort::Taint { after, deny } => calls(operation, deny) && any(after),
            Sort::Order { require, before } => calls(operation, before) && !any(require),
            Sort::Distinct { most, of: Things::Tools } => operation.targets.iter().any(|target| {
                let mut names: Vec<&str> = called.iter().map(String::as_str).collect();
                order::each_once(&mut names);
                Things::Tools
                    .name(target)
                    .is_some_and(|new| !names.contains(&new) && names.len() >= usize::from(*most))
            }),
            Sort::Distinct { .. } => false,
        }
    }

    /// Whether it says anything of `operation`.
    pub fn concerns(&self, operation: &Operation) -> bool {
        match &self.sort {
            Sort::Taint { deny, .. } => calls(operation, deny),
            Sort::Order { before, .. } => calls(operation, before),
            Sort::Distinct { of, .. } => operation.targets.iter().any(|target| of.name(target).is_some()),
        }
    }

    /// Why it refuses, in fixed words.
    pub const fn refusal(&self) -> &'static str {
        match self.sort {
            Sort::Taint { .. } => "after what was called before",
            Sort::Distinct { .. } => "too many different ones",
            Sort::Order { .. } => "before what must come first",
        }
    }

    fn tag(&self, actor: &Actor<'_>) -> [u8; 16] {
        let kind = match self.sort {
            Sort::Taint { .. } => b"taint",
            Sort::Distinct { .. } => b"count",
            Sort::Order { .. } => b"order",
        };
        let whose = Slots::of(actor).name;
        let mut fields: Vec<&[u8]> = vec![self.id.as_str().as_bytes(), &whose];
        if self.per == Per::Session {
            fields.extend(actor.session.map(str::as_bytes));
        }
        rows::name(kind, &fields)
    }
}

/// Whether a tool is called that one of these names.
fn calls(operation: &Operation, tools: &[Pattern]) -> bool {
    operation.targets.iter().any(|target| {
        Things::Tools.name(target).is_some_and(|name| tools.iter().any(|pattern| pattern.matches(name)))
    })
}

fn mark(name: &str, salt: Salt) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = rows::name(b"mark", &[salt.bytes(), name.as_bytes()]);
    // All zero is what stands for no name.
    [a, b, c, d, e, f, g, h | 1]
}

// === impl Things ===

impl Things {
    fn name(self, target: &Target) -> Option<&str> {
        match (self, target) {
            (Self::Tools, Target::Tool(name)) | (Self::Resources, Target::Resource(name)) => Some(name),
            _ => None,
        }
    }
}

// === impl Slots ===

impl Slots {
    /// Issuer, subject and client at a server, or the names of a certificate; of somebody unknown the address, of IPv6 the /64 network.
    pub fn of(actor: &Actor<'_>) -> Self {
        let site = actor.source.map(site_of).unwrap_or_default();
        let certificate = actor.who.certificate_key();
        let mut fields: Vec<&[u8]> = vec![actor.server.as_bytes()];
        match (actor.who.identity(), &certificate) {
            (Some(identity), _) => {
                fields.extend([identity.issuer.as_bytes(), identity.subject.as_bytes()]);
                fields.extend(identity.client.as_ref().map(|client| client.as_bytes()));
            }
            (None, Some(certificate)) => fields.push(certificate.as_bytes()),
            (None, None) => fields.push(site.as_bytes()),
        }
        let stranger = actor.who.is_anonymous();
        let kind: &[u8] = match (stranger, &certificate) {
            (true, _) => b"stranger",
            (false, None) => b"known",
            (false, Some(_)) => b"certified",
        };
        Self { name: rows::name(kind, &fields), stranger }
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slots({:032x})", u128::from_be_bytes(self.name))
    }
}
