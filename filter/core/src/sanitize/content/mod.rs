//! Which contents may not pass as they are? Rules about what is in texts, compiled; [`Plan`] is what of them counts for one
//! exchange, `walk` reads a message by it.

mod marks;
pub mod names;
mod plan;
pub mod report;
mod text;
mod walk;

use std::sync::Arc;

pub use plan::Plan;
pub use report::{Found, Report};
pub use walk::{Refused, apply, apply_to_text};

use super::detect::Detector;
use super::detect::regexes::Regex;
use crate::mcp::operation::{Operation, Target};
use crate::policy::caller::Caller;
use crate::policy::pattern::Pattern;
use crate::policy::resource_uri::ResourceUri;
use crate::policy::rule::RuleId;
use crate::policy::who::{Fit, Who};
use names::{MemberName, MemberPath};

/// The content rules of a server, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(pub Vec<Arc<ContentRule>>);

/// One rule about contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRule {
    /// Unique on its server.
    pub id: RuleId,
    /// Whose contents.
    pub applies: Applies,
    /// Whether requests are read.
    pub requests: bool,
    /// Whether answers are read.
    pub responses: bool,
    /// What is looked for in texts.
    pub detect: Vec<Detector>,
    /// Patterns of one's own that are looked for in texts.
    pub regexes: Vec<Arc<Regex>>,
    /// Members whose whole value is meant.
    pub keys: Vec<MemberName>,
    /// What becomes of what is found.
    pub action: Action,
    /// Members of `structuredContent`, and of JSON in texts, that may pass; empty: all.
    pub fields: Vec<MemberPath>,
    /// What becomes of characters that nobody sees.
    pub characters: Option<Characters>,
    /// How much may come back.
    pub caps: Option<Caps>,
}

/// Whose contents a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applies {
    /// Whom it means; `None`: everybody.
    pub who: Option<Who>,
    /// Tools, prompts, resources; all empty: whatever is asked for.
    pub tools: Vec<Pattern>,
    /// Prompt names.
    pub prompts: Vec<Pattern>,
    /// Resource URIs in normal form.
    pub resources: Vec<Pattern>,
    /// Whether only what the operator's policy obliges to it is meant.
    pub obliged: bool,
    /// Whether the names, and obligations, count in sessions too, where an answer may be another request's.
    pub named_in_sessions: bool,
}

/// What becomes of a finding; the later is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is counted and recorded.
    Flag,
    /// It is replaced by a mark that is the same for the same value, at one Envoy until that ends.
    Hash,
    /// It is replaced by a mark.
    Mask,
    /// The item that holds it is left out: the nearest element of a list, else the member.
    Drop,
    /// The message is refused.
    Block,
}

/// What becomes of characters that nobody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Characters {
    /// They are taken out.
    Strip,
    /// The message is refused.
    Refuse,
}

/// How much may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The longest text, bytes of UTF-8.
    pub text_bytes: Option<usize>,
    /// The most elements of a list.
    pub items: Option<usize>,
    /// Whether the message is refused instead of cut.
    pub block: bool,
}

/// What the names of rules are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// Whether the answer can be that of another request.
    pub may_be_anothers: bool,
    /// Whether a policy of the operator's may have obliged that other request to rules which are not about its caller.
    pub may_be_obliged: bool,
    /// The ids of rules to which the operator's policy obliges the answer, whatever they say of themselves.
    pub obliged: &'a [String],
}

// === impl Content ===

impl Content {
    /// Whether any rule reads requests.
    pub fn reads_requests(&self) -> bool {
        self.0.iter().any(|rule| rule.requests)
    }

    /// Whether any rule replaces by marks that are the same for the same value.
    pub fn hashes(&self) -> bool {
        self.0.iter().any(|rule| rule.action == Action::Hash)
    }
}

// === impl ContentRule ===

impl ContentRule {
    /// Whether it is about the contents of what `who` has asked: because it says so, or because the policy does.
    pub fn means(&self, who: Caller<'_>, asked: Asked<'_>) -> bool {
        asked.obliged.iter().any(|id| *id == self.id.as_str()) || self.applies.mean(who, asked)
    }

    /// What it may find, and what becomes of it: the names of [`Found`] and [`Action`].
    pub fn kinds(&self) -> Vec<(&'static str, &'static str)> {
        let act = self.action.name();
        let mut kinds: Vec<_> = self.detect.iter().map(|detector| (detector.name(), act)).collect();
        kinds.extend((!self.regexes.is_empty()).then_some((Found::Regex.name(), act)));
        kinds.extend((!self.keys.is_empty()).then_some((Found::Key.name(), act)));
        kinds.extend((!self.fields.is_empty()).then_some((Found::Field.name(), Action::Drop.name())));
        kinds
            .extend(self.characters.map(|characters| (Found::Characters.name(), characters.action().name())));
        if let Some(caps) = self.caps {
            let act = caps.action().name();
            kinds.extend([(Found::Length.name(), act), (Found::Items.name(), act)]);
        }
        kinds
    }
}

// === impl Characters ===

impl Characters {
    /// What becomes of them, as records have it.
    pub const fn action(self) -> Action {
        match self {
            Self::Strip => Action::Drop,
            Self::Refuse => Action::Block,
        }
    }
}

// === impl Caps ===

impl Caps {
    /// What becomes of what is beyond, as records have it.
    pub const fn action(self) -> Action {
        if self.block { Action::Block } else { Action::Drop }
    }
}

// === impl Action ===

impl Action {
    /// All of them, the weakest first.
    pub const ALL: [Self; 5] = [Self::Flag, Self::Hash, Self::Mask, Self::Drop, Self::Block];

    /// Its name in configurations, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Hash => "hash",
            Self::Mask => "mask",
            Self::Drop => "drop",
            Self::Block => "block",
        }
    }

    /// The action of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

// === impl Applies ===

impl Applies {
    /// Whether it is about the contents of what `who` has asked. Who could be meant with more scopes is not meant: the
    /// scopes of such a rule describe whom it is about.
    pub fn mean(&self, who: Caller<'_>, asked: Asked<'_>) -> bool {
        let anyones = self.may_be_anyones(asked);
        // Whom a rule is about is the same for all requests of a caller; a policy obliges whomever it likes.
        let met =
            anyones && asked.may_be_obliged || self.who.as_ref().is_none_or(|whom| whom.fit(who) == Fit::Met);
        met && (anyones || self.name(asked.operation))
    }

    /// Whether the contents can be those of a request that nobody remembers.
    fn may_be_anyones(&self, asked: Asked<'_>) -> bool {
        let operation = asked.operation;
        // A task's result is that of a tool that nobody remembers, the stream of a session brings anything.
        let unknown = operation.method == Operation::STREAM
            || operation.method == Operation::ANSWER
            || operation.targets.iter().any(|target| matches!(target, Target::Task(_)));
        unknown || (asked.may_be_anothers && !self.named_in_sessions)
    }

    fn name(&self, operation: &Operation) -> bool {
        let names_nothing = self.tools.is_empty() && self.prompts.is_empty() && self.resources.is_empty();
        !self.obliged && (names_nothing || operation.targets.iter().any(|target| self.names(target)))
    }

    fn names(&self, target: &Target) -> bool {
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        match target {
            Target::Tool(name) => any(&self.tools, name),
            Target::Prompt(name) => any(&self.prompts, name),
            Target::Resource(uri) => match ResourceUri::parse(uri) {
                // However a server reads it.
                Ok(uri) => uri.readings().any(|uri| any(&self.resources, uri)),
                // What is not understood is not let off.
                Err(_) => true,
            },
            Target::Template(_) | Target::Task(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
