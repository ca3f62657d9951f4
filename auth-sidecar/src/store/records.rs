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
    /// Whether the user wants to see their own account; no client takes part then.
    #[serde(default)]
    pub for_account: bool,
}

/// Who gets the answer when the user has signed in.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// The client whose link brought the user here.
    Client,
    /// A device, which asks for itself.
    Device(&'a DeviceRequest),
    /// Nobody but the user.
    Account,
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
    /// When the user showed who they are, here or at a provider of identity.
    pub auth_time: UnixTime,
    /// When it began, which may be later.
    #[serde(default)]
    pub started_at: UnixTime,
    /// Last request seen, to a few minutes.
    pub seen_at: UnixTime,
    /// When it ends at the latest.
    pub ends_at: UnixTime,
}

/// What was withdrawn all at once from a user or a client. Of moments that were never set, nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Withdrawn {
    /// Grants, and consents to them, that were given before this do not count.
    pub grants_before: UnixTime,
    /// Sign-ins that began before this do not count.
    pub sessions_before: UnixTime,
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

// === impl PendingAuthorization ===

impl PendingAuthorization {
    /// Who waits for the answer.
    #[must_use]
    pub fn asker(&self) -> Asker<'_> {
        match &self.device {
            Some(device) => Asker::Device(device),
            None if self.for_account => Asker::Account,
            None => Asker::Client,
        }
    }

    /// The client that this is about, if it is about one.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match self.asker() {
            Asker::Account => None,
            Asker::Client | Asker::Device(_) => Some(&self.request.client_id),
        }
    }
}

// === impl StoredKey ===

impl StoredKey {
    /// Enters the next state of its life.
    pub fn enter(&mut self, state: KeyState, now: UnixTime) {
        self.state = state;
        self.since = now;
    }
}

// === impl Withdrawn ===

impl Withdrawn {
    /// Both: what either withdrew.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            grants_before: self.grants_before.max(other.grants_before),
            sessions_before: self.sessions_before.max(other.sessions_before),
        }
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
