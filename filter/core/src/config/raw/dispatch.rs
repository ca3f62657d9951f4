//! How is it written how allowed requests go on? Part of the mirror.

use crate::config::read::mapping;

/// How allowed requests of some tools or methods go on. The first entry that matches counts.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Dispatch")
)]
pub struct RawDispatch {
    /// Calls of these tools. This or `methods`.
    pub tools: Option<Vec<String>>,
    /// Requests with these methods.
    pub methods: Option<Vec<String>>,
    /// Until the answer must have begun, 100ms to 1h; else 504. A stream that has begun lives on. Default: no limit.
    pub begins: Option<String>,
    /// Until it must have ended, 1s to 24h, streams too: one that has begun is cut off. Default: no limit.
    pub ends: Option<String>,
    /// Which of `upstream.branches` gets it. Default: the server's own address.
    pub branch: Option<String>,
    /// How often it is asked once more when no answer has begun, 0 to 5: lists, `server/discover` and `initialize`, and calls of tools that
    /// their server lists as `idempotentHint` or `readOnlyHint`; never of others, or of what was not listed yet. Default 0.
    pub retries: Option<u32>,
}

mapping!(
    RawDispatch,
    "a mapping such as {tools: [\"run_*\"], ends: 5m}",
    [],
    [tools, methods, begins, ends, branch, retries]
);
