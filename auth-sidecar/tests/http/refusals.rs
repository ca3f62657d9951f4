//! What is refused, as tables: the change to a good request, and the answer.

use serde_json::json;

use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, basic, challenge};
use crate::world::{ISSUER, World, encode, form_headers, read};

#[tokio::test]
async fn refusals_that_the_client_is_told() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let long_state = "x".repeat(5000);
    for (changes, error) in [
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge", "short")], "invalid_request"),
        (vec![("response_type", "")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code token")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("request", "eyJ")], "request_not_supported"),
        (vec![("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
        (vec![("scope", "nothing:known")], "invalid_scope"),
        (vec![("scope", "a\"b")], "invalid_scope"),
        (vec![("resource", "https://elsewhere.example/mcp")], "invalid_target"),
        (vec![("resource", "http://127.0.0.1:8080/mcp#x")], "invalid_target"),
        (vec![("resource", "mcp")], "invalid_target"),
        (vec![("resource", "")], "invalid_target"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("max_age", "-1")], "invalid_request"),
        (vec![("scope", "mcp:read"), ("scope", "mcp:write")], "invalid_request"),
        (vec![("response_type", "code"), ("response_type", "code")], "invalid_request"),
        (vec![("x", "1"), ("x", "2")], "invalid_request"),
        (vec![("state", long_state.as_str())], "invalid_request"),
    ] {
        let page = Browser::default().get(&world, &client.link(&changes)).await;
        assert_eq!(page.param("error").as_deref(), Some(error), "{changes:?}: {page:?}");
        assert!(page.left_for.as_deref().unwrap().starts_with(&format!("{REDIRECT}?")));
        assert_eq!(page.param("iss").as_deref(), Some(ISSUER), "{changes:?}");
        assert!(page.param("code").is_none());
    }
}

#[tokio::test]
async fn what_is_no_text_is_refused() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let page = Browser::default().get(&world, &format!("{}&nonce=%FF", client.link(&[]))).await;
    assert_eq!(page.param("error").as_deref(), Some("invalid_request"));
    let request = world.http.post(world.url("/token")).headers(form_headers());
    let (status, answer) = read(request.body("grant_type=%FF").send().await.unwrap()).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn refusals_that_stay_on_our_own_page() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    for changes in [
        vec![("client_id", "")],
        vec![("client_id", "c_unknown")],
        vec![("client_id", client.id.as_str()), ("client_id", client.id.as_str())],
        vec![("redirect_uri", "https://evil.example/cb")],
        vec![("redirect_uri", "http://127.0.0.1:7777/other")],
        vec![("redirect_uri", "http://127.0.0.1:7777/cb/../cb")],
        vec![("redirect_uri", "http://127.0.0.1:7777/cb?x=1")],
        vec![("redirect_uri", "http://127.0.0.1:7777@evil.example/cb")],
        vec![("redirect_uri", "http://localhost:7777/cb")],
        vec![("redirect_uri", "https://127.0.0.1:7777/cb")],
        vec![("redirect_uri", REDIRECT), ("redirect_uri", "https://evil.example/cb")],
    ] {
        let page = Browser::default().get(&world, &client.link(&changes)).await;
        assert_eq!((page.status, page.left_for.as_deref()), (400, None), "{changes:?}: {page:?}");
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(!page.body.contains("evil.example"), "nothing of the request is repeated");
    }
}

#[tokio::test]
async fn refusals_of_the_token_endpoint() {
    let world = World::start().await;
    let public = Client::public(&world).await;
    let secret = Client::confidential(&world, "client_secret_basic").await;
    let code = ("grant_type", "authorization_code");
    let rest = [("code", "mc_x"), ("code_verifier", "x")];
    for (form, status, error) in [
        (vec![], 400, "invalid_request"),
        (vec![("grant_type", "password"), ("client_id", &public.id)], 400, "unsupported_grant_type"),
        (vec![code], 401, "invalid_client"),
        (vec![code, ("client_id", "c_unknown")], 401, "invalid_client"),
        (vec![code, ("client_id", &secret.id), rest[0], rest[1]], 401, "invalid_client"),
        (
            vec![code, ("client_id", &secret.id), ("client_secret", secret.secret.as_deref().unwrap())],
            401,
            "invalid_client",
        ),
        (vec![code, ("client_id", &public.id), ("client_secret", "x")], 401, "invalid_client"),
        (vec![code, ("client_id", &public.id)], 400, "invalid_request"),
        (vec![code, ("client_id", &public.id), rest[0]], 400, "invalid_request"),
        (vec![code, ("client_id", &public.id), rest[0], rest[1]], 400, "invalid_grant"),
        (vec![code, code, ("client_id", &public.id), rest[0], rest[1]], 400, "invalid_request"),
        (vec![code, ("client_id", &public.id), rest[0], rest[0], rest[1]], 400, "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("client_id", &public.id)], 400, "invalid_request"),
        (
            vec![("grant_type", "refresh_token"), ("client_id", &public.id), ("refresh_token", "mc_x")],
            400,
            "invalid_grant",
        ),
    ] {
        let (got, body) = world.post("/token", &form).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{form:?}: {body}");
    }
}

#[tokio::test]
async fn refusals_of_client_authentication() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let secret = client.secret.as_deref().unwrap();
    let body = encode(&[("grant_type", "refresh_token"), ("refresh_token", "mr_x")]);
    for (headers, status, error) in [
        (vec![basic(&client.id, secret)], 400, "invalid_grant"),
        (vec![basic(&client.id, "wrong")], 401, "invalid_client"),
        (vec![basic("c_unknown", secret)], 401, "invalid_client"),
        (vec!["Basic !!!".to_owned()], 401, "invalid_client"),
        (vec!["Bearer x".to_owned()], 401, "invalid_client"),
        (vec![basic(&client.id, secret), basic(&client.id, secret)], 400, "invalid_request"),
    ] {
        let mut request = world.http.post(world.url("/token")).headers(form_headers()).body(body.clone());
        for header in &headers {
            request = request.header("authorization", header);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status() == 401, response.headers().contains_key("www-authenticate"));
        assert_eq!(response.headers()["cache-control"], "no-store");
        let (got, answer) = read(response).await;
        assert_eq!((got, &answer["error"]), (status, &json!(error)), "{headers:?}");
    }
}

#[tokio::test]
async fn only_forms_are_read() {
    let world = World::start().await;
    let body = "grant_type=authorization_code";
    for content_type in [None, Some("application/json"), Some("text/plain"), Some("multipart/form-data")] {
        for path in ["/token", "/revoke", "/introspect"] {
            let mut request = world.http.post(world.url(path)).body(body);
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let (status, answer) = read(request.send().await.unwrap()).await;
            assert_eq!(
                (status, &answer["error"]),
                (400, &json!("invalid_request")),
                "{path} {content_type:?}"
            );
        }
    }
    let (form, registration) =
        ("application/x-www-form-urlencoded", r#"{"redirect_uris": ["https://a.example/"]}"#);
    for (path, first, body) in [("/token", form, body), ("/register", "application/json", registration)] {
        let twice = world.http.post(world.url(path)).header("content-type", first);
        let (status, answer) =
            read(twice.header("content-type", "text/plain").body(body).send().await.unwrap()).await;
        let refused = ["invalid_request", "invalid_client_metadata"].map(|error| json!(error));
        assert!(status == 400 && refused.contains(&answer["error"]), "{path}: {answer}");
    }
    let with_charset = "application/x-www-form-urlencoded; charset=UTF-8";
    let request = world.http.post(world.url("/token")).header("content-type", with_charset).body(body);
    assert_eq!(read(request.send().await.unwrap()).await.1["error"], "invalid_client");
    assert_eq!(world.get("/token").await.status(), 405);
    assert_eq!(world.get("/nothing").await.status(), 404);
}

#[tokio::test]
async fn pkce_cannot_be_left_out_at_the_end() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let code = client.code(&world).await;
    let (status, body) = client.redeem(&world, &code, &[("code_verifier", "")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "confidential clients too");
    let own_challenge = challenge("x");
    let (status, body) = client.redeem(&world, &code, &[("code_verifier", own_challenge.as_str())]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
}
