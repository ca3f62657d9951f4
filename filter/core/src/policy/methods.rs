//! What does a method name, and who may use it without naming it in a rule?

use crate::mcp::operation::{Operation, Target};

/// How rules see a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Handshake and housekeeping: whoever may do anything on the server may do this.
    Housekeeping,
    /// It acts on things of these kinds, and a rule must allow each of them.
    Targeted(&'static [Kind]),
    /// The same, but it may also name nothing, and is housekeeping then (`subscriptions/listen`).
    MayTarget(&'static [Kind]),
    /// Sent by servers only: no rule can allow it.
    FromServer,
    /// Anything else, extensions too: a rule must name it.
    Other,
}

/// What a rule can name in lists of its own. URI templates count as resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `tools`.
    Tool,
    /// `prompts`.
    Prompt,
    /// `resources`.
    Resource,
    /// `tasks`.
    Task,
}

/// Methods that rules treat specially; every other one is [`Class::Other`] (mcp.md 1.2, all revisions).
const TABLE: &[(&str, Class)] = &[
    ("initialize", Class::Housekeeping),
    ("ping", Class::Housekeeping),
    ("server/discover", Class::Housekeeping),
    ("tools/list", Class::Housekeeping),
    ("prompts/list", Class::Housekeeping),
    ("resources/list", Class::Housekeeping),
    ("resources/templates/list", Class::Housekeeping),
    ("tasks/list", Class::Housekeeping),
    ("notifications/initialized", Class::Housekeeping),
    ("notifications/cancelled", Class::Housekeeping),
    ("notifications/progress", Class::Housekeeping),
    ("notifications/roots/list_changed", Class::Housekeeping),
    (Operation::STREAM, Class::Housekeeping),
    (Operation::END_SESSION, Class::Housekeeping),
    (Operation::ANSWER, Class::Housekeeping),
    ("tools/call", Class::Targeted(&[Kind::Tool])),
    ("prompts/get", Class::Targeted(&[Kind::Prompt])),
    ("resources/read", Class::Targeted(&[Kind::Resource])),
    ("resources/subscribe", Class::Targeted(&[Kind::Resource])),
    ("resources/unsubscribe", Class::Targeted(&[Kind::Resource])),
    ("subscriptions/listen", Class::MayTarget(&[Kind::Resource])),
    ("completion/complete", Class::Targeted(&[Kind::Prompt, Kind::Resource])),
    ("tasks/get", Class::Targeted(&[Kind::Task])),
    ("tasks/cancel", Class::Targeted(&[Kind::Task])),
    ("tasks/result", Class::Targeted(&[Kind::Task])),
    ("tasks/update", Class::Targeted(&[Kind::Task])),
    ("logging/setLevel", Class::Other),
    ("sampling/createMessage", Class::FromServer),
    ("elicitation/create", Class::FromServer),
    ("roots/list", Class::FromServer),
];

/// How rules see `method`.
pub fn class_of(method: &str) -> Class {
    match TABLE.iter().find(|(name, _)| *name == method) {
        Some((_, class)) => *class,
        // All notifications that a client may send say something about its own requests.
        None if method.starts_with("notifications/") => Class::Housekeeping,
        None => Class::Other,
    }
}

/// The names of all methods that the table knows, for suggestions.
pub fn known() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

// === impl Class ===

impl Class {
    /// The kinds of things that the method acts on.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Targeted(kinds) | Self::MayTarget(kinds) => kinds,
            _ => &[],
        }
    }
}

// === impl Kind ===

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::Task];

    /// The kind of list that names `target`.
    pub const fn of(target: &Target) -> Self {
        match target {
            Target::Tool(_) => Self::Tool,
            Target::Prompt(_) => Self::Prompt,
            Target::Resource(_) | Target::Template(_) => Self::Resource,
            Target::Task(_) => Self::Task,
        }
    }

    /// The key in a rule.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::Task => "tasks",
        }
    }

    /// The method that uses a thing of this kind; whether it is listed is the same question as whether this may be
    /// called.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tool => "tools/call",
            Self::Prompt => "prompts/get",
            Self::Resource => "resources/read",
            Self::Task => "tasks/get",
        }
    }
}
