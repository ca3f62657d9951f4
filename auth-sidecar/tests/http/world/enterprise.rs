//! A provider of identity that vouches for its people (ID-JAG), and a client that it does so for.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::client::Client;
use super::upstream::{Claims, Upstream, signed};
use super::{ISSUER, RESOURCE, World};

pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(crate) const TYPE: &str = "oauth-id-jag+jwt";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Both, and a server that trusts the provider for one of its resources.
pub(crate) struct Enterprise {
    pub(crate) upstream: Upstream,
    pub(crate) world: World,
    pub(crate) agent: Client,
}

impl Enterprise {
    /// Everybody is let in.
    pub(crate) async fn start() -> Self {
        Self::with("allow: {everyone: true}", |yaml| yaml).await
    }

    /// With these settings of the issuer, and the configuration changed.
    pub(crate) async fn with(issuer: &str, change: impl FnOnce(String) -> String) -> Self {
        let upstream = Upstream::start().await;
        let trust = trusted(&upstream, issuer);
        let world = World::start_with(|yaml| change(configured(yaml) + &trust)).await;
        Self { upstream, world, agent: Client::configured("agent") }
    }

    /// With the provider `x` of users' sign-ins as the issuer.
    pub(crate) async fn of_provider(provider: &str) -> Self {
        let upstream = Upstream::start().await;
        let trust = format!("identity_assertions: [{{provider: x, resources: ['{RESOURCE}']}}]\n");
        let providers = upstream.oidc(provider);
        let world = World::start_with(|yaml| configured(yaml) + &providers + &trust).await;
        Self { upstream, world, agent: Client::configured("agent") }
    }

    /// What the provider says of u-1, never said before.
    pub(crate) fn claims(&self) -> Claims {
        claims(&self.upstream.base)
    }

    /// What it says with this change.
    pub(crate) fn assertion(&self, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        signed(&self.upstream.mock.lock().unwrap().pair, TYPE, claims)
    }

    /// What the agent gets for an assertion.
    pub(crate) async fn present(&self, assertion: &str, changes: &[(&str, &str)]) -> (u16, Value) {
        self.agent
            .post(&self.world, "/token", &[("grant_type", GRANT), ("assertion", assertion)], changes)
            .await
    }

    /// What it gets for the usual one with this change.
    pub(crate) async fn presented(&self, change: impl FnOnce(&mut Claims)) -> (u16, Value) {
        self.present(&self.assertion(change), &[]).await
    }
}

/// The agent, after the other clients.
pub(crate) fn configured(yaml: String) -> String {
    format!("{yaml}  - {{id: agent, secret: {{file: FOLDER/rs.secret}}, grant_types: ['{GRANT}']}}\n")
}

/// The provider as an issuer that nobody signs in at.
pub(crate) fn trusted(upstream: &Upstream, more: &str) -> String {
    let base = &upstream.base;
    format!(
        "identity_assertions:\n  - {{issuer: '{base}', jwks_uri: '{base}/jwks', resources: ['{RESOURCE}'], {more}}}\n"
    )
}

/// Claims of this issuer about u-1 for the agent.
pub(crate) fn claims(issuer: &str) -> Claims {
    let jti = format!("jti-{}", COUNTER.fetch_add(1, Ordering::Relaxed));
    let claims = [
        ("iss", json!(issuer)),
        ("sub", json!("u-1")),
        ("aud", json!(ISSUER)),
        ("client_id", json!("agent")),
        ("jti", json!(jti)),
        ("iat", json!(1_800_000_000)),
        ("exp", json!(1_800_000_300)),
        ("resource", json!(RESOURCE)),
        ("scope", json!("mcp:read")),
    ];
    Claims(claims.map(|(name, value)| (name.to_owned(), value)).into())
}
