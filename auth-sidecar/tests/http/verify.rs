//! What proxies without the filter ask: may this request go on?

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::world::World;
use crate::world::client::{Client, REDIRECT, Tokens, VERIFIER};
use crate::world::dpop::Key;

/// Two resource servers on one host, one below the other's path, and one elsewhere.
async fn world() -> World {
    World::start_with(|yaml| {
        yaml.replace("http://127.0.0.1:8080/other, scopes", "http://127.0.0.1:8080/mcp/inner, scopes")
            .replace("users:\n", "  - {url: 'https://mcp.example/', scopes: [a]}\nusers:\n")
            .replace("data_key: {file: FOLDER/data.key}\nregistration: {open: true}\n", "")
            .replace("users:\n", "data_key: {file: FOLDER/data.key}\nregistration: {open: true}\nusers:\n")
    })
    .await
}

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    let answer = world.http.get(format!("{}{path}", world.internal)).headers(map).send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone())
}

async fn envoy(world: &World, path: &str, authorization: &[&str]) -> (u16, HeaderMap) {
    let mut headers = vec![("host", "127.0.0.1:8080")];
    headers.extend(authorization.iter().map(|line| ("authorization", *line)));
    ask(world, &format!("/verify/envoy{path}"), &headers).await
}

#[tokio::test]
async fn a_good_token_goes_on_with_who_it_is() {
    let world = world().await;
    let tokens = Client::public(&world).await.tokens(&world).await;
    let bearer = format!("Bearer {}", tokens.access);
    for path in ["/mcp", "/mcp/", "/mcp/x?y=z", "/mcp/innermost"] {
        let (status, headers) = envoy(&world, path, &[&bearer]).await;
        assert_eq!(status, 200, "{path}");
        for (name, wanted) in [
            ("x-wicketgate-subject", "alice"),
            ("x-wicketgate-scope", "mcp:read mcp:write"),
            ("x-wicketgate-groups", "engineering"),
            ("x-wicketgate-roles", "operator"),
            ("x-wicketgate-org", "acme"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers[name], wanted, "{path}");
        }
    }
    let named = [("x-forwarded-host", "127.0.0.1:8080"), ("authorization", &bearer)];
    let forward = async |uri: &str| {
        let headers = [named.as_slice(), &[("x-forwarded-uri", uri)]].concat();
        ask(&world, "/verify/forward", &headers).await.0
    };
    assert_eq!((forward("/mcp?a=b").await, forward("/elsewhere").await), (200, 403));
}

#[tokio::test]
async fn everything_else_does_not() {
    let world = world().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let good = format!("Bearer {}", tokens.access);
    let metadata = "resource_metadata=\"http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp\"";
    for (path, lines, status, said) in [
        ("/mcp", vec![], 401, "scope=\"mcp:read\""),
        ("/mcp", vec!["Basic eDp4"], 401, "scope=\"mcp:read\""),
        ("/mcp", vec!["Bearer x"], 401, "error=\"invalid_token\""),
        ("/mcp", vec![good.as_str(), good.as_str()], 400, "error=\"invalid_request\""),
        ("/mcp?access_token=x", vec![good.as_str()], 400, "error=\"invalid_request\""),
        ("/mcp", vec!["DPoP x"], 401, "error=\"invalid_token\""),
        ("/mcp/inner", vec![good.as_str()], 401, "oauth-protected-resource/mcp/inner\""),
        ("/mcp/inner/x", vec![good.as_str()], 401, "oauth-protected-resource/mcp/inner\""),
    ] {
        let (answered, headers) = envoy(&world, path, &lines).await;
        let challenge = headers["www-authenticate"].to_str().unwrap();
        assert!(answered == status && challenge.contains(said), "{path} {lines:?}: {answered} {challenge}");
        assert!(path.contains("inner") || challenge.contains(metadata), "{challenge}");
        assert!(!headers.contains_key("x-wicketgate-subject"));
    }
    assert_eq!(envoy(&world, "", &[&good]).await.0, 404);
    for path in [
        "/",
        "/mc",
        "/mcpx",
        "/mcp/%2e%2e/other",
        "/x%5c",
        "//mcp",
        "/mcp//",
        "/mcp//inner",
        "/mcp/inner//x",
        "/mcp///inner",
        "/mcp/x//y?z=/",
    ] {
        assert_eq!(envoy(&world, path, &[&good]).await.0, 403, "{path}");
    }
    client.post(&world, "/revoke", &[("token", &tokens.refresh)], &[]).await;
    assert_eq!(envoy(&world, "/mcp", &[&good]).await.0, 401, "revoked");
}

/// What a caller of the proxy writes beside what the proxy says.
#[tokio::test]
async fn nobody_else_names_the_resource() {
    let world = world().await;
    let tokens = Client::public(&world).await.tokens(&world).await;
    let bearer = format!("Bearer {}", tokens.access);
    let elsewhere = [("host", "mcp.example"), ("authorization", bearer.as_str())];
    let told = [("x-forwarded-host", "127.0.0.1:8080"), ("x-forwarded-uri", "/mcp")];
    let (status, _) = ask(&world, "/verify/envoy/mcp", &[elsewhere, told].concat()).await;
    assert_eq!(status, 401, "Envoy's host counts, whatever else was sent");
    for twice in [("x-forwarded-host", "mcp.example"), ("x-forwarded-uri", "/other")] {
        let headers = [told.as_slice(), &[twice, ("authorization", &bearer)]].concat();
        assert_eq!(ask(&world, "/verify/forward", &headers).await.0, 403, "{twice:?}");
    }
    for host in ["127.0.0.1:8080@mcp.example", "127.0.0.1:8080/mcp", "127.0.0.1", ""] {
        let headers = [("x-forwarded-host", host), ("x-forwarded-uri", "/mcp"), ("authorization", &bearer)];
        assert_eq!(ask(&world, "/verify/forward", &headers).await.0, 403, "{host}");
    }
}

/// On a host whose root is a resource, what cannot be read must not be taken for that.
#[tokio::test]
async fn a_path_that_cannot_be_read_is_no_path() {
    let world = world().await;
    let forward = async |uris: &[&str]| {
        let uris = uris.iter().map(|uri| ("x-forwarded-uri", *uri));
        let headers: Vec<_> = std::iter::once(("x-forwarded-host", "mcp.example")).chain(uris).collect();
        ask(&world, "/verify/forward", &headers).await.0
    };
    for good in ["/", "/x?y=%3C&z", "/x#y"] {
        assert_eq!(forward(&[good]).await, 401, "{good}: it is there, and no token was shown");
    }
    for bad in [
        &[][..],
        &["/", "/"],
        &["/x", "/y"],
        &["/<"],
        &["/x?y=<"],
        &["/`"],
        &["/a b"],
        &["x"],
        &["*"],
        &[""],
        &["/a//b"],
    ] {
        assert_eq!(forward(bad).await, 403, "{bad:?}");
    }
}

#[tokio::test]
async fn a_bound_token_is_not_enough() {
    let world = world().await;
    let client = Client::public(&world).await;
    let (key, code) = (Key::new("ES256"), client.code(&world).await);
    let proof = key.proof("/token", 1_800_000_000);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let (status, body) = client.post_proving(&world, "/token", (&form, &[]), Some(&proof)).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("DPoP")));
    let tokens = Tokens::of(body);
    for scheme in ["Bearer", "DPoP"] {
        assert_eq!(envoy(&world, "/mcp", &[&format!("{scheme} {}", tokens.access)]).await.0, 401, "{scheme}");
    }
}
