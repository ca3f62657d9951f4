//! May this client register itself as it describes itself? Client metadata of RFC 7591, field by field.

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::Url;

use super::client::{AuthMethod, GrantType};
use super::error::{ErrorCode, OAuthError};
use super::openid::Preferences;
use super::redirect_uri;
use super::registration_preferences;
use super::scope::ScopeSet;

const MOST_REDIRECT_URIS: usize = 20;
const MOST_CONTACTS: usize = 10;
const LONGEST_NAME: usize = 128;
const LONGEST_TEXT: usize = 512;
const LONGEST_SCOPE: usize = 2048;
const LONGEST_URI: usize = 2048;

/// Metadata that was admitted. What we do not know is left out (RFC 7591 section 2), what we cannot do is replaced by
/// what we can; the response says what was registered.
#[derive(Debug, PartialEq)]
pub struct Registration {
    /// `token_endpoint_auth_method`.
    pub auth_method: AuthMethod,
    /// `grant_types`, those that we support.
    pub grant_types: Vec<GrantType>,
    /// `redirect_uris`.
    pub redirect_uris: Vec<String>,
    /// `client_name`.
    pub name: Option<String>,
    /// `scope`.
    pub scope: Option<ScopeSet>,
    /// How it wants its tokens and requests.
    pub preferences: Preferences,
    /// Every field to be echoed.
    pub metadata: Map<String, Value>,
}

/// Reads a registration request.
///
/// # Errors
/// `invalid_client_metadata` or `invalid_redirect_uri` (RFC 7591 section 3.2.2), naming the field.
pub fn read(body: &[u8], private_use_schemes: bool) -> Result<Registration, OAuthError> {
    let Ok(Value::Object(mut asked)) = serde_json::from_slice(body) else {
        return Err(refuse("the body must be a JSON object"));
    };
    asked.retain(|_, value| !value.is_null());
    let auth_method = auth_method(&asked)?;
    let redirect_uris = redirect_uris(&asked, private_use_schemes)?;
    let grant_types = grant_types(&asked)?;
    response_types(&asked)?;
    let name = text(&asked, "client_name", LONGEST_NAME)?;
    let scope = text(&asked, "scope", LONGEST_SCOPE)?
        .map(|scope| ScopeSet::parse(&scope))
        .transpose()
        .map_err(|why| refuse(format!("scope: {why}")))?
        .filter(|scope| !scope.is_empty());

    let mut metadata = descriptive(&asked)?;
    let preferences = registration_preferences::read(&asked, &mut metadata)?;
    metadata.insert("redirect_uris".into(), redirect_uris.clone().into());
    metadata.insert("token_endpoint_auth_method".into(), auth_method.as_str().into());
    let grant_names: Vec<&str> = grant_types.iter().map(|grant| grant.as_str()).collect();
    metadata.insert("grant_types".into(), grant_names.into());
    metadata.insert("response_types".into(), vec!["code"].into());
    if let Some(scope) = &scope {
        metadata.insert("scope".into(), scope.to_string().into());
    }
    Ok(Registration { auth_method, grant_types, redirect_uris, name, scope, preferences, metadata })
}

fn auth_method(asked: &Map<String, Value>) -> Result<AuthMethod, OAuthError> {
    match asked.get("token_endpoint_auth_method") {
        // RFC 7591 section 2.
        None => Ok(AuthMethod::ClientSecretBasic),
        Some(value) => AuthMethod::ALL
            .into_iter()
            .find(|method| value == method.as_str())
            .ok_or_else(|| refuse("token_endpoint_auth_method is not supported")),
    }
}

fn redirect_uris(asked: &Map<String, Value>, private_use_schemes: bool) -> Result<Vec<String>, OAuthError> {
    let invalid = |why: &'static str| ErrorCode::InvalidRedirectUri.because(why);
    let Some(Value::Array(list)) = asked.get("redirect_uris") else {
        return Err(invalid("redirect_uris must be a list"));
    };
    if list.is_empty() || list.len() > MOST_REDIRECT_URIS {
        return Err(invalid("redirect_uris must hold 1 to 20 URIs"));
    }
    let mut uris = Vec::new();
    for entry in list {
        let uri = entry.as_str().ok_or_else(|| invalid("a redirect URI must be a string"))?;
        redirect_uri::admit(uri, private_use_schemes).map_err(invalid)?;
        uris.push(uri.to_owned());
    }
    Ok(uris)
}

/// Clients list every grant that they know (`urn:ietf:params:oauth:grant-type:jwt-bearer` and the like); what we do
/// not support is left out, as long as the code grant is there.
fn grant_types(asked: &Map<String, Value>) -> Result<Vec<GrantType>, OAuthError> {
    let Some(names) = strings(asked, "grant_types")? else { return Ok(vec![GrantType::AuthorizationCode]) };
    let supported = GrantType::ALL.into_iter().filter(|grant| names.contains(&grant.as_str()));
    let supported: Vec<GrantType> = supported.collect();
    if supported.contains(&GrantType::AuthorizationCode) {
        Ok(supported)
    } else {
        Err(refuse("grant_types must include authorization_code"))
    }
}

fn response_types(asked: &Map<String, Value>) -> Result<(), OAuthError> {
    match strings(asked, "response_types")? {
        Some(names) if !names.contains(&"code") => Err(refuse("response_types must include code")),
        _ => Ok(()),
    }
}

/// The fields that only describe. Language-tagged forms (`client_name#fr`) belong to them.
fn descriptive(asked: &Map<String, Value>) -> Result<Map<String, Value>, OAuthError> {
    let mut kept = Map::new();
    for (key, value) in asked {
        let field = key.split_once('#').map_or(key.as_str(), |(field, _tag)| field);
        match field {
            "client_name" => drop(text(asked, key, LONGEST_NAME)?),
            "software_id" | "software_version" => drop(text(asked, key, LONGEST_TEXT)?),
            "client_uri" | "logo_uri" | "tos_uri" | "policy_uri" | "jwks_uri" => web_uri(asked, key)?,
            "contacts" => contacts(asked)?,
            "jwks" => jwks(asked)?,
            "application_type" => application_type(value)?,
            _ => continue,
        }
        if key.len() > LONGEST_NAME {
            return Err(refuse("a field has too long a name"));
        }
        kept.insert(key.clone(), value.clone());
    }
    Ok(kept)
}

fn web_uri(asked: &Map<String, Value>, key: &str) -> Result<(), OAuthError> {
    let uri = text(asked, key, LONGEST_URI)?.unwrap_or_default();
    // A person may be shown these, so nothing that a browser would execute.
    match Url::parse(&uri) {
        Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => Ok(()),
        _ => Err(refuse(format!("{} must be an http or https URL", plain(key)))),
    }
}

fn contacts(asked: &Map<String, Value>) -> Result<(), OAuthError> {
    let list = strings(asked, "contacts")?.unwrap_or_default();
    if list.len() > MOST_CONTACTS || list.iter().any(|entry| !is_displayable(entry, LONGEST_TEXT)) {
        return Err(refuse("contacts must be at most 10 short strings"));
    }
    Ok(())
}

fn jwks(asked: &Map<String, Value>) -> Result<(), OAuthError> {
    if asked.contains_key("jwks_uri") {
        return Err(refuse("jwks and jwks_uri exclude each other"));
    }
    let keys = asked.get("jwks").and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
    let keys = keys.ok_or_else(|| refuse("jwks must be a JWK set"))?;
    // RFC 7517: a set that we keep and echo must not hold a private or symmetric key.
    let private = |key: &Value| ["d", "k", "p", "q"].iter().any(|member| key.get(member).is_some());
    if keys.len() > MOST_CONTACTS || keys.iter().any(|key| !key.is_object() || private(key)) {
        return Err(refuse("jwks must hold a few public keys"));
    }
    Ok(())
}

fn application_type(value: &Value) -> Result<(), OAuthError> {
    if value == "web" || value == "native" {
        Ok(())
    } else {
        Err(refuse("application_type must be web or native"))
    }
}

fn text(asked: &Map<String, Value>, key: &str, longest: usize) -> Result<Option<String>, OAuthError> {
    match asked.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if is_displayable(text, longest) => Ok(Some(text.clone())),
        Some(_) => {
            Err(refuse(format!("{} must be a string of at most {longest} printable characters", plain(key))))
        }
    }
}

fn strings<'a>(asked: &'a Map<String, Value>, key: &str) -> Result<Option<Vec<&'a str>>, OAuthError> {
    match asked.get(key) {
        None => Ok(None),
        Some(Value::Array(list)) => match list.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
            Some(strings) => Ok(Some(strings)),
            None => Err(refuse(format!("{key} must be a list of strings"))),
        },
        Some(_) => Err(refuse(format!("{key} must be a list of strings"))),
    }
}

/// No control characters, and none that turn the direction of text around: `client_name` is shown to a person who
/// decides by it.
fn is_displayable(text: &str, longest: usize) -> bool {
    let deceiving = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
    };
    text.chars().count() <= longest && !text.chars().any(deceiving)
}

/// A field name as it may stand in a description: ours are plain, a language tag may hold anything.
fn plain(key: &str) -> &str {
    key.split_once('#').map_or(key, |(field, _tag)| field)
}

fn refuse(why: impl Into<Cow<'static, str>>) -> OAuthError {
    ErrorCode::InvalidClientMetadata.because(why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(body: &Value) -> Result<Registration, OAuthError> {
        read(body.to_string().as_bytes(), false)
    }

    #[test]
    fn what_clients_of_today_send_is_admitted() {
        let registration = read_json(&json!({
            "redirect_uris": ["http://127.0.0.1/cb", "https://app.example/cb"],
            "client_name": "Editor", "client_name#fr": "Éditeur",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
            "response_types": ["code", "token"], "application_type": "native", "scope": "b a",
            "logo_uri": null, "x_unknown": {"deep": 1}, "software_id": "s", "contacts": ["a@b.example"],
        }))
        .unwrap();
        assert_eq!(registration.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(
            Value::Object(registration.metadata),
            json!({
                "redirect_uris": ["http://127.0.0.1/cb", "https://app.example/cb"],
                "client_name": "Editor", "client_name#fr": "Éditeur", "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                "application_type": "native", "scope": "a b", "software_id": "s", "contacts": ["a@b.example"],
            })
        );
    }

    #[test]
    fn defaults_are_those_of_the_rfc() {
        let registration = read_json(&json!({"redirect_uris": ["https://app.example/cb"]})).unwrap();
        assert_eq!(registration.auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(registration.grant_types, [GrantType::AuthorizationCode]);
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_right_code() {
        let metadata = |key: &str, value: Value| {
            let mut body = json!({"redirect_uris": ["https://app.example/cb"]});
            body[key] = value;
            body
        };
        for (body, code) in [
            (json!([]), ErrorCode::InvalidClientMetadata),
            (json!({}), ErrorCode::InvalidRedirectUri),
            (metadata("redirect_uris", json!([])), ErrorCode::InvalidRedirectUri),
            (metadata("redirect_uris", json!("https://app.example/cb")), ErrorCode::InvalidRedirectUri),
            (metadata("redirect_uris", json!(["http://app.example/cb"])), ErrorCode::InvalidRedirectUri),
            (metadata("redirect_uris", json!([7])), ErrorCode::InvalidRedirectUri),
            (metadata("redirect_uris", json!(vec!["https://a.example/"; 21])), ErrorCode::InvalidRedirectUri),
            (
                metadata("token_endpoint_auth_method", json!("private_key_jwt")),
                ErrorCode::InvalidClientMetadata,
            ),
            (metadata("grant_types", json!(["implicit"])), ErrorCode::InvalidClientMetadata),
            (metadata("response_types", json!(["token"])), ErrorCode::InvalidClientMetadata),
            (metadata("client_name", json!("x".repeat(129))), ErrorCode::InvalidClientMetadata),
            (metadata("client_name", json!("good\u{202e}evil")), ErrorCode::InvalidClientMetadata),
            (metadata("client_name", json!(7)), ErrorCode::InvalidClientMetadata),
            (metadata("client_uri", json!("javascript:alert(1)")), ErrorCode::InvalidClientMetadata),
            (metadata("scope", json!("a\"b")), ErrorCode::InvalidClientMetadata),
            (
                metadata("jwks", json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})),
                ErrorCode::InvalidClientMetadata,
            ),
            (metadata("application_type", json!("toaster")), ErrorCode::InvalidClientMetadata),
        ] {
            assert_eq!(read_json(&body).unwrap_err().code, code, "{body}");
        }
    }
}
