//! How is it written whose tokens count? Part of the mirror.

use super::RawPaths;
use crate::config::read::mapping;

/// An authorization server.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Issuer")
)]
pub struct RawIssuer {
    /// Its identifier, an absolute URL, compared with the claim `iss` byte for byte.
    pub issuer: String,
    /// The signature algorithms accepted from it: RS256, PS256, ES256, EdDSA.
    pub algorithms: Vec<String>,
    /// Where its public keys come from.
    pub jwks: RawJwks,
    /// Where it is asked about opaque tokens: the `validate` call of the authorization server's internal API. Default: it
    /// issues none, and every token must be a JWT.
    pub validate: Option<RawValidate>,
    /// Where it says once a second which tokens it has withdrawn. Default: nowhere; a token counts until it expires.
    pub revocations: Option<RawRevocations>,
    /// Leeway for `exp` and `nbf`, at most 60s. Default 30s.
    pub clock_skew: Option<String>,
    /// The `typ` of its access tokens: `at+jwt` (RFC 9068), or `JWT` for issuers that do not follow it; then tokens
    /// without a type pass too, and the audience alone tells an access token from another. Default `at+jwt`.
    pub token_type: Option<String>,
    /// Which claims hold what rules read; dots walk into objects (`realm_access.roles`), and a claim whose whole name is given
    /// wins (`https://example.com/roles`).
    pub claims: Option<RawClaims>,
}

mapping!(
    RawIssuer,
    "a mapping",
    [issuer, algorithms, jwks],
    [validate, revocations, clock_skew, token_type, claims]
);

/// A JWKS endpoint, reached through a cluster of Envoy.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Jwks"))]
pub struct RawJwks {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path, beginning with `/`.
    pub path: String,
    /// The `:authority` to send. Default: the issuer's host.
    pub authority: Option<String>,
    /// How long one fetch may take, at most 30s. Default 5s.
    pub timeout: Option<String>,
    /// How often the keys are fetched again, 10s to 24h. Default 5m.
    pub refresh: Option<String>,
    /// How old the last good keys may become while fetching fails, from `refresh` to 7d. Default 24h.
    pub max_stale: Option<String>,
}

mapping!(RawJwks, "a mapping", [cluster, path], [authority, timeout, refresh, max_stale]);

/// The `validate` call, reached through a cluster of Envoy.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Validate")
)]
pub struct RawValidate {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path, beginning with `/`.
    pub path: String,
    /// The `:authority` to send. Default: the issuer's host.
    pub authority: Option<String>,
    /// How long one question may take, at most 30s. Default 5s.
    pub timeout: Option<String>,
    /// How long a good answer is believed, at most 10m: a token that is revoked lives on so long. Default 30s.
    pub remember: Option<String>,
}

mapping!(RawValidate, "a mapping", [cluster, path], [authority, timeout, remember]);

/// A feed of revocations, reached through a cluster of Envoy.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Revocations")
)]
pub struct RawRevocations {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path, beginning with `/`, without a query.
    pub path: String,
    /// The `:authority` to send. Default: the issuer's host.
    pub authority: Option<String>,
    /// How long one poll may take, at most 30s. Default 5s.
    pub timeout: Option<String>,
    /// How old the last news may become, 5s to 24h. Then `validate` is asked about each token; without it none counts, and
    /// streams end. Default 5m.
    pub max_age: Option<String>,
}

mapping!(RawRevocations, "a mapping", [cluster, path], [authority, timeout, max_age]);

/// Paths of claims. Of scopes, groups and roles there may be several, in a list: what stands at any of them counts.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Claims")
)]
pub struct RawClaims {
    /// The OAuth client. Default `client_id`.
    pub client: Option<String>,
    /// Scopes: a space-separated text or a list. Default `scope`.
    pub scopes: Option<RawPaths>,
    /// Groups: a list or one text. Default `groups`.
    pub groups: Option<RawPaths>,
    /// Roles: a list or one text. Default `roles`.
    pub roles: Option<RawPaths>,
    /// Organization. Default `org`.
    pub organization: Option<String>,
}

mapping!(RawClaims, "a mapping", [], [client, scopes, groups, roles, organization]);
