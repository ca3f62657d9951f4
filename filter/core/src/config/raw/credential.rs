//! How is it written what a server gets in place of the client's token? Part of the mirror.

use super::Elsewhere;
use crate::config::read::mapping;

/// What a server gets to know by whom it is asked, in place of the client's token, which never goes on. Without it, or where it
/// cannot be had, a request is refused.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Credential")
)]
pub struct RawCredential {
    /// The same secret with every request, which Envoy puts in.
    pub r#static: Option<RawStatic>,
}

mapping!(RawCredential, "a mapping such as {static: {file: /etc/envoy/notes.token}}", [], [r#static]);

/// A secret from a file, which Envoy reads (SDS) and the filter never sees.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "StaticCredential")
)]
pub struct RawStatic {
    /// The header, in lower case. What a client sends under this name goes no further. Default `authorization`.
    pub header: Option<String>,
    /// The file that holds the secret and nothing else. Envoy takes it anew when it is moved into place. For `wicketgate render
    /// envoy` alone, which needs it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub file: Elsewhere,
    /// What stands before the secret. For `wicketgate render envoy` alone. Default: `Bearer` and a space in `authorization`, nothing
    /// in other headers.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub prefix: Elsewhere,
}

mapping!(RawStatic, "a mapping such as {file: /etc/envoy/notes.token}", [], [header, file, prefix]);
