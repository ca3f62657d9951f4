//! How is written what becomes of what tools say of themselves? Part of the mirror.

use super::{RawScalar, RawTexts};
use crate::config::read::{Named, mapping};

/// What becomes of the schemas of tools, and which arguments are filled in. Each worker of Envoy remembers the schemas that
/// it last saw in `tools/list`: of a server 512 tools and 1 MiB.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Tools"))]
pub struct RawTools {
    /// Whether the arguments of a call are held against the tool's `inputSchema`: `off`; `check` refuses what surely does not
    /// meet it, and passes what it does not understand of a schema, or has not seen; `strict` refuses that, too. Default `off`.
    pub input_schema: Option<String>,
    /// Whether `structuredContent` is held against the tool's `outputSchema`: `off`; `flag` records and counts what does not
    /// conform; `block` withholds it. Answers to calls are then held whole unless they are event streams. Default `off`.
    pub output_schema: Option<String>,
    /// Arguments that are put into calls where they are absent, before anything is judged. Needs `hold_headers`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub defaults: Vec<RawDefaults>,
}

mapping!(RawTools, "a mapping such as {input_schema: check}", [], [input_schema, output_schema, defaults]);

/// Arguments that are put into calls of some tools.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Defaults")
)]
pub struct RawDefaults {
    /// Patterns of the names of tools.
    pub tools: RawTexts,
    /// Names of arguments and their values: texts, numbers and truth values. Of several defaults for one the first counts.
    pub arguments: Named<RawScalar>,
}

mapping!(RawDefaults, "a mapping such as {tools: [search], arguments: {limit: 10}}", [tools, arguments], []);
