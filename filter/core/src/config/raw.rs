//! How is the document written? A mirror without behaviour; its comments become the JSON Schema's descriptions.
//!
//! Texts with a form of their own (sizes, patterns, URLs) stay texts here: `compile` judges them, so that several
//! mistakes are reported at once.

mod arguments;
mod content;
mod credential;
mod dispatch;
mod elsewhere;
mod history;
mod issuers;
mod layers;
mod leases;
mod obligations;
mod opa;
mod paths;
mod rego;
mod rules;
mod size;
mod tools;

pub use arguments::{RawArgument, RawScalar, RawTexts};
pub use content::{RawApplies, RawCaps, RawContentRule, RawRegex};
pub use credential::{RawCredential, RawExchanged, RawSignedIdentity, RawStatic};
pub use dispatch::RawDispatch;
pub use elsewhere::Elsewhere;
pub use history::RawHistory;
pub use issuers::{RawClaims, RawIssuer, RawJwks, RawRevocations, RawValidate};
pub use layers::{RawAddresses, RawLayer};
pub use leases::RawLeases;
pub use obligations::RawObligedLimit;
pub use opa::RawOpa;
pub use paths::RawPaths;
pub use rego::{RawCompiled, RawLabels, RawRego, RawToolLabels};
pub use rules::{RawAllow, RawAttributes, RawDelegable, RawDeny, RawRule, RawWho};
pub use size::RawSize;
pub use tools::{RawAsks, RawBaseline, RawDefaults, RawElicitation, RawTools};

use super::read::mapping;

/// The gateway's policy: which MCP servers it protects, whose tokens it accepts, who may do what.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Config")
)]
pub struct RawConfig {
    /// The revision of this format. Only 1 exists.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: u32,
    /// Whether Envoy holds request headers back until the body is decided (`allow_on_headers_stop_iteration`, plain
    /// Envoy only). Where it does not, a buffer filter must stand behind this one.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub hold_headers: bool,
    /// How many bytes of unfinished events all streams of one worker may hold together, at most 512MiB; a stream that
    /// would go over is ended. Requests whose bodies are awaited may hold a quarter as much besides,
    /// those of one caller as much as they leave free. Default 256MiB.
    pub held_bytes: Option<RawSize>,
    /// How many tokens that are not remembered one source address (of IPv6 the /64 network) may have looked at; good ones
    /// give theirs back at once. Default 10/s, burst 50.
    pub unknown_tokens: Option<RawRate>,
    /// Where tokens of the buckets come from that hold across a fleet of Envoys. Default: nowhere; then none does.
    pub leases: Option<RawLeases>,
    /// Whether Envoy says in `x-wicketgate-trace`, over whatever stood there, to which trace a request belongs (the ids of trace and span,
    /// with a hyphen between), so that what is asked on its behalf belongs to it, too. `edge.traces` sets it.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub traced: bool,
    /// Authorization servers whose access tokens are accepted.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub issuers: Vec<RawIssuer>,
    /// The protected MCP servers. The longest matching path wins.
    pub servers: Vec<RawServer>,
    /// The Envoy around the filter: where it listens, whom it trusts, how much it bears. For `wicketgate render envoy` alone.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::edge::raw::RawEdge>"))]
    pub edge: Elsewhere,
}

mapping!(
    RawConfig,
    "a mapping",
    [version, servers],
    [hold_headers, held_bytes, unknown_tokens, leases, traced, issuers, edge]
);

/// A protected MCP server. What no rule allows is denied.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Server")
)]
pub struct RawServer {
    /// Unique; letters, digits, `_`, `-`, `.`. Appears in metrics and audit records.
    pub name: String,
    /// The public absolute URL of the MCP endpoint, without trailing slash: the audience that tokens must have.
    pub url: String,
    /// Which requests are for it. Default: the host and the path of `url`.
    pub r#match: Option<RawMatch>,
    /// The issuers that it accepts, as spelt above. Default: all.
    pub issuers: Option<Vec<String>>,
    /// Browser origins that may call it, such as `https://app.example.com`. Default: none.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub origins: Vec<String>,
    /// From which addresses it may be asked. Default: from everywhere.
    pub addresses: Option<RawAddresses>,
    /// Scopes named in the metadata and in the challenge to a request without a credential.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub scopes: Vec<String>,
    /// Revisions of MCP that it accepts, such as `2025-11-25`. A request without `MCP-Protocol-Version` is of 2025-03-26 but
    /// for `initialize`, to which the server answers with the one it speaks. Default: all that the gateway knows.
    pub versions: Option<Vec<String>>,
    /// Revisions of MCP that are newer than all that the gateway knows: `refuse` answers -32022, so that clients speak an
    /// older one; `inspect` reads them as 2026-07-28, which `versions` must hold. Default `refuse`.
    pub newer_versions: Option<String>,
    /// What becomes of sessions and tasks that this gateway does not know.
    pub sessions: Option<RawSessions>,
    /// What becomes of tokens that are bound to a key (DPoP, RFC 9449).
    pub dpop: Option<RawDpop>,
    /// Whether the certificates count that clients show on their connections, which every listener before the filter must
    /// then have checked: `beside_token`, rules may name them besides what tokens say; `alone`, the same, and who shows one
    /// needs no token. Default: they mean nothing.
    pub client_certificates: Option<String>,
    /// What it gets to know by whom it is asked, in place of the client's token. Default: nothing.
    pub credential: Option<RawCredential>,
    /// What its tools must be to be shown and called, and what becomes of what they say of themselves.
    pub tools: Option<RawTools>,
    /// What it may ask of the client, or of who sits before it. Default: everything.
    pub asks: Option<RawAsks>,
    /// Sizes, rates and numbers.
    pub limits: Option<RawLimits>,
    /// How allowed requests of some tools or methods go on; needs `hold_headers`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub dispatch: Vec<RawDispatch>,
    /// What may be in requests and answers; of several rules the strongest action counts.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub content: Vec<RawContentRule>,
    /// Who may do what; deny wins, order does not matter for the verdict.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub rules: Vec<RawRule>,
    /// A policy in Rego, which narrows what the rules allow; without rules, what whoever is known may do.
    pub rego: Option<RawRego>,
    /// A policy that an Open Policy Agent is asked for, which narrows what all of that allows.
    pub opa: Option<RawOpa>,
    /// What may not be done after, or before, something else.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub history: Vec<RawHistory>,
    /// What the members of organizations may, within `rules`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub organizations: Vec<RawLayer>,
    /// What the members of groups may, within what their organization may.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub groups: Vec<RawLayer>,
    /// What OAuth clients may, whoever uses them, within all of that.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub clients: Vec<RawLayer>,
    /// Where it lives and how Envoy reaches it. For `wicketgate render envoy` alone.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::edge::raw_upstream::RawUpstream>"))]
    pub upstream: Elsewhere,
}

mapping!(
    RawServer,
    "a mapping",
    [name, url],
    [
        r#match,
        issuers,
        origins,
        addresses,
        scopes,
        versions,
        newer_versions,
        sessions,
        dpop,
        client_certificates,
        credential,
        tools,
        asks,
        limits,
        dispatch,
        content,
        rules,
        rego,
        opa,
        history,
        organizations,
        groups,
        clients,
        upstream
    ]
);

/// Which requests are for a server.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Match"))]
pub struct RawMatch {
    /// Host names, each with a port or without, or `*` for every host. Default: the host of `url`, any port.
    pub hosts: Option<Vec<String>>,
    /// This path and everything below it. Default: the path of `url`.
    pub path: Option<String>,
    /// The names of Envoy's routes that lead to it. What Envoy routes otherwise is refused, so that both always mean the
    /// same server. Envoy picks a route again once the filter has taken header fields out, and no filter is told, so let no
    /// route of these paths depend on a field that goes no further. Default: any route.
    pub routes: Option<Vec<String>>,
}

mapping!(RawMatch, "a mapping", [], [hosts, path, routes]);

/// Sessions (revisions before 2026-07-28) and tasks of a server.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Sessions")
)]
pub struct RawSessions {
    /// A session or task that nobody is known to own: `refuse` answers as if there were none, for sessions 404, whereupon
    /// clients begin a new one; `adopt` gives it to the first principal that names it. Default `refuse`.
    pub unknown: Option<String>,
}

mapping!(RawSessions, "a mapping such as {unknown: refuse}", [], [unknown]);

/// Tokens of a server that are bound to a key of the client, which proves with each request that it holds the key.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Dpop"))]
pub struct RawDpop {
    /// Which tokens count: `accepted` takes bound ones with their proof beside bearer tokens, `required` bound ones only,
    /// `refused` bearer tokens only. A bound token without a proof is refused whatever stands here. Default `accepted`.
    pub tokens: Option<String>,
    /// How old a proof may be, 5s to 5m. So long it is remembered, so that it is used once. Default 60s.
    pub proof_age: Option<String>,
}

mapping!(RawDpop, "a mapping such as {tokens: required}", [], [tokens, proof_age]);

/// Sizes, rates and numbers of a server.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Limits")
)]
pub struct RawLimits {
    /// The largest request body, at most 64MiB. Default 1MiB.
    pub request_bytes: Option<RawSize>,
    /// The largest JSON answer, or event of a stream, at most 64MiB. Default 16MiB.
    pub response_bytes: Option<RawSize>,
    /// For all requests, allowed or not: of one principal, and, until a token is known, of one source address (of IPv6 the
    /// /64 network). Default 100/s, burst 200.
    pub flood: Option<RawRate>,
    /// For allowed requests of one principal (issuer and subject). Default: none.
    pub principal: Option<RawRate>,
    /// For allowed requests of one OAuth client, all its principals together. Default: none.
    pub client: Option<RawRate>,
    /// For allowed requests of one organization, all its principals together. Default: none.
    pub organization: Option<RawRate>,
    /// For allowed requests of one source address (of IPv6 the /64 network), whoever makes them. Default: none.
    pub source: Option<RawRate>,
    /// For all allowed requests to the server. Default: none.
    pub server: Option<RawRate>,
    /// For allowed requests with some methods. Every entry that matches applies.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub methods: Vec<RawNamedLimit>,
    /// For allowed calls of some tools. Every entry that matches applies.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub tools: Vec<RawNamedLimit>,
    /// For calls that the Rego or OPA policy obliges to them, by naming them in `limit`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub obliged: Vec<RawObligedLimit>,
    /// How many streams one principal may have open at once: GET streams, and requests until their answers have ended,
    /// because any answer may become a stream. Default 100, at most 100000.
    pub streams: Option<u32>,
}

mapping!(
    RawLimits,
    "a mapping",
    [],
    [
        request_bytes,
        response_bytes,
        flood,
        principal,
        client,
        organization,
        source,
        server,
        methods,
        tools,
        obliged,
        streams
    ]
);

/// A token bucket.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Rate"))]
pub struct RawRate {
    /// So many per `s`, `m`, `h` or `d`: `600/m`.
    pub rate: String,
    /// How many at once. Default: the number in `rate`.
    pub burst: Option<u32>,
    /// Where it holds: `envoy`, each has a bucket of its own; `fleet`, all that ask one authorization server for `leases`
    /// share it (limits of allowed requests only). Default `envoy`.
    pub across: Option<String>,
}

mapping!(RawRate, "a mapping such as {rate: 600/m, burst: 100}", [rate], [burst, across]);

/// A token bucket for requests that name something.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "NamedLimit")
)]
pub struct RawNamedLimit {
    /// Patterns of names that share the bucket: methods, or tools.
    pub names: Vec<String>,
    /// So many per `s`, `m`, `h` or `d`: `10/m`.
    pub rate: String,
    /// How many at once. Default: the number in `rate`.
    pub burst: Option<u32>,
    /// Who shares it: `principal`, `client`, `organization`, `source` (an address), or `server` for everybody. Default `principal`.
    pub per: Option<String>,
    /// Where it holds: `envoy` or `fleet`. Default `envoy`.
    pub across: Option<String>,
}

mapping!(
    RawNamedLimit,
    "a mapping such as {names: [\"run_*\"], rate: 10/m, burst: 5}",
    [names, rate],
    [burst, per, across]
);
