//! Whose tokens do we accept? One trusted issuer, compiled.

use std::time::Duration;

use crate::callout::Destination;

/// A trusted issuer of access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Compared with `iss` byte for byte.
    pub issuer: String,
    /// The only signature algorithms accepted from it; never empty.
    pub algorithms: Vec<Algorithm>,
    /// Leeway for `exp` and `nbf`, at most [`Issuer::MAX_SKEW`].
    pub skew: Duration,
    /// Where its keys come from.
    pub jwks: JwksSource,
    /// Where it is asked about opaque tokens; `None` where it has none.
    pub validate: Option<ValidateSource>,
    /// Where it says which tokens it has withdrawn; `None` where it does not.
    pub revocations: Option<RevocationSource>,
    /// Which claims hold what rules read.
    pub claims: ClaimNames,
    /// Which `typ` its access tokens carry.
    pub token_type: TokenType,
}

/// Which `typ` a token must have (RFC 8725 section 3.11: explicit typing keeps one kind of JWT from passing as another).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt` or `application/at+jwt` (RFC 9068 section 2.1).
    #[default]
    AccessToken,
    /// These, `JWT`, or none: for issuers that do not follow RFC 9068. Only the audience then tells an access token
    /// from an ID token.
    PlainJwt,
}

/// A signature algorithm of JWS (RFC 7518 section 3.1, RFC 8037). Symmetric ones and `none` do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// A JWKS endpoint behind an Envoy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksSource {
    /// Where.
    pub at: Destination,
    /// How often the keys are fetched again.
    pub refresh: Duration,
    /// How long the last good keys serve while fetching fails (stale-while-error).
    pub max_stale: Duration,
}

/// The `validate` call of an authorization server's internal API, behind an Envoy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateSource {
    /// Where.
    pub at: Destination,
    /// How long a good answer is believed: a token that is revoked lives on so long at most.
    pub remember: Duration,
}

/// A feed of revocations ([`super::revocations`]), behind an Envoy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationSource {
    /// Where, without a query.
    pub at: Destination,
    /// How old the last news may become: then the issuer is asked about each token, or none counts.
    pub max_age: Duration,
}

/// Names of the claims that rules read; dots walk into objects (`realm_access.roles`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The OAuth client; default `client_id`.
    pub client: String,
    /// Scopes: space-separated strings or arrays at any of these; default `scope`.
    pub scopes: Vec<String>,
    /// Groups, an array or one string at any of these; default `groups`.
    pub groups: Vec<String>,
    /// Roles, an array or one string at any of these; default `roles`.
    pub roles: Vec<String>,
    /// Organization, a string; default `org`.
    pub organization: String,
}

// === impl Issuer ===

impl Issuer {
    /// The most leeway that a clock may be granted: more would keep stolen tokens alive.
    pub const MAX_SKEW: Duration = Duration::from_secs(60);
}

// === impl Algorithm ===

impl Algorithm {
    /// All that are supported.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The JWS name (`alg`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that exact JWS name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == name)
    }
}

// === impl ClaimNames ===

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            client: "client_id".into(),
            scopes: vec!["scope".into()],
            groups: vec!["groups".into()],
            roles: vec!["roles".into()],
            organization: "org".into(),
        }
    }
}
