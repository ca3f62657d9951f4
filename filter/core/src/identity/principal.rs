//! Who is it? The authenticated subject that rules, limits and audit records name.

use std::sync::Arc;

use super::dpop::Thumbprint;
use crate::head::PeerCertificate;
use crate::time::Timestamp;

/// Who stands behind a request, after every check has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// No credential was presented. Only rules that say `anonymous` match.
    Anonymous,
    /// A verified access token; all requests with it share what it says.
    Authenticated(Arc<Identity>),
    /// No token, but a certificate where the server takes that for one. It has neither issuer nor subject, so that no name in
    /// it is ever taken for that of a token.
    Certified(Arc<PeerCertificate>),
}

/// What a verified token says of its holder. Identity is (issuer, subject), never an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `client_id` (RFC 9068 section 2.2), or `azp` where an issuer is configured so.
    pub client: Option<String>,
    /// Granted scopes (RFC 6749 section 3.3), sorted, without repeats.
    pub scopes: Vec<String>,
    /// Groups from the configured claim.
    pub groups: Vec<String>,
    /// Roles from the configured claim.
    pub roles: Vec<String>,
    /// Organization from the configured claim.
    pub organization: Option<String>,
    /// The grant that the token came from (`grant_id`).
    pub grant: Option<String>,
    /// The client that the grant was given to, where another one holds the token: it was exchanged (`grant_client_id`).
    pub grant_client: Option<String>,
    /// `iat`, where the token says it.
    pub issued: Option<Timestamp>,
    /// The key that the token is bound to (`cnf.jkt`); `None` for a bearer token.
    pub key: Option<Thumbprint>,
    /// The certificate of the connection on which the token came, where the server looks at such.
    pub certificate: Option<PeerCertificate>,
    /// `exp`: nothing may be done, and no stream stay open, past this.
    pub expires: Timestamp,
}

#[cfg(test)]
impl Identity {
    /// Somebody of whom nothing else is known, for tests.
    pub(crate) fn named(issuer: &str, subject: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            client: None,
            scopes: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            organization: None,
            grant: None,
            grant_client: None,
            issued: None,
            key: None,
            certificate: None,
            expires: Timestamp::from_secs(1),
        }
    }
}

// === impl Principal ===

impl Principal {
    /// What the token says, if there is one.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Anonymous | Self::Certified(_) => None,
            Self::Authenticated(identity) => Some(identity),
        }
    }

    /// The certificate that counts, with a token or in its place.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        match self {
            Self::Anonymous => None,
            Self::Authenticated(identity) => identity.certificate.as_ref(),
            Self::Certified(certificate) => Some(certificate),
        }
    }

    /// Whether nobody knows who it is.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }

    /// What tables call it that belongs to whoever shows such a certificate, where that is all that is known of him.
    pub fn certificate_key(&self) -> Option<String> {
        match self {
            Self::Certified(certificate) => Some(certificate.key()),
            Self::Anonymous | Self::Authenticated(_) => None,
        }
    }
}
