//! How are rules written? Part of the mirror.

use super::RawArgument;
use crate::config::error::{Findings, Place};
use crate::config::read::{Named, Shape, mapping, unexpected};
use serde_json::Value;

/// One rule: `id` and one of `allow`, `deny` and `delegable`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Rule"))]
pub struct RawRule {
    /// Unique on its server; letters, digits, `_`, `-`, `.`. Appears in audit records.
    pub id: String,
    /// What it permits.
    pub allow: Option<RawAllow>,
    /// What it refuses, whatever other rules say.
    pub deny: Option<RawDeny>,
    /// What it leaves to layers below: it permits nothing, and they may.
    pub delegable: Option<RawDelegable>,
    /// `enforce`, or `shadow`: it decides nothing, and decision records tell what it would have decided. Default `enforce`.
    pub mode: Option<String>,
    /// `off`, or `redacted`: where this rule decides, the records hold the arguments of the call and its result, at most 2 KiB
    /// of each, without anything that detectors or the server's `content` rules know. Default `off`.
    pub capture: Option<String>,
}

mapping!(
    RawRule,
    "a mapping with `id` and one of `allow`, `deny` and `delegable`",
    [id],
    [allow, deny, delegable, mode, capture]
);

/// What a rule permits. Names are patterns: exact, `*` at the end, or `*` as a whole segment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Allow"))]
pub struct RawAllow {
    /// Whom it means. `anonymous` needs no credential, so it means everybody.
    pub who: RawWho,
    /// Methods. With targets: only these of the methods that use such targets. Alone: methods that name no target.
    pub methods: Option<Vec<String>>,
    /// Tools that may be called.
    pub tools: Option<Vec<String>>,
    /// Prompts that may be got and completed.
    pub prompts: Option<Vec<String>>,
    /// Resource URIs, in normal form, that may be read, subscribed to and completed.
    pub resources: Option<Vec<String>>,
    /// Task ids. Default: every task for a rule that names tools and no methods; `[]` for none.
    pub tasks: Option<Vec<String>>,
    /// Keep out of lists what only more scopes would permit.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub hide: bool,
    /// What arguments of a call (`tools/call`, `prompts/get`) must be, by their paths: `limit`, `filter.limit`,
    /// `items[].url`. A call that does not meet all of it is not permitted by this rule; lists show the tool all the same.
    pub arguments: Option<Named<RawArgument>>,
    /// Arguments that no path under `arguments` names or leads through: `allow` or `deny`. Default `allow`.
    pub other_arguments: Option<String>,
}

mapping!(
    RawAllow,
    "a mapping such as {who: any, tools: [\"*\"]}",
    [who],
    [methods, tools, prompts, resources, tasks, hide, arguments, other_arguments]
);

/// What a rule refuses. Names are patterns: exact, `*` at the end, or `*` as a whole segment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Deny"))]
pub struct RawDeny {
    /// Whom it means. `any` means everybody here, without a credential too; `anonymous` only those without one.
    pub who: RawWho,
    /// Methods. With targets: only these. Alone: these, whatever they act on.
    pub methods: Option<Vec<String>>,
    /// Tools.
    pub tools: Option<Vec<String>>,
    /// Prompts.
    pub prompts: Option<Vec<String>>,
    /// Resource URIs, in normal form.
    pub resources: Option<Vec<String>>,
    /// Task ids.
    pub tasks: Option<Vec<String>>,
    /// What arguments the calls have that it refuses, by their paths. It means a call unless one of these is clearly not met:
    /// what may be read in two ways counts as met.
    pub arguments: Option<Named<RawArgument>>,
}

mapping!(
    RawDeny,
    "a mapping such as {who: any, tools: [drop_everything]}",
    [who],
    [methods, tools, prompts, resources, tasks, arguments]
);

/// What layers below may permit. Names are patterns: exact, `*` at the end, or `*` as a whole segment.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Delegable")
)]
pub struct RawDelegable {
    /// To whom they may permit it.
    pub who: RawWho,
    /// Methods. With targets: only these of the methods that use such targets. Alone: methods that name no target.
    pub methods: Option<Vec<String>>,
    /// Tools.
    pub tools: Option<Vec<String>>,
    /// Prompts.
    pub prompts: Option<Vec<String>>,
    /// Resource URIs, in normal form.
    pub resources: Option<Vec<String>>,
    /// Task ids. Default: every task for a rule that names tools and no methods; `[]` for none.
    pub tasks: Option<Vec<String>>,
}

mapping!(
    RawDelegable,
    "a mapping such as {who: any, tools: [\"export_*\"]}",
    [who],
    [methods, tools, prompts, resources, tasks]
);

/// Whom a rule means.
#[derive(Clone, Debug)]
pub enum RawWho {
    /// `any` or `anonymous`; anything else is refused later, with a suggestion.
    Word(String),
    /// Attributes of the token.
    Having(RawAttributes),
}

/// Attributes that a principal must have: one value of each key given, but all of `scopes`.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Attributes")
)]
pub struct RawAttributes {
    /// OAuth client ids.
    pub clients: Option<Vec<String>>,
    /// Subjects (the claim `sub`).
    pub subjects: Option<Vec<String>>,
    /// Groups.
    pub groups: Option<Vec<String>>,
    /// Roles.
    pub roles: Option<Vec<String>>,
    /// Organizations.
    pub organizations: Option<Vec<String>>,
    /// Scopes, all of them. Where only these are missing, a call is answered with a step-up challenge.
    pub scopes: Option<Vec<String>>,
    /// Issuers, as spelt at the top.
    pub issuers: Option<Vec<String>>,
    /// Addresses that the request comes from: CIDR blocks or single ones. Alone in a deny rule they mean everybody there,
    /// without a credential too.
    pub addresses: Option<Vec<String>>,
    /// Certificates that clients show on their connections, which the server must look at (`client_certificates`): by their
    /// first URI (`spiffe://example.org/agent`), their first DNS name, or their whole subject (`CN=agent,O=Example`). Not in
    /// deny rules.
    pub certificates: Option<Vec<String>>,
}

mapping!(
    RawAttributes,
    "a mapping",
    [],
    [clients, subjects, groups, roles, organizations, scopes, issuers, addresses, certificates]
);

// === impl RawWho ===

impl Shape for RawWho {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        const EXPECTED: &str = "`any`, `anonymous`, or a mapping of clients, subjects, groups, roles, organizations, scopes, issuers, \
            addresses, certificates (never both)";
        match value {
            Value::String(word) => Some(Self::Word(word.clone())),
            Value::Object(_) => RawAttributes::read(value, at, found).map(Self::Having),
            other => {
                unexpected(other, EXPECTED, at, found);
                None
            }
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{RawAttributes, RawWho};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for RawWho {
        fn schema_name() -> Cow<'static, str> {
            "Who".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let attributes = generator.subschema_for::<RawAttributes>();
            json_schema!({
                "description": "Whom a rule means: `any` (every valid credential), `anonymous`, or attributes.",
                "anyOf": [{"enum": ["any", "anonymous"]}, attributes]
            })
        }
    }
}
