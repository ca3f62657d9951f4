//! Is this token good, which only its issuer can read? What the authorization server is asked, and what its answer means.
//!
//! The contract is `POST /v1/validate` of the internal API (`auth-sidecar/openapi/internal-v1.yaml`). Its claims go through
//! the same validator as those of a JWT: the server's word is taken for the token being alive, not for whom it is meant.

use serde_json::json;

use super::claims;
use super::credential::Credential;
use super::issuer::Issuer;
use super::jwt::Fault;
use super::principal::Identity;
use crate::json;
use crate::time::Timestamp;

/// What is asked about one token. Its `Debug` does not show the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The issuer's index in the configuration: it says where to ask.
    pub issuer: usize,
    credential: Credential,
    resource: String,
}

/// A JWT has three parts (RFC 7515 section 3.1); whatever has not is for its issuer to read.
pub fn is_opaque(token: &str) -> bool {
    token.split('.').count() != 3
}

// === impl Question ===

impl Question {
    /// Whether `credential` is good for `resource`.
    pub fn new(issuer: usize, credential: Credential, resource: String) -> Self {
        Self { issuer, credential, resource }
    }

    /// For what it is to be good.
    pub(super) fn resource(&self) -> &str {
        &self.resource
    }

    /// The body of the request. It holds the token: for the callout only.
    pub fn body(&self) -> Vec<u8> {
        let body = json!({"token": self.credential.token(), "resource": self.resource});
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// The identity that the answer describes, and until when it is believed.
///
/// # Errors
/// [`Fault::Invalid`] for a token that is not alive or not meant for `audience`; [`Fault::Unanswered`] for anything that is
/// not an answer.
pub(super) fn read(
    answer: Option<&[u8]>,
    issuer: &Issuer,
    audience: &str,
    now: Timestamp,
) -> Result<(Identity, Timestamp), Fault> {
    let members = json::object(answer.ok_or(Fault::Unanswered)?).map_err(|()| Fault::Unanswered)?;
    match members.get("active").and_then(serde_json::Value::as_bool) {
        Some(true) => {}
        Some(false) => return Err(Fault::Invalid("not active")),
        None => return Err(Fault::Unanswered),
    }
    if claims::text(&members, "iss") != Some(issuer.issuer.as_str()) {
        return Err(Fault::Invalid("iss is not the issuer that was asked"));
    }
    let identity = claims::validate(&members, issuer, audience, now).map_err(Fault::Invalid)?;
    let kind = claims::text(&members, "token_type").unwrap_or_default();
    if kind.eq_ignore_ascii_case("DPoP") && identity.key.is_none() {
        return Err(Fault::Invalid("bound, but not said to which key"));
    }
    let remember = issuer.validate.as_ref().map(|source| source.remember).unwrap_or_default();
    let until = identity.expires.min(now.plus(remember));
    Ok((identity, until))
}

#[cfg(test)]
mod tests;
