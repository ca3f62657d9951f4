use serde_json::json;
use url::Url;

use super::{Authorization, Discovery, Registration, challenge_parameter, metadata_url};

fn discovery() -> Discovery {
    Discovery {
        mcp: "http://h/mcp".into(),
        scope: Some("mcp:read".into()),
        resource: json!({}),
        server: json!({
            "issuer": "http://h",
            "authorization_endpoint": "http://h/authorize?tenant=1",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        }),
    }
}

#[test]
fn challenge_parameters_are_read() {
    let challenge = r#"Bearer error="insufficient_scope", scope="a b", resource_metadata="http://h/x""#;
    assert_eq!(challenge_parameter(challenge, "scope").as_deref(), Some("a b"));
    assert_eq!(challenge_parameter(challenge, "resource_metadata").as_deref(), Some("http://h/x"));
    assert_eq!(challenge_parameter(challenge, "realm"), None);
    assert_eq!(challenge_parameter("Basic realm=\"x\"", "realm"), None);
}

#[test]
fn metadata_is_inserted_before_the_path() {
    assert_eq!(metadata_url("http://h:1").unwrap(), "http://h:1/.well-known/oauth-authorization-server");
    assert_eq!(metadata_url("http://h/a/b").unwrap(), "http://h/.well-known/oauth-authorization-server/a/b");
}

#[test]
fn a_code_is_taken_only_from_our_own_redirect() {
    let client = Registration { client_id: "c".into(), answer: json!({}) };
    let discovery = discovery();
    let request = Authorization::new(&discovery, &client, None).unwrap();
    assert!(request.url.starts_with("http://h/authorize?tenant=1&response_type=code&client_id=c&"));
    assert!(request.url.contains("&scope=mcp%3Aread"));
    let state = &request.state;
    let code = |query: &str| {
        let url = Url::parse(&format!("http://127.0.0.1:33418/callback?{query}")).unwrap();
        request.code(&discovery, &url)
    };
    assert_eq!(code(&format!("code=x&state={state}&iss=http%3A%2F%2Fh")).unwrap(), "x");
    assert!(code("code=x&state=other&iss=http%3A%2F%2Fh").is_err());
    assert!(code(&format!("code=x&state={state}")).is_err(), "iss was promised");
    assert!(code(&format!("code=x&state={state}&iss=http%3A%2F%2Fh%2F")).is_err(), "byte for byte");
    let denied = code(&format!("error=access_denied&state={state}&iss=http%3A%2F%2Fh")).unwrap_err();
    assert!(denied.to_string().contains("access_denied"));
}

#[test]
fn without_s256_there_is_no_request() {
    let client = Registration { client_id: "c".into(), answer: json!({}) };
    let mut discovery = discovery();
    discovery.server["code_challenge_methods_supported"] = json!(["plain"]);
    assert!(Authorization::new(&discovery, &client, None).is_err());
}
