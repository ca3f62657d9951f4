//! How is a Rego policy given? Part of the mirror.

use std::collections::BTreeMap;

use super::RawSize;
use crate::config::error::{Findings, Place};
use crate::config::read::{Shape, mapping, unexpected};
use serde_json::Value;

/// A policy written in Rego, of the package `mcp.authz`. It narrows what the rules allow; on a server without rules it
/// decides about whoever has a valid credential.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Rego"))]
pub struct RawRego {
    /// The files of the policy, beside the document that names them. `wicketgate render` compiles them and writes `compiled`
    /// in their place.
    pub files: Option<Vec<String>>,
    /// Data documents in JSON or YAML, which the policy reads as `data`; of several, what they say becomes one.
    pub data: Option<Vec<String>>,
    /// Sources and data as OPA lays them out, a folder or a `.tar.gz` that `opa build` made: `*.rego`, and `data.json` or `data.yaml`
    /// below the path of what they hold.
    pub bundle: Option<String>,
    /// Names and values that the policy reads as `input.server.labels`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub labels: RawLabels,
    /// Names and values of some tools, read as `input.tool.labels`. Of two entries with one name the later counts.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub tool_labels: Vec<RawToolLabels>,
    /// How many bytes of arguments, among those that the policy reads, one request may bring, at most 1MiB. Default 64KiB.
    pub argument_bytes: Option<RawSize>,
    /// How many instructions one answer may take, 100 to 20000. Default 2000.
    pub instructions: Option<u32>,
    /// The policy as `wicketgate render` has compiled it. Nobody writes this by hand.
    pub compiled: Option<RawCompiled>,
}

mapping!(
    RawRego,
    "a mapping such as {files: [authz.rego]}",
    [],
    [files, data, bundle, labels, tool_labels, argument_bytes, instructions, compiled]
);

/// Names and values.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Labels"))]
pub struct RawLabels(pub BTreeMap<String, String>);

/// Labels of some tools.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "ToolLabels")
)]
pub struct RawToolLabels {
    /// Patterns of tools.
    pub names: Vec<String>,
    /// Their labels.
    pub labels: RawLabels,
}

mapping!(RawToolLabels, "a mapping such as {names: [\"run_*\"], labels: {risk: high}}", [names, labels], []);

/// A compiled policy.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "CompiledRego")
)]
pub struct RawCompiled {
    /// The program, base64.
    pub program: String,
    /// SHA-256 of the program and of all that stands beside it, lower-case hexadecimal.
    pub digest: String,
    /// Which module can run it: `rego`, or `rego-regex` for one that uses `regex.match` or `glob.match`.
    pub module: String,
    /// Whether it has a rule `visible`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub visible: bool,
    /// The data documents as one, JSON.
    pub data: Option<String>,
    /// The paths below `input.arguments` that it reads; an empty one means all.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub arguments: Vec<Vec<String>>,
    /// The headers that it reads.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub headers: Vec<String>,
    /// Whether it reads the peer's address.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub source: bool,
    /// Whether it reads the time.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub time: bool,
}

mapping!(
    RawCompiled,
    "what `wicketgate render` writes",
    [program, digest, module],
    [visible, data, arguments, headers, source, time]
);

// === impl RawLabels ===

impl Shape for RawLabels {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        let Value::Object(members) = value else {
            unexpected(value, "a mapping of names to texts", at, found);
            return None;
        };
        let before = found.errors.len();
        let mut labels = BTreeMap::new();
        for (key, value) in members {
            labels.insert(key.clone(), String::read(value, &at.key(key), found).unwrap_or_default());
        }
        (found.errors.len() == before).then_some(Self(labels))
    }
}
