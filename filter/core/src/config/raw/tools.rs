//! How is it written what the tools of a server must be, and what the server may ask for?

use super::{RawScalar, RawTexts};
use crate::config::error::{Findings, Place};
use crate::config::read::{Named, Shape, mapping, unexpected};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the tools of a server must be to be shown and called, and what becomes of what they say of themselves.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Tools"))]
pub struct RawTools {
    /// Whether the definition of a tool must stay what it was: `off`; `first_use` pins each tool as it is listed first after
    /// the start of Envoy; `baseline` shows only what `baseline` has, as it stands there. Default `off`, or `baseline` where
    /// one is given.
    pub pins: Option<String>,
    /// Approved tools: a mapping of names to digests, or the path of a file that `wicketgate pins make` wrote, from the
    /// folder of the policy, which `wicketgate render` puts in its place. With `first_use` these tools must be as they
    /// stand here, others as they are seen first.
    pub baseline: Option<RawBaseline>,
    /// Whose signature the file of `baseline` must have, in the file of that name and `.sig`: a public key as
    /// `wicketgate pins key` prints it. Default: none is asked for.
    pub signed_by: Option<String>,
    /// With `first_use`, a call of a tool that was not listed since the start of Envoy: `allow` or `deny`. Default `allow`.
    pub unseen: Option<String>,
    /// Characters in a tool's definition that nobody sees (zero-width, direction, tags, control, commands to terminals):
    /// `allow`; `flag` counts and records them; `strip` takes them out of titles and descriptions, and quarantines tools
    /// that have them elsewhere; `quarantine`. Default `allow`.
    pub characters: Option<String>,
    /// A tool whose name another server with `tools` has listed before, or has in its baseline: `allow`, `flag` or
    /// `quarantine`. Default `allow`.
    pub shadowing: Option<String>,
    /// Whether the arguments of a call are held against the tool's `inputSchema`: `off`; `check` refuses what surely does not
    /// meet it, and passes what it does not understand of a schema, or has not seen; `strict` refuses that, too. Each worker of
    /// Envoy remembers the schemas that it last saw in `tools/list`: of a server 512 tools and 1 MiB. Default `off`.
    pub input_schema: Option<String>,
    /// Whether `structuredContent` is held against the tool's `outputSchema`: `off`; `flag` records and counts what does not
    /// conform; `block` withholds it. Answers to calls are then held whole unless they are event streams. Default `off`.
    pub output_schema: Option<String>,
    /// Arguments that are put into calls where they are absent, before anything is judged. Needs `hold_headers`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub defaults: Vec<RawDefaults>,
}

mapping!(
    RawTools,
    "a mapping such as {pins: first_use}",
    [],
    [pins, baseline, signed_by, unseen, characters, shadowing, input_schema, output_schema, defaults]
);

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

/// Names of tools and their digests, or the path of a file that holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBaseline(pub BTreeMap<String, String>);

/// What a server may ask of the client, or of who sits before it. What is not named may be asked; without any of this
/// nothing is read. `deny` answers the request in whose answer it stands with an error, `strip` takes it out and lets the
/// rest go on.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Asks"))]
pub struct RawAsks {
    /// Answers of the client's model (`sampling/createMessage`): `allow`, `deny` or `strip`. Default `allow`.
    pub sampling: Option<String>,
    /// The folders that the client works in (`roots/list`): `allow`, `deny` or `strip`. Default `allow`.
    pub roots: Option<String>,
    /// Forms to fill in and URLs to visit (`elicitation/create`).
    pub elicitation: Option<RawElicitation>,
}

mapping!(RawAsks, "a mapping such as {sampling: deny}", [], [sampling, roots, elicitation]);

/// Forms to fill in and URLs to visit.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Elicitation")
)]
pub struct RawElicitation {
    /// Forms: `allow`, `deny` or `strip`. Default `allow`.
    pub form: Option<String>,
    /// Forms that ask for passwords, keys, codes or card numbers, by their names, titles, descriptions and message in
    /// English: `allow`, `deny` or `strip`. Default `deny`.
    pub sensitive_fields: Option<String>,
    /// URLs to visit: `allow`, `deny` or `strip`. Default `allow`.
    pub url: Option<String>,
    /// The hosts of URLs that may be visited, by https: `login.example.com`, `*.example.com`; others are denied. Default: all.
    pub url_hosts: Option<Vec<String>>,
}

mapping!(RawElicitation, "a mapping such as {form: deny}", [], [form, sensitive_fields, url, url_hosts]);

// === impl RawBaseline ===

impl Shape for RawBaseline {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        match value {
            Value::Object(members) => {
                let before = found.errors.len();
                let mut digests = BTreeMap::new();
                for (name, digest) in members {
                    let digest = String::read(digest, &at.key(name), found);
                    digests.insert(name.clone(), digest.unwrap_or_default());
                }
                (found.errors.len() == before).then_some(Self(digests))
            }
            Value::String(path) => {
                let message =
                    format!("the file `{path}` is read by the command line: render the policy first");
                found.error(at, message);
                None
            }
            other => {
                unexpected(other, "a mapping of tools to digests, or the path of a file", at, found);
                None
            }
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::RawBaseline;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for RawBaseline {
        fn schema_name() -> Cow<'static, str> {
            "Baseline".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "Names of tools and their digests, or the path of a file that holds them.",
                "anyOf": [
                    {"type": "string"},
                    {"type": "object", "additionalProperties": {"type": "string", "pattern": "^([0-9a-f]{64}|.*\\$\\{.*\\}.*)$"}}
                ]
            })
        }
    }
}
