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
    /// An access token for the server's own audience, which the authorization server gives for that of the client (RFC 8693).
    pub exchanged: Option<RawExchanged>,
    /// A statement of who asks, signed by the authorization server, whose keys are public: so the server can tell who it is.
    pub signed_identity: Option<RawSignedIdentity>,
}

mapping!(
    RawCredential,
    "a mapping such as {static: {file: /etc/envoy/notes.token}}",
    [],
    [r#static, exchanged, signed_identity]
);

/// The `exchange` call of the authorization server's internal API, reached through a cluster of Envoy. What it gives is remembered for
/// the token for which it was given.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "ExchangedCredential")
)]
pub struct RawExchanged {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path, beginning with `/`.
    pub path: String,
    /// The audience of the token: a resource of the authorization server, and another one than this server's `url`.
    pub audience: String,
    /// What it may allow at most. Default: all that the client's token allows there.
    pub scopes: Option<Vec<String>>,
    /// The `:authority` to send. Default: the name of the cluster.
    pub authority: Option<String>,
    /// How long one question may take, at most 5s; the request waits so long. Default 1s.
    pub timeout: Option<String>,
}

mapping!(RawExchanged, "a mapping", [cluster, path, audience], [scopes, authority, timeout]);

/// The `identity` call of the same API.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "SignedIdentity")
)]
pub struct RawSignedIdentity {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path, beginning with `/`.
    pub path: String,
    /// For whom it is. Default: the `url` of this server.
    pub audience: Option<String>,
    /// The header, `authorization` or one that begins with `x-wicketgate-`. Default `x-wicketgate-identity`.
    pub header: Option<String>,
    /// The `:authority` to send. Default: the name of the cluster.
    pub authority: Option<String>,
    /// How long one question may take, at most 5s; the request waits so long. Default 1s.
    pub timeout: Option<String>,
}

mapping!(RawSignedIdentity, "a mapping", [cluster, path], [audience, header, authority, timeout]);

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
