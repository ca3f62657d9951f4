//! What does the store keep besides grants and clients?

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::oauth::algorithm::SigningAlgorithm;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;

/// A request that waits for the user to sign in and decide.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingAuthorization {
    /// What is asked for.
    pub request: AuthorizationRequest,
    /// Digest of the cookie of the browser that brought it: no other browser can answer it.
    pub browser: Digest,
    /// When it came; a sign-in after this moment satisfies `prompt=login`.
    pub created_at: UnixTime,
    /// Whether the user signed in for this very request.
    pub signed_in_for_it: bool,
    /// The device that asks, where it is no client's link.
    #[serde(default)]
    pub device: Option<DeviceRequest>,
}

/// A device authorization that waits for the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// Its id.
    pub id: String,
}

/// A request that a client handed in beforehand (RFC 9126), without the client's credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PushedRequest {
    /// Who pushed it.
    pub client_id: String,
    /// Its parameters, in order.
    pub params: Vec<(String, String)>,
}

/// A sign-in that is under way at a provider of identity, under the digest of its `state`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpstreamSignIn {
    /// The id of the provider.
    pub provider: String,
    /// The digest of the handle of the request that the user approved before.
    pub pending: Digest,
    /// Digest of the cookie that the browser got with its approval: no other browser can come back.
    pub cookie: Digest,
}

/// What a provider said of somebody: when they last signed in, or for one grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamAccount {
    /// The id of the provider, or the issuer of an assertion.
    pub provider: String,
    /// The subject, as in tokens.
    pub subject: String,
    /// `groups`.
    pub groups: Vec<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// `org`.
    pub org: Option<String>,
    /// Digest of the operator's rules that this was made by.
    pub rules: Digest,
    /// When.
    pub learned_at: UnixTime,
}

/// A browser's sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The user.
    pub subject: String,
    /// When the user showed who they are.
    pub auth_time: UnixTime,
    /// Last request seen, to a few minutes.
    pub seen_at: UnixTime,
    /// When it ends at the latest.
    pub ends_at: UnixTime,
}

/// What a remembered consent is for: no other client, destination or resource can use it.
#[derive(Clone, Debug)]
pub struct ConsentKey {
    /// The user.
    pub subject: String,
    /// The client.
    pub client_id: String,
    /// Where the answer went.
    pub redirect_uri: String,
    /// For which resource servers.
    pub resources: Vec<String>,
}

/// A remembered consent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Consent {
    /// What the user agreed to.
    pub scope: ScopeSet,
    /// When.
    pub given_at: UnixTime,
}

/// A signing key at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: UnixTime,
    /// Since when it is in this state.
    #[serde(default)]
    pub since: UnixTime,
    /// The private key, sealed under the data key.
    pub sealed: String,
}

/// The life of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, not yet used.
    Next,
    /// Signs.
    Active,
    /// Published until the last token that it signed has expired.
    Retired,
}

// === impl StoredKey ===

impl StoredKey {
    /// Enters the next state of its life.
    pub fn enter(&mut self, state: KeyState, now: UnixTime) {
        self.state = state;
        self.since = now;
    }
}

// === impl ConsentKey ===

impl ConsentKey {
    /// One name for all of it. The parts are length-prefixed, so that no two keys share a name.
    #[must_use]
    pub fn name(&self) -> Digest {
        let mut text = String::new();
        let parts = [&self.subject, &self.client_id, &self.redirect_uri].into_iter().chain(&self.resources);
        for part in parts {
            text.push_str(&part.len().to_string());
            text.push(':');
            text.push_str(part);
        }
        Digest::of(&text)
    }
}
