//! How are rules about contents written? Part of the mirror.

use crate::config::raw::{RawSize, RawWho};
use crate::config::read::mapping;

/// One rule about what is in requests and answers.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "ContentRule")
)]
pub struct RawContentRule {
    /// Unique on its server among these; letters, digits, `_`, `-`, `.`. Appears in audit records.
    pub id: String,
    /// Whose contents. Default: all of the server's.
    pub applies: Option<RawApplies>,
    /// What is read: `responses`, `requests`, or both. What is found in requests can only be flagged or blocked. Default
    /// `[responses]`.
    pub r#in: Option<Vec<String>>,
    /// What is looked for in texts: names of detectors.
    pub detect: Option<Vec<String>>,
    /// Members whose whole value is meant, in `structuredContent`, content and JSON within texts. Letter case, `_` and `-` do
    /// not matter; `*` at either end stands for anything.
    pub keys: Option<Vec<String>>,
    /// Patterns of one's own that are looked for in texts. They need a module that is built with the feature `regex`.
    pub regexes: Option<Vec<RawRegex>>,
    /// What becomes of what is found: `mask`, `hash`, `drop`, `block` or `flag`. Needed with `detect`, `keys` and `regexes`.
    pub action: Option<String>,
    /// The only members of `structuredContent`, and of JSON that a text is, that pass; dots walk into objects, lists are
    /// passed through, `*` is any member. Other texts are masked.
    pub fields: Option<Vec<String>>,
    /// Characters that nobody sees (control characters, terminal sequences, invisible, reordering and tag characters): `strip`
    /// takes them out, `refuse` blocks. Default: they pass, and detectors look through them.
    pub characters: Option<String>,
    /// How much may come back.
    pub caps: Option<RawCaps>,
}

mapping!(
    RawContentRule,
    "a mapping such as {id: secrets, detect: [credentials], action: mask}",
    [id],
    [applies, r#in, detect, keys, regexes, action, fields, characters, caps]
);

/// Whose contents a rule is about.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Applies")
)]
pub struct RawApplies {
    /// Whom it means, as in a deny rule. Default: everybody.
    pub who: Option<RawWho>,
    /// Tools that are called.
    pub tools: Option<Vec<String>>,
    /// Prompts that are got.
    pub prompts: Option<Vec<String>>,
    /// Resource URIs, in normal form, that are read.
    pub resources: Option<Vec<String>>,
    /// Only the answers to calls that the Rego or OPA policy obliges to it, by naming it in `redact`. Default `false`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub obliged: bool,
    /// In sessions servers tell answers apart by ids that clients choose, so that one may come in the place of another:
    /// `every` lets the rule count for every answer there, whatever it names or is obliged; `named` trusts clients not to mix ids up. Default
    /// `every`.
    pub sessions: Option<String>,
}

mapping!(
    RawApplies,
    "a mapping such as {tools: [\"crm_*\"]}",
    [],
    [who, tools, prompts, resources, obliged, sessions]
);

/// A pattern of one's own.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Regex"))]
pub struct RawRegex {
    /// What marks say; letters, digits, `_`, `-`, `.`.
    pub name: String,
    /// A regular expression in the syntax of Rust's crate `regex` (linear time, no look-around, no back-references), of ASCII
    /// classes; at most 1024 bytes.
    pub pattern: String,
}

mapping!(RawRegex, "a mapping such as {name: ticket, pattern: \"T-[0-9]{6}\"}", [name, pattern], []);

/// How much may come back.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Caps"))]
pub struct RawCaps {
    /// The longest text, from 64 bytes on.
    pub text_bytes: Option<RawSize>,
    /// The most elements of a list in content and `structuredContent`.
    pub items: Option<u32>,
    /// What becomes of more: `cut` or `block`. Default `cut`.
    pub beyond: Option<String>,
}

mapping!(RawCaps, "a mapping such as {text_bytes: 64KiB, items: 100}", [], [text_bytes, items, beyond]);
