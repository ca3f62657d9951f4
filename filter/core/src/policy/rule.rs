//! What does one rule say? Compiled: patterns parsed, defaults filled in.

use super::arguments::Demands;
use super::methods::Kind;
use super::pattern::Pattern;
use super::who::Who;
use std::fmt;
use std::sync::Arc;

/// The name of a rule, as the configuration gives it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(Arc<str>);

/// One allow or deny entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique on its server.
    pub id: RuleId,
    /// What it does to what it matches.
    pub effect: Effect,
    /// Whom it means.
    pub who: Who,
    /// The methods that it is restricted to; `None`: those that use the things named.
    pub methods: Option<Vec<Pattern>>,
    /// The things that it names.
    pub targets: Targets,
    /// What it demands of the arguments of a call; `None`: nothing.
    pub arguments: Option<Demands>,
    /// Whether it only tells what it would do.
    pub shadow: bool,
    /// Whether it leaves out tools that are known to change nothing.
    pub unless_read_only: bool,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Permits. With `hide`, a list does not show what only more scopes would permit.
    Allow {
        /// Whether a step-up is kept out of lists.
        hide: bool,
    },
    /// Refuses, whatever other rules say.
    Deny,
    /// Permits nothing, and lets layers below permit it.
    Delegate,
}

/// Patterns by kind; an empty list names nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Tool names.
    pub tools: Vec<Pattern>,
    /// Prompt names.
    pub prompts: Vec<Pattern>,
    /// Resource URIs in normal form.
    pub resources: Vec<Pattern>,
    /// Task ids.
    pub tasks: Vec<Pattern>,
}

// === impl RuleId ===

impl RuleId {
    /// A rule's name.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Rule ===

impl Rule {
    /// Whether it speaks of `method` at all.
    pub(crate) fn names_method(&self, method: &str) -> bool {
        self.methods.as_ref().is_some_and(|m| m.iter().any(|p| p.matches(method)))
    }

    /// Whether it permits, and does not only tell so.
    pub const fn allows(&self) -> bool {
        matches!(self.effect, Effect::Allow { .. }) && !self.shadow
    }

    /// Whether it is an allow rule for those without a credential.
    pub fn admits_anonymous(&self) -> bool {
        self.allows() && matches!(self.who, Who::Everyone | Who::Anonymous)
    }
}

// === impl Targets ===

impl Targets {
    /// The patterns of `kind`.
    pub fn of(&self, kind: Kind) -> &[Pattern] {
        match kind {
            Kind::Tool => &self.tools,
            Kind::Prompt => &self.prompts,
            Kind::Resource => &self.resources,
            Kind::Task => &self.tasks,
        }
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        Kind::ALL.iter().all(|k| self.of(*k).is_empty())
    }
}
