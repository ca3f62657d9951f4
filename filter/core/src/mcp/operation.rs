//! What is asked? The MCP method and the things it names, as rules and audit records see them.

/// One MCP operation: what a rule judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The JSON-RPC method as sent, or one of the two names of our own for verbs without a body:
    /// [`Operation::STREAM`] and [`Operation::END_SESSION`]. For a client's answer to a server's request:
    /// [`Operation::ANSWER`].
    pub method: String,
    /// The things it names; empty for methods that name none. All of them must be allowed.
    pub targets: Vec<Target>,
}

/// A thing that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// `params.name` of `tools/call`.
    Tool(String),
    /// `params.name` of `prompts/get`, or a completion's `ref/prompt`.
    Prompt(String),
    /// A resource's URI as sent (rules compare its normal form), from `resources/read`, `subscribe`,
    /// `subscriptions/listen`, or a completion's `ref/resource`.
    Resource(String),
    /// A URI template as listed (`uriTemplate`), or named by a completion.
    Template(String),
    /// `params.taskId`.
    Task(String),
}

// === impl Operation ===

impl Operation {
    /// GET: the server-to-client stream of a session.
    pub const STREAM: &'static str = "session/stream";
    /// DELETE: the end of a session.
    pub const END_SESSION: &'static str = "session/end";
    /// A JSON-RPC response that the client posts (legacy eras: sampling, elicitation, roots).
    pub const ANSWER: &'static str = "session/answer";

    /// What a modern client asks first, and by whose refusal it takes the server for a legacy one.
    pub const DISCOVER: &'static str = "server/discover";

    /// Whether its answer is short and comes at once, as a rule.
    pub fn is_brief(&self) -> bool {
        [Self::END_SESSION, Self::DISCOVER].contains(&self.method.as_str())
    }

    /// The names of our own: what stands for a request without a JSON-RPC method. No message may bear one.
    pub const WITHOUT_METHOD: [&'static str; 3] = [Self::STREAM, Self::END_SESSION, Self::ANSWER];

    /// An operation that names nothing.
    pub fn bare(method: &str) -> Self {
        Self { method: method.to_owned(), targets: Vec::new() }
    }
}

// === impl Target ===

impl Target {
    /// The name or URI, whatever its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(n) | Self::Prompt(n) | Self::Resource(n) | Self::Template(n) | Self::Task(n) => n,
        }
    }

    /// The kind as rules and audit records spell it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Tool(_) => "tool",
            Self::Prompt(_) => "prompt",
            Self::Resource(_) => "resource",
            Self::Template(_) => "template",
            Self::Task(_) => "task",
        }
    }
}
