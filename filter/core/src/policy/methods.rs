//! What does a method name, and who may use it without naming it in a rule?

use crate::mcp::method::{METHODS, Method, Place, Sender};
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

/// Changes how a server logs for everybody, so it is no housekeeping.
const ADMINISTRATIVE: &[&str] = &["logging/setLevel"];

/// How rules see `method`: by who sends it and what it names ([`Method`], all revisions and the tasks extension).
pub fn class_of(method: &str) -> Class {
    // All notifications that a client may send say something about its own requests.
    if Operation::WITHOUT_METHOD.contains(&method) || method.starts_with("notifications/") {
        return Class::Housekeeping;
    }
    match Method::find(method) {
        Some(known) if known.sender == Sender::Server => Class::FromServer,
        Some(known) if !ADMINISTRATIVE.contains(&known.name) => class_at(known.place),
        _ => Class::Other,
    }
}

const fn class_at(place: Place) -> Class {
    match place {
        Place::Nothing => Class::Housekeeping,
        Place::Tool => Class::Targeted(&[Kind::Tool]),
        Place::Prompt => Class::Targeted(&[Kind::Prompt]),
        Place::Resource => Class::Targeted(&[Kind::Resource]),
        Place::Task => Class::Targeted(&[Kind::Task]),
        Place::Reference => Class::Targeted(&[Kind::Prompt, Kind::Resource]),
        Place::Subscriptions => Class::MayTarget(&[Kind::Resource, Kind::Task]),
    }
}

/// The names of all methods that are known, for suggestions.
pub fn known() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|method| method.name).chain(Operation::WITHOUT_METHOD)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_administrative_unknown_or_the_servers_is_no_housekeeping() {
        for housekeeping in ["initialize", "ping", "tools/list", "server/discover", "notifications/cancelled"]
        {
            assert_eq!(class_of(housekeeping), Class::Housekeeping, "{housekeeping}");
        }
        for other in ["logging/setLevel", "acme/run", "Tools/list", ""] {
            assert_eq!(class_of(other), Class::Other, "{other}");
        }
        for servers in ["sampling/createMessage", "elicitation/create", "roots/list"] {
            assert_eq!(class_of(servers), Class::FromServer, "{servers}");
        }
    }
}
