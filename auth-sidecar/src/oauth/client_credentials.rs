//! What does a client present to prove who it is? A header or the body (RFC 6749 section 2.3.1), or an assertion
//! (RFC 7521 section 4.2); never two of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::AuthMethod;
use super::client_assertion::{self, Assertion};
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use crate::secret::Digest;

/// What was presented. The secret is digested at once, so nothing that `Debug` shows is one.
#[derive(Debug)]
pub struct Presented {
    /// `client_id`.
    pub client_id: String,
    /// The way in which it was presented.
    pub method: AuthMethod,
    /// What is to prove it.
    pub proof: Proof,
}

/// What is to prove that a client is the one that it names.
#[derive(Debug)]
pub enum Proof {
    /// Nothing: a public client.
    Nothing,
    /// Digest of a secret.
    Secret(Digest),
    /// A JWT.
    Assertion(Assertion),
}

/// Reads what a token, revocation or introspection request presents; `authorization` are all headers of that name.
///
/// # Errors
/// `invalid_request` for two ways at once, `invalid_client` for what cannot be read.
pub fn read(authorization: &[&[u8]], params: &Params) -> Result<Presented, OAuthError> {
    match authorization {
        [] => from_body(params),
        [header] => from_header(header, params),
        _ => Err(ErrorCode::InvalidRequest.because("the Authorization header is repeated")),
    }
}

fn from_body(params: &Params) -> Result<Presented, OAuthError> {
    if has_assertion(params) {
        return from_assertion(params);
    }
    let client_id = params.get("client_id");
    let client_id = client_id.ok_or_else(|| ErrorCode::InvalidClient.because("client_id is missing"))?;
    let (method, proof) = match params.get("client_secret") {
        Some(secret) => (AuthMethod::ClientSecretPost, Proof::Secret(Digest::of(secret))),
        None => (AuthMethod::None, Proof::Nothing),
    };
    Ok(Presented { client_id: client_id.to_owned(), method, proof })
}

fn has_assertion(params: &Params) -> bool {
    params.get("client_assertion").is_some() || params.get("client_assertion_type").is_some()
}

fn from_assertion(params: &Params) -> Result<Presented, OAuthError> {
    if params.get("client_secret").is_some() {
        return Err(ErrorCode::InvalidRequest.because("the client authenticates in two ways"));
    }
    let kind = params.require("client_assertion_type")?;
    let assertion = Assertion::new(params.require("client_assertion")?);
    if kind != client_assertion::TYPE {
        return Err(ErrorCode::InvalidClient.because("this client_assertion_type is not supported"));
    }
    let unreadable = || ErrorCode::InvalidClient.because("the client assertion cannot be read");
    let subject = assertion.subject().ok_or_else(unreadable)?;
    // It may be left out; if it is there, both must name the same client (RFC 7521 section 4.2).
    if params.get("client_id").is_some_and(|named| named != subject) {
        return Err(ErrorCode::InvalidClient.because("client_id differs from the client assertion"));
    }
    Ok(Presented {
        client_id: subject,
        method: AuthMethod::PrivateKeyJwt,
        proof: Proof::Assertion(assertion),
    })
}

fn from_header(header: &[u8], params: &Params) -> Result<Presented, OAuthError> {
    let unreadable = || ErrorCode::InvalidClient.because("the Authorization header is not Basic credentials");
    let (scheme, encoded) = header.split_at_checked(6).ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return Err(unreadable());
    }
    if params.get("client_secret").is_some() || has_assertion(params) {
        return Err(ErrorCode::InvalidRequest.because("the client authenticates in two ways"));
    }
    let decoded = STANDARD.decode(encoded.trim_ascii()).map_err(|_| unreadable())?;
    let decoded = String::from_utf8(decoded).map_err(|_| unreadable())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(unreadable)?;
    let (id, secret) = (form_decoded(id), form_decoded(secret));
    if params.get("client_id").is_some_and(|named| named != id) {
        return Err(ErrorCode::InvalidRequest.because("client_id differs from the Authorization header"));
    }
    Ok(Presented {
        client_id: id,
        method: AuthMethod::ClientSecretBasic,
        proof: Proof::Secret(Digest::of(&secret)),
    })
}

/// Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1); `&` and `=` in them are encoded then.
fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    fn read_one(header: Option<&[u8]>, body: &str) -> Result<(String, AuthMethod), ErrorCode> {
        let headers: Vec<&[u8]> = header.into_iter().collect();
        read(&headers, &Params::parse(body.as_bytes()))
            .map(|presented| (presented.client_id, presented.method))
            .map_err(|error| error.code)
    }

    #[test]
    fn the_way_is_recognized() {
        assert_eq!(read_one(None, "client_id=a"), Ok(("a".into(), AuthMethod::None)));
        assert_eq!(
            read_one(None, "client_id=a&client_secret=s"),
            Ok(("a".into(), AuthMethod::ClientSecretPost))
        );
        assert_eq!(read_one(Some(&basic("a:s")), ""), Ok(("a".into(), AuthMethod::ClientSecretBasic)));
        assert_eq!(read_one(Some(&basic("a%3Ab:s")), "client_id=a%3Ab").unwrap().0, "a:b");
    }

    #[test]
    fn the_secret_is_percent_decoded() {
        let header = basic("a:s%2Bt+u");
        let presented = read(&[&header], &Params::parse(b"")).unwrap();
        let Proof::Secret(secret) = presented.proof else { panic!("a secret") };
        assert!(secret.matches(&Digest::of("s+t u")));
    }

    #[test]
    fn two_ways_and_unreadable_ones_are_refused() {
        assert_eq!(read_one(Some(&basic("a:s")), "client_secret=s"), Err(ErrorCode::InvalidRequest));
        assert_eq!(read_one(Some(&basic("a:s")), "client_id=b"), Err(ErrorCode::InvalidRequest));
        assert_eq!(read_one(Some(b"Bearer x"), ""), Err(ErrorCode::InvalidClient));
        assert_eq!(read_one(Some(b"Basic ???"), ""), Err(ErrorCode::InvalidClient));
        assert_eq!(read_one(Some(b"x"), ""), Err(ErrorCode::InvalidClient));
        assert_eq!(read_one(None, ""), Err(ErrorCode::InvalidClient));
        let header = basic("a:s");
        let twice = read(&[&header, &header], &Params::parse(b"")).unwrap_err();
        assert_eq!(twice.code, ErrorCode::InvalidRequest);
    }
}
