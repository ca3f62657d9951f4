//! Which methods does MCP have, and where in a request do the things that it names stand?

use super::versions::Revision;

/// One method of the protocol. What differs between revisions is data here, not code elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// As it stands in `method`.
    pub name: &'static str,
    /// Who sends it.
    pub sender: Sender,
    /// The first revision that has it.
    pub since: Revision,
    /// The last known revision that has it.
    pub until: Revision,
    /// Where its targets stand.
    pub place: Place,
    /// Whether its answer is a list that is filtered.
    pub lists: bool,
    /// Whether a modern request must carry `Mcp-Name` (2026-07-28, basic/transports/streamable-http).
    pub named_in_header: bool,
}

/// Who sends a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Either.
    Both,
}

/// Where the targets of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It names nothing.
    Nothing,
    /// `params.name` is a tool.
    Tool,
    /// `params.name` is a prompt.
    Prompt,
    /// `params.uri` is a resource.
    Resource,
    /// `params.taskId` is a task.
    Task,
    /// `params.ref` names a prompt, a resource or a template.
    Reference,
    /// `params.notifications` may hold arrays of URIs (`resourceSubscriptions`) and of tasks (`taskIds`, the extension's).
    Subscriptions,
}

const FIRST: Revision = Revision::R20250326;
const TASKS: Revision = Revision::R20251125;
const MODERN: Revision = Revision::R20260728;

/// All methods of all known revisions, and of the tasks extension.
pub const METHODS: &[Method] = &[
    legacy("initialize", Place::Nothing),
    Method { sender: Sender::Both, ..legacy("ping", Place::Nothing) },
    list("tools/list"),
    named("tools/call", Place::Tool),
    list("prompts/list"),
    named("prompts/get", Place::Prompt),
    list("resources/list"),
    list("resources/templates/list"),
    named("resources/read", Place::Resource),
    legacy("resources/subscribe", Place::Resource),
    legacy("resources/unsubscribe", Place::Resource),
    always("completion/complete", Place::Reference),
    legacy("logging/setLevel", Place::Nothing),
    modern("server/discover", Place::Nothing),
    modern("subscriptions/listen", Place::Subscriptions),
    Method { since: TASKS, ..always("tasks/get", Place::Task) },
    Method { since: TASKS, ..always("tasks/cancel", Place::Task) },
    Method { since: TASKS, ..legacy("tasks/result", Place::Task) },
    Method { since: TASKS, lists: true, ..legacy("tasks/list", Place::Nothing) },
    modern("tasks/update", Place::Task),
    server("sampling/createMessage"),
    server("elicitation/create"),
    server("roots/list"),
    legacy("notifications/initialized", Place::Nothing),
    Method { sender: Sender::Both, ..always("notifications/cancelled", Place::Nothing) },
    Method { sender: Sender::Both, ..always("notifications/progress", Place::Nothing) },
    legacy("notifications/roots/list_changed", Place::Nothing),
    Method { since: TASKS, sender: Sender::Both, ..legacy("notifications/tasks/status", Place::Task) },
];

// === impl Method ===

impl Method {
    /// The method of exactly that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|m| m.name == name)
    }

    /// Whether `revision` has it.
    pub fn is_in(&self, revision: Revision) -> bool {
        self.since <= revision && revision <= self.until
    }
}

const fn always(name: &'static str, place: Place) -> Method {
    Method {
        name,
        sender: Sender::Client,
        since: FIRST,
        until: MODERN,
        place,
        lists: false,
        named_in_header: false,
    }
}

const fn legacy(name: &'static str, place: Place) -> Method {
    Method { until: TASKS, ..always(name, place) }
}

const fn modern(name: &'static str, place: Place) -> Method {
    Method { since: MODERN, ..always(name, place) }
}

const fn named(name: &'static str, place: Place) -> Method {
    Method { named_in_header: true, ..always(name, place) }
}

const fn list(name: &'static str) -> Method {
    Method { lists: true, ..always(name, Place::Nothing) }
}

const fn server(name: &'static str) -> Method {
    Method { sender: Sender::Server, ..legacy(name, Place::Nothing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_stands_once_and_is_found_by_its_exact_name() {
        for method in METHODS {
            assert_eq!(METHODS.iter().filter(|m| m.name.eq_ignore_ascii_case(method.name)).count(), 1);
            assert_eq!(Method::find(method.name), Some(method));
            assert_eq!(Method::find(&method.name.to_ascii_uppercase()), None);
        }
    }

    #[test]
    fn the_modern_revision_lacks_what_it_removed_and_has_what_it_brought() {
        let is_in = |name: &str, revision| Method::find(name).is_some_and(|m| m.is_in(revision));
        for removed in
            ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/result", "tasks/list"]
        {
            assert!(is_in(removed, Revision::R20251125) && !is_in(removed, Revision::R20260728), "{removed}");
        }
        for brought in ["server/discover", "subscriptions/listen", "tasks/update"] {
            assert!(!is_in(brought, Revision::R20251125) && is_in(brought, Revision::R20260728), "{brought}");
        }
        for kept in ["tools/list", "tools/call", "prompts/get", "resources/read", "completion/complete"] {
            assert!(Revision::ALL.into_iter().all(|revision| is_in(kept, revision)), "{kept}");
        }
        assert!(!is_in("tasks/get", Revision::R20250618));
    }

    #[test]
    fn five_methods_list_and_three_are_named_in_a_header() {
        let names = |of: fn(&Method) -> bool| -> Vec<_> {
            METHODS.iter().filter(|m| of(m)).map(|m| m.name).collect()
        };
        assert_eq!(
            names(|m| m.lists),
            ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "tasks/list"]
        );
        assert_eq!(names(|m| m.named_in_header), ["tools/call", "prompts/get", "resources/read"]);
    }
}
