//! What do we tell the world about ourselves? RFC 8414 and OpenID Connect Discovery, both from one constant issuer.

use serde_json::{Map, Value, json};

use super::algorithm::SigningAlgorithm;
use super::client::{AuthMethod, GrantType};
use super::jwk::Algorithm;
use super::{dpop, openid};
use crate::config::Config;

/// draft-ietf-oauth-identity-assertion-authz-grant section 7.2.
const ID_JAG_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The document of RFC 8414 section 2.
#[must_use]
pub fn authorization_server(config: &Config) -> Value {
    Value::Object(shared(config))
}

/// The document of OpenID Connect Discovery section 3: the same and what that one requires. MCP clients read it for the
/// OAuth endpoints when they look here first, and PKCE must be stated here too.
#[must_use]
pub fn openid_configuration(config: &Config) -> Value {
    let mut document = shared(config);
    document.insert("subject_types_supported".into(), json!(["public"]));
    let algorithms: Vec<_> = config.signing.held().into_iter().map(SigningAlgorithm::as_str).collect();
    document.insert("id_token_signing_alg_values_supported".into(), json!(algorithms));
    document.insert("end_session_endpoint".into(), json!(config.issuer.endpoint("/logout")));
    document.insert("userinfo_endpoint".into(), json!(config.issuer.endpoint("/userinfo")));
    let claims = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "preferred_username"];
    document.insert("claims_supported".into(), json!(claims));
    document.insert("claim_types_supported".into(), json!(["normal"]));
    document.insert("claims_parameter_supported".into(), json!(false));
    document.insert("request_parameter_supported".into(), json!(false));
    document.insert("request_uri_parameter_supported".into(), json!(false));
    Value::Object(document)
}

/// What is told and taken at the token endpoint: of the grants for which somebody must be trusted those for which somebody is.
pub fn grant_types(config: &Config) -> impl Iterator<Item = GrantType> {
    GrantType::ALL.into_iter().filter(|grant| match grant {
        GrantType::TokenExchange => !config.exchanges.is_empty(),
        GrantType::JwtBearer => !config.identity_assertions.is_empty(),
        _ => true,
    })
}

/// The paths below which the two documents stand (mcp.md 3.12): inserted before the issuer's path, and for OpenID also
/// appended to it.
#[must_use]
pub fn paths(config: &Config) -> Paths {
    let path = config.issuer.path();
    let mut openid = vec![format!("/.well-known/openid-configuration{path}")];
    if !path.is_empty() {
        openid.push(format!("{path}/.well-known/openid-configuration"));
    }
    Paths { oauth: format!("/.well-known/oauth-authorization-server{path}"), openid }
}

/// Where the documents stand.
#[derive(Debug, PartialEq, Eq)]
pub struct Paths {
    /// RFC 8414 section 3.1.
    pub oauth: String,
    /// OpenID Connect Discovery section 4, and RFC 8414 section 5.
    pub openid: Vec<String>,
}

fn shared(config: &Config) -> Map<String, Value> {
    let endpoint = |path: &str| config.issuer.endpoint(path);
    let methods = AuthMethod::ALL.map(AuthMethod::as_str);
    // To introspect one must prove who one is.
    let confidential: Vec<&str> = methods.into_iter().filter(|method| *method != "none").collect();
    let algorithms = Algorithm::ALL.map(Algorithm::as_str);
    let document = json!({
        "issuer": config.issuer.as_str(),
        "authorization_endpoint": endpoint("/authorize"),
        "token_endpoint": endpoint("/token"),
        "jwks_uri": endpoint("/jwks"),
        "revocation_endpoint": endpoint("/revoke"),
        "introspection_endpoint": endpoint("/introspect"),
        "pushed_authorization_request_endpoint": endpoint("/par"),
        "require_pushed_authorization_requests": config.require_pushed,
        "device_authorization_endpoint": endpoint("/device_authorization"),
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS,
        "scopes_supported": config.resources.all_scopes().or(&openid::scopes()).iter().collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grant_types(config).map(GrantType::as_str).collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    });
    let mut document = match document {
        Value::Object(document) => document,
        _ => Map::new(),
    };
    if !config.identity_assertions.is_empty() {
        document.insert("authorization_grant_profiles_supported".into(), json!([ID_JAG_PROFILE]));
    }
    if config.cimd.enabled {
        document.insert("client_id_metadata_document_supported".into(), json!(true));
    }
    if config.registration.is_offered() {
        document.insert("registration_endpoint".into(), json!(endpoint("/register")));
    }
    document
}
