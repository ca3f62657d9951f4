//! Which events come, in which order? Read from the bytes of an input: one byte says what comes next, some after it how.

/// A reader of choices; at the end of the input everything is zero.
pub struct Script<'a>(pub &'a [u8]);

/// What the host sees next.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    RequestHead,
    RequestBody,
    RequestTrailers,
    Answered,
    ResponseHead,
    ResponseBody,
    ResponseTrailers,
    /// Time passes, and the root context looks at deadlines.
    Tick,
    /// The stores fail, or work again.
    Stores,
    /// The peer leaves.
    Gone,
    /// An event that this host would not give now.
    OutOfOrder,
}

const NEXT: [Next; 16] = [
    Next::RequestHead,
    Next::RequestHead,
    Next::RequestBody,
    Next::RequestBody,
    Next::RequestBody,
    Next::RequestTrailers,
    Next::Answered,
    Next::Answered,
    Next::ResponseHead,
    Next::ResponseBody,
    Next::ResponseBody,
    Next::ResponseTrailers,
    Next::Tick,
    Next::Stores,
    Next::Gone,
    Next::OutOfOrder,
];

pub const GOOD: [&str; 2] = ["token-of-alice", "token-of-bob"];
const UNKNOWN_KEY: &str =
    "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6Im5vbmUifQ.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSJ9.AAAA";
pub const TOKENS: [&str; 5] = [GOOD[0], GOOD[1], "revoked-token", UNKNOWN_KEY, "b.a.d"];

pub const SESSIONS: [&str; 2] = ["s1", "s2"];

/// With the value of `Mcp-Method` and `Mcp-Name` that go with it.
pub const BODIES: [(&str, &str, &str); 12] = [
    (
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
        "initialize",
        "",
    ),
    (
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t1","arguments":{}}}"#,
        "tools/call",
        "t1",
    ),
    (r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"hidden"}}"#, "tools/call", "hidden"),
    (r#"{"jsonrpc":"2.0","id":4,"method":"tools/list"}"#, "tools/list", ""),
    (
        r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"t2","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        "tools/call",
        "t2",
    ),
    (
        r#"{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"t2","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}"#,
        "tools/call",
        "t2",
    ),
    (r#"{"jsonrpc":"2.0","id":7,"method":"tasks/get","params":{"taskId":"k1"}}"#, "tasks/get", "k1"),
    (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "notifications/initialized", ""),
    (r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, "", ""),
    (
        r#"{"jsonrpc":"2.0","id":9,"method":"resources/read","params":{"uri":"notes://a"}}"#,
        "resources/read",
        "notes://a",
    ),
    (
        r#"{"jsonrpc":"2.0","id":10,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        "server/discover",
        "",
    ),
    ("nonsense", "", ""),
];

pub const ANSWERS: [&str; 8] = [
    r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":4,"result":{"tools":[{"name":"t1"},{"name":"hidden"}]}}"#,
    r#"{"jsonrpc":"2.0","id":2,"result":{"task":{"taskId":"k1","status":"working"}}}"#,
    "data: {\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{\"tools\":[{\"name\":\"hidden\"}]}}\n\n",
    "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progress\":1",
    "}}\r\n\r\n: a comment\n",
    "data: {\"jsonrpc\":\"2.0\",\"id\":6,\"result\":{\"resultType\":\"task\",\"taskId\":\"k1\",\"status\":\"working\"}}\n\n",
    "\n",
];

// === impl Script ===

impl<'a> Script<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn next(&mut self) -> Option<(usize, Next)> {
        let byte = (!self.0.is_empty()).then(|| self.byte())?;
        Some((usize::from(byte >> 4 & 1), NEXT[usize::from(byte & 15)]))
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// Some bytes of the input itself.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}
