//! How are rules over what was done before written? Part of the mirror.

use crate::config::read::mapping;

/// A rule over what was done before: `after` and `deny`, or `require` and `before`, or `distinct` and `of`.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "History")
)]
pub struct RawHistory {
    /// Unique on its server, among rules of all kinds; letters, digits, `_`, `-`, `.`. Appears in audit records.
    pub id: String,
    /// How long something counts as done before, 1s to 24h.
    pub within: String,
    /// Whose past: that of the `session` (where there is none, as in 2026-07-28, of the principal and his client), or that of the
    /// `principal` and his client in all sessions. Default `session`.
    pub per: Option<String>,
    /// Tools of which a call that was let through is remembered.
    pub after: Option<Vec<String>>,
    /// Tools that may not be called then.
    pub deny: Option<Vec<String>>,
    /// Tools of which a call must have been answered, by a status of 2xx.
    pub require: Option<Vec<String>>,
    /// Tools that may be called only then.
    pub before: Option<Vec<String>>,
    /// The most different ones that may be used, 1 to 32.
    pub distinct: Option<u32>,
    /// Of what: `tools` or `resources`.
    pub of: Option<String>,
}

mapping!(
    RawHistory,
    "a mapping such as {id: no-leak, after: [read_secret], deny: [send_mail], within: 1h}",
    [id, within],
    [per, after, deny, require, before, distinct, of]
);
