//! What we tell the world, word for word.

use serde_json::{Value, json};

use crate::world::enterprise::{self, Enterprise};
use crate::world::{ISSUER, World};

fn document(issuer: &str) -> Value {
    let methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms = ["ES256", "EdDSA", "RS256", "PS256"];
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "registration_endpoint": format!("{issuer}/register"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "pushed_authorization_request_endpoint": format!("{issuer}/par"),
        "require_pushed_authorization_requests": false,
        "device_authorization_endpoint": format!("{issuer}/device_authorization"),
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256", "RS256"],
        "scopes_supported": ["mcp:read", "mcp:write", "openid", "other:use", "profile"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods[1..],
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    })
}

fn openid(issuer: &str) -> Value {
    let mut document = document(issuer);
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(["ES256", "RS256"]);
    document["end_session_endpoint"] = json!(format!("{issuer}/logout"));
    document["userinfo_endpoint"] = json!(format!("{issuer}/userinfo"));
    document["claims_supported"] =
        json!(["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "preferred_username",]);
    document["claim_types_supported"] = json!(["normal"]);
    document["claims_parameter_supported"] = json!(false);
    document["request_parameter_supported"] = json!(false);
    document["request_uri_parameter_supported"] = json!(false);
    document
}

async fn read(world: &World, path: &str) -> (u16, Value) {
    crate::world::read(world.get(path).await).await
}

/// Grants for which somebody must be trusted are told of where somebody is.
#[tokio::test]
async fn documents_where_somebody_is_trusted() {
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let scene = Enterprise::with("allow: {everyone: true}", crate::token_exchange::beside).await;
    let world = World::start_with(crate::token_exchange::configured).await;
    let mut wanted = document(ISSUER);
    wanted["grant_types_supported"].as_array_mut().unwrap().push(json!(exchange));
    assert_eq!(read(&world, "/.well-known/oauth-authorization-server").await, (200, wanted.clone()));
    wanted["grant_types_supported"].as_array_mut().unwrap().push(json!(enterprise::GRANT));
    let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    wanted["authorization_grant_profiles_supported"] = profiles;
    let world = scene.world;
    assert_eq!(read(&world, "/.well-known/oauth-authorization-server").await, (200, wanted));
}

#[tokio::test]
async fn documents_of_an_issuer_without_path() {
    let world = World::start().await;
    assert_eq!(read(&world, "/.well-known/oauth-authorization-server").await, (200, document(ISSUER)));
    assert_eq!(read(&world, "/.well-known/openid-configuration").await, (200, openid(ISSUER)));
    for absent in ["/.well-known/oauth-authorization-server/mcp", "/mcp/.well-known/openid-configuration"] {
        assert_eq!(read(&world, absent).await.0, 404, "{absent}");
    }
}

#[tokio::test]
async fn documents_and_endpoints_of_an_issuer_with_path() {
    let issuer = format!("{ISSUER}/tenant/a");
    let world =
        World::start_with(|yaml| yaml.replace("issuer: http://127.0.0.1:8080", &format!("issuer: {issuer}")))
            .await;
    for (path, wanted) in [
        ("/.well-known/oauth-authorization-server/tenant/a", document(&issuer)),
        ("/.well-known/openid-configuration/tenant/a", openid(&issuer)),
        ("/tenant/a/.well-known/openid-configuration", openid(&issuer)),
    ] {
        assert_eq!(read(&world, path).await, (200, wanted), "{path}");
    }
    for absent in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks"] {
        assert_eq!(read(&world, absent).await.0, 404, "{absent}");
    }
    assert_eq!(read(&world, "/tenant/a/jwks").await.0, 200);
}

#[tokio::test]
async fn the_issuer_never_comes_from_the_request() {
    let world = World::start().await;
    for header in ["host", "x-forwarded-host", "forwarded"] {
        let value = if header == "forwarded" { "host=evil.example;proto=https" } else { "evil.example" };
        let request =
            world.http.get(world.url("/.well-known/oauth-authorization-server")).header(header, value);
        assert_eq!(crate::world::read(request.send().await.unwrap()).await.1, document(ISSUER), "{header}");
    }
}

#[tokio::test]
async fn closed_registration_is_neither_offered_nor_there() {
    let world = World::start_with(|yaml| yaml.replace("open: true", "open: false")).await;
    let (_, document) = read(&world, "/.well-known/oauth-authorization-server").await;
    assert!(document.get("registration_endpoint").is_none());
    assert_eq!(world.post("/register", &[]).await.0, 404);
    assert_eq!(world.get("/register/c_x").await.status(), 401, "who has registered may still leave");
}

#[tokio::test]
async fn browsers_of_other_origins_may_read_and_post() {
    let world = World::start().await;
    for (path, method) in [
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/.well-known/openid-configuration", "GET"),
        ("/jwks", "GET"),
        ("/register", "POST"),
        ("/register/c_x", "GET"),
        ("/register/c_x", "PUT"),
        ("/register/c_x", "DELETE"),
        ("/token", "POST"),
        ("/revoke", "POST"),
        ("/par", "POST"),
        ("/device_authorization", "POST"),
        ("/userinfo", "GET"),
    ] {
        let preflight = world
            .http
            .request(reqwest::Method::OPTIONS, world.url(path))
            .header("origin", "https://inspector.example")
            .header("access-control-request-method", method)
            .header(
                "access-control-request-headers",
                "mcp-protocol-version, content-type, authorization, dpop",
            );
        let response = preflight.send().await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).map(|v| v.to_str().unwrap().to_lowercase()).unwrap_or_default()
        };
        assert!(response.status().is_success(), "{path}");
        assert_eq!(header("access-control-allow-origin"), "*", "{path}");
        assert!(header("access-control-allow-methods").contains(&method.to_lowercase()), "{path}");
        for name in ["mcp-protocol-version", "content-type", "authorization", "dpop"] {
            assert!(header("access-control-allow-headers").contains(name), "{path} {name}");
        }
        assert_eq!(header("access-control-allow-credentials"), "", "{path}");
    }
    for path in ["/authorize", "/login", "/consent", "/introspect", "/device"] {
        let request = world.http.get(world.url(path)).header("origin", "https://evil.example");
        assert!(
            !request.send().await.unwrap().headers().contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn public_documents_may_be_cached_for_a_short_time() {
    let world = World::start().await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks"] {
        assert_eq!(world.get(path).await.headers()["cache-control"], "public, max-age=300", "{path}");
    }
    let jwks: Value = world.get("/jwks").await.json().await.unwrap();
    assert_eq!(read(&world, "/.well-known/jwks.json").await, (200, jwks.clone()));
    let key = jwks["keys"][0].as_object().unwrap();
    assert!(!key.contains_key("d"), "public members only");
}
