//! Is this URL a client, and does its document make it one? OAuth Client ID Metadata Documents
//! (draft-ietf-oauth-client-id-metadata-document; MCP 2026-07-28, client registration).

use serde_json::{Value, json};
use url::Url;

use super::client::{AuthMethod, Client};
use super::error::{ErrorCode, OAuthError};
use super::redirect_uri::PrivateUse;
use super::registration::{self, Registration, Rules};
use crate::secret::Digest;

/// The longest id that is a URL, bytes.
pub const LONGEST: usize = 512;

/// Whether an id claims to be the URL of a document: no other client has such an id.
#[must_use]
pub fn is_url(id: &str) -> bool {
    id.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// The URL that an id is: https with a path, without fragment, user name and dot segments, and written in its normal
/// form, because ids are compared as text. A query is admitted, though discouraged.
///
/// # Errors
/// What is wrong with it.
pub fn admit_url(id: &str) -> Result<Url, &'static str> {
    let forbidden = |byte: u8| !(0x21..=0x7e).contains(&byte) || b"\\\"<>`{}|^#".contains(&byte);
    if id.len() > LONGEST || id.bytes().any(forbidden) {
        return Err("a client_id URL has at most 512 plain characters and no fragment");
    }
    let url = Url::parse(id).map_err(|_| "a client_id URL must be absolute")?;
    if url.scheme() != "https" {
        return Err("a client_id URL must be https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a client_id URL holds no user name or password");
    }
    if url.path() == "/" {
        return Err("a client_id URL must have a path");
    }
    // A parser removes dot segments, also encoded ones, and an empty user name: it then differs.
    if url.as_str() != id {
        return Err("a client_id URL must be in its normal form, without dot segments");
    }
    Ok(url)
}

/// The client that the document at `id` describes. Nothing in it is a secret: a client is public, or signs assertions. `jwt_bearer`:
/// the operator lets it present identity assertions.
///
/// # Errors
/// `invalid_client_metadata` or `invalid_redirect_uri`, naming the field.
pub fn admit(
    id: &str,
    body: &[u8],
    (private_use, jwt_bearer): (&PrivateUse, bool),
) -> Result<Client, OAuthError> {
    let refuse = |why: &'static str| ErrorCode::InvalidClientMetadata.because(why);
    let document = registration::object(body)?;
    if document.get("client_id").is_none_or(|named| named != id) {
        return Err(refuse("client_id is not the URL of the document"));
    }
    if ["client_secret", "client_secret_expires_at"].iter().any(|field| document.contains_key(*field)) {
        return Err(refuse("a public document holds no client_secret"));
    }
    let rules =
        Rules { private_use, client_credentials: false, jwt_bearer, default_method: AuthMethod::None };
    let registration = registration::admit(document, rules)?;
    if registration.auth_method.is_shared_secret() {
        return Err(refuse("token_endpoint_auth_method must be none or private_key_jwt"));
    }
    if registration.name.is_none() {
        return Err(refuse("client_name is missing"));
    }
    Ok(client(id, registration))
}

/// The host that vouches for the document, where the id is the URL of one.
#[must_use]
pub fn publisher(client: &Client) -> Option<String> {
    client.document?;
    Url::parse(&client.id).ok()?.host_str().map(ToOwned::to_owned)
}

fn client(id: &str, registration: Registration) -> Client {
    let counts = json!([
        registration.redirect_uris,
        registration.auth_method.as_str(),
        registration.metadata.get("jwks").unwrap_or(&Value::Null),
        registration.metadata.get("jwks_uri").unwrap_or(&Value::Null),
    ]);
    Client {
        id: id.to_owned(),
        name: registration.name,
        auth_method: registration.auth_method,
        secret: None,
        keys: registration.keys,
        assertion_algorithm: registration.assertion_algorithm,
        redirect_uris: registration.redirect_uris,
        post_logout_redirect_uris: registration.post_logout_redirect_uris,
        grant_types: registration.grant_types,
        default_scope: registration.scope,
        scope_ceiling: None,
        introspects: Vec::new(),
        preferences: registration.preferences,
        document: Some(Digest::of(&counts.to_string())),
        dynamic: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "https://client.example/client.json";

    fn read(change: impl FnOnce(&mut Value)) -> Result<Client, ErrorCode> {
        let mut document = json!({
            "client_id": ID, "client_name": "Editor", "redirect_uris": ["http://127.0.0.1/cb"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        });
        change(&mut document);
        admit(ID, document.to_string().as_bytes(), (&PrivateUse::None, false)).map_err(|error| error.code)
    }

    #[test]
    fn only_plain_https_urls_with_a_path_are_ids() {
        for good in [
            ID,
            "https://client.example:8443/a/b.json",
            "https://client.example/a/",
            "https://client.example/a?v=1",
            "https://client.example/.well-known/client..json",
        ] {
            assert!(admit_url(good).is_ok(), "{good}");
        }
        let long = format!("https://client.example/{}", "x".repeat(512));
        for bad in [
            "https://client.example",
            "https://client.example/",
            "https://client.example/?v=1",
            "http://client.example/c.json",
            "https:client.example/c.json",
            "https:///client.example/c.json",
            "https://user@client.example/c.json",
            "https://user:pw@client.example/c.json",
            "https://@client.example/c.json",
            "https://client.example/c.json#x",
            "https://client.example/a/../c.json",
            "https://client.example/./c.json",
            "https://client.example/%2e%2e/c.json",
            "https://client.example/a/%2E/c.json",
            "https://client.example/a/..",
            "https://CLIENT.example/c.json",
            "HTTPS://client.example/c.json",
            "https://client.example:443/c.json",
            "https://client.example\\@evil.example/c.json",
            "https://client.example/c json",
            "https://client.example/\u{e9}",
            "https://2130706433/c.json",
            long.as_str(),
        ] {
            assert!(admit_url(bad).is_err(), "{bad}");
            assert!(is_url(bad) || bad.starts_with("http:"), "{bad}");
        }
    }

    #[test]
    fn a_document_makes_a_client_without_secrets() {
        let client = read(|_| {}).unwrap();
        assert_eq!((client.id.as_str(), client.auth_method), (ID, AuthMethod::None));
        assert_eq!(publisher(&client).as_deref(), Some("client.example"));
        for (field, value, code) in [
            ("client_id", json!("https://client.example/other.json"), ErrorCode::InvalidClientMetadata),
            ("client_id", json!("https://client.example/client.json/"), ErrorCode::InvalidClientMetadata),
            ("client_id", Value::Null, ErrorCode::InvalidClientMetadata),
            ("client_secret", json!("x"), ErrorCode::InvalidClientMetadata),
            ("client_secret_expires_at", json!(0), ErrorCode::InvalidClientMetadata),
            ("token_endpoint_auth_method", json!("client_secret_basic"), ErrorCode::InvalidClientMetadata),
            ("token_endpoint_auth_method", json!("client_secret_post"), ErrorCode::InvalidClientMetadata),
            ("token_endpoint_auth_method", json!("client_secret_jwt"), ErrorCode::InvalidClientMetadata),
            ("token_endpoint_auth_method", json!("private_key_jwt"), ErrorCode::InvalidClientMetadata),
            ("client_name", Value::Null, ErrorCode::InvalidClientMetadata),
            ("redirect_uris", json!([]), ErrorCode::InvalidRedirectUri),
            ("redirect_uris", Value::Null, ErrorCode::InvalidRedirectUri),
            ("redirect_uris", json!(["http://evil.example/cb"]), ErrorCode::InvalidRedirectUri),
            ("jwks", json!({"keys": [{"kty": "oct", "k": "AA"}]}), ErrorCode::InvalidClientMetadata),
        ] {
            let refused = read(|document| document[field] = value.clone());
            assert_eq!(refused.unwrap_err(), code, "{field} {value}");
        }
        assert!(
            [b"[]".as_slice(), b"<html>"]
                .iter()
                .all(|body| admit(ID, body, (&PrivateUse::None, false)).is_err())
        );
    }

    #[test]
    fn the_digest_follows_what_counts() {
        let digest = |change: fn(&mut Value)| read(change).unwrap().document;
        let first = digest(|_| {});
        assert_eq!(first, digest(|document| document["client_name"] = json!("Other")));
        assert_ne!(first, digest(|document| document["redirect_uris"] = json!(["http://127.0.0.1/other"])));
        assert_ne!(first, digest(|document| document["jwks_uri"] = json!("https://client.example/jwks")));
    }
}
