//! Enterprise-Managed Authorization (MCP): a token for whom an employer's provider of identity vouches for.

use serde_json::{Value, json};

use crate::opaque_tokens::validate;
use crate::world::client::{Client, decode};
use crate::world::dpop::Key;
use crate::world::enterprise::{self, Enterprise, GRANT};
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::upstream::{Upstream, signed};
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World, read};

const T0: u64 = 1_800_000_000;
const MAPPED: &str = "allow: {subjects: [u-9], claims: {groups: [eng]}}, claims: {groups: {from: groups, only: [eng, ops], \
    prefix: 'x:'}, roles: {from: /realm_access/roles, names: {adm: admin}}, org: {from: hd}}";

fn token(body: &Value) -> &str {
    body["access_token"].as_str().unwrap_or_else(|| panic!("no token: {body}"))
}

#[tokio::test]
async fn the_token_is_the_users_and_says_what_the_rules_let_through() {
    for scene in [Enterprise::with(MAPPED, |yaml| yaml).await, Enterprise::of_provider(MAPPED).await] {
        let (status, mut body) = scene
            .presented(|claims| {
                claims.set("groups", json!(["eng", "everybody"]));
                claims.set("realm_access", json!({"roles": ["adm"]}));
                claims.set("hd", json!("acme.example"));
                claims.set("email", json!("alice"));
                claims.set("auth_time", json!(T0 - 900));
                claims.set("scope", json!("mcp:read openid offline_access other:use"));
            })
            .await;
        assert_eq!(status, 200, "{body}");
        let (header, mut claims) = decode(token(&body));
        body["access_token"] = Value::Null;
        assert_eq!(
            body,
            json!({"access_token": null, "token_type": "Bearer", "expires_in": 600, "scope": "mcp:read"}),
            "no refresh token, no ID token"
        );
        assert_eq!(header["typ"], "at+jwt");
        for random in ["jti", "grant_id"] {
            assert!(claims[random].is_string());
            claims.as_object_mut().unwrap().remove(random);
        }
        assert_eq!(
            claims,
            json!({
                "iss": ISSUER, "sub": format!("{}#u-1", scene.upstream.base), "aud": RESOURCE,
                "client_id": "agent", "scope": "mcp:read", "iat": T0, "exp": T0 + 600, "auth_time": T0 - 900,
                "groups": ["x:eng"], "roles": ["admin"], "org": "acme.example",
            })
        );
    }
}

/// Else an operator would not find what to end.
#[tokio::test]
async fn the_grant_is_on_the_lists_of_its_user_and_its_client() {
    let scene = Enterprise::start().await;
    let (_, body) = scene.presented(|_| {}).await;
    let (_, claims) = decode(token(&body));
    let subject: String =
        url::form_urlencoded::byte_serialize(claims["sub"].as_str().unwrap().as_bytes()).collect();
    for list in [format!("users/{subject}"), "clients/agent".to_owned()] {
        let asked = scene.world.http.get(format!("{}/v1/{list}/grants", scene.world.admin));
        let (status, listed) = read(asked.send().await.unwrap()).await;
        let of = |grant: &Value| grant["grant_id"] == claims["grant_id"] && grant["sub"] == claims["sub"];
        let grants = listed["grants"].as_array();
        assert!(
            status == 200 && grants.is_some_and(|grants| grants.len() == 1 && of(&grants[0])),
            "{list}: {listed}"
        );
    }
    let grant = format!("{}/v1/grants/{}", scene.world.admin, claims["grant_id"].as_str().unwrap());
    assert_eq!(scene.world.http.delete(grant).send().await.unwrap().status(), 204);
    assert_eq!(validate(&scene.world, token(&body), RESOURCE).await["active"], false);
}

#[tokio::test]
async fn what_is_not_said_is_not_in_the_token() {
    let scene = Enterprise::start().await;
    let (_, body) = scene.presented(|claims| claims.set("groups", json!(["eng"]))).await;
    let (_, claims) = decode(token(&body));
    for absent in ["auth_time", "groups", "roles", "org", "cnf"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn whom_the_rules_keep_out_gets_nothing() {
    let scene = Enterprise::with(MAPPED, |yaml| yaml).await;
    for (groups, good) in [
        (json!(["eng"]), true),
        (json!("eng"), true),
        (json!(["sales"]), false),
        (json!(null), false),
        (json!(["eng", 7]), false),
        (json!({"eng": true}), false),
    ] {
        let (status, body) = scene.presented(|claims| claims.set("groups", groups.clone())).await;
        match good {
            true => assert_eq!(status, 200, "{groups} {body}"),
            false => assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "{groups} {body}"),
        }
    }
}

#[tokio::test]
async fn the_scope_is_what_all_sides_agree_on() {
    let narrow = |yaml: String| yaml.replace("id: agent,", "id: agent, scopes: [mcp:write],");
    let free = Enterprise::start().await;
    let bounded = Enterprise::with("allow: {everyone: true}", narrow).await;
    for (scene, said, asked, wanted) in [
        (&free, Some("mcp:read mcp:write"), "", Ok("mcp:read mcp:write")),
        (&free, Some("mcp:read mcp:write"), "mcp:write", Ok("mcp:write")),
        (&free, Some("mcp:read"), "mcp:read mcp:write", Ok("mcp:read")),
        (&free, Some("mcp:read"), "mcp:write", Err("invalid_scope")),
        (&free, Some("mcp:read"), "a\"b", Err("invalid_scope")),
        (&free, None, "", Ok("mcp:read")),
        (&free, None, "mcp:write", Err("invalid_scope")),
        (&free, Some("openid"), "", Err("invalid_grant")),
        (&bounded, Some("mcp:read mcp:write"), "", Ok("mcp:write")),
        (&bounded, Some("mcp:read"), "", Err("invalid_grant")),
        (&bounded, None, "", Err("invalid_grant")),
    ] {
        let assertion = scene.assertion(|claims| match said {
            Some(scope) => claims.set("scope", json!(scope)),
            None => claims.remove("scope"),
        });
        let (_, body) = scene.present(&assertion, &[("scope", asked)]).await;
        match wanted {
            Ok(scope) => assert_eq!(body["scope"], scope, "{said:?} {asked} {body}"),
            Err(error) => assert_eq!(body["error"], error, "{said:?} {asked} {body}"),
        }
    }
}

#[tokio::test]
async fn only_configured_clients_that_prove_who_they_are_may() {
    let scene = Enterprise::start().await;
    let registered = Client::confidential(&scene.world, "client_secret_basic").await;
    let public = Client::public(&scene.world).await;
    let wrong = Client { secret: Some("x".into()), ..Client::configured("agent") };
    for (client, status, error) in [
        (&registered, 400, "unauthorized_client"),
        (&public, 400, "unauthorized_client"),
        (&Client::configured("resource-server"), 400, "unauthorized_client"),
        (&wrong, 401, "invalid_client"),
        (
            &Client { secret: None, method: "none".into(), ..Client::configured("agent") },
            401,
            "invalid_client",
        ),
    ] {
        let assertion = scene.assertion(|claims| claims.set("client_id", json!(client.id)));
        let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        let (got, body) = client.post(&scene.world, "/token", &form, &[]).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{} {body}", client.id);
    }
    let (status, body) = scene.present("", &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "assertion is missing");
    let asked =
        json!({"redirect_uris": ["http://127.0.0.1:7777/cb"], "grant_types": ["authorization_code", GRANT]});
    let answer = scene.world.http.post(scene.world.url("/register")).json(&asked).send().await.unwrap();
    assert_eq!(read(answer).await.1["grant_types"], json!(["authorization_code"]), "nobody registers it");
    let world = World::start().await;
    let form = [("grant_type", GRANT), ("assertion", "x")];
    let (_, body) = Client::configured("resource-server").post(&world, "/token", &form, &[]).await;
    assert_eq!(body["error"], "unsupported_grant_type", "off where nobody is trusted");
}

#[tokio::test]
async fn the_grant_can_be_revoked_and_that_is_news() {
    let scene = Enterprise::start().await;
    let (_, body) = scene.presented(|_| {}).await;
    let alive = async || validate(&scene.world, token(&body), RESOURCE).await["active"] == true;
    assert!(alive().await);
    assert_eq!(scene.agent.post(&scene.world, "/revoke", &[("token", token(&body))], &[]).await.0, 200);
    assert!(!alive().await);
    let feed =
        scene.world.http.get(format!("{}/v1/feed?since=0", scene.world.internal)).send().await.unwrap();
    let (_, news) = decode(&feed.text().await.unwrap());
    assert_eq!((&news["revocations"][0]["kind"], &news["seq"]), (&json!("grant"), &json!(1)), "{news}");
}

#[tokio::test]
async fn opaque_tokens_end_with_the_trust() {
    let opaque = |yaml: String| {
        yaml.replace("default_scopes: [mcp:read]}", "default_scopes: [mcp:read], access_tokens: opaque}")
    };
    let mut scene = Enterprise::with(MAPPED, opaque).await;
    let (_, body) = scene.presented(|claims| claims.set("groups", json!(["eng"]))).await;
    assert!(token(&body).starts_with("ma_"), "{body}");
    let told = validate(&scene.world, token(&body), RESOURCE).await;
    assert_eq!((&told["groups"], &told["client_id"]), (&json!(["x:eng"]), &json!("agent")), "{told}");
    assert_eq!((&told["sub"], told.get("auth_time")), (&json!(format!("{}#u-1", scene.upstream.base)), None));
    scene.world.restart_with(|yaml| yaml.replace("prefix: 'x:'", "prefix: 'y:'")).await;
    assert_eq!(validate(&scene.world, token(&body), RESOURCE).await, json!({"active": false}));
}

#[tokio::test]
async fn what_an_assertion_says_counts_for_its_own_token_alone() {
    let scene = Enterprise::of_provider(
        "allow: {everyone: true}, claims: {groups: {from: groups, only: [eng, ops]}}",
    )
    .await;
    scene.upstream.lie(|claims| claims.set("groups", json!(["eng"])));
    let client = Client::public(&scene.world).await;
    let signed_in = crate::world::upstream::tokens(&scene.upstream, &scene.world, &client).await;
    let (_, body) = scene.presented(|claims| claims.set("groups", json!(["ops"]))).await;
    let (_, asserted) = decode(token(&body));
    assert_eq!((&asserted["sub"], &asserted["groups"]), (&signed_in.decoded().1["sub"], &json!(["ops"])));
    let (_, refreshed) = client.refresh(&scene.world, &signed_in.refresh, &[]).await;
    assert_eq!(decode(token(&refreshed)).1["groups"], json!(["eng"]), "as at the sign-in");
}

#[tokio::test]
async fn a_bound_assertion_needs_its_key() {
    let scene = Enterprise::start().await;
    let (key, another) = (Key::new("ES256"), Key::new("ES256"));
    for (bound, prover, good) in [
        (Some(&key), None, false),
        (Some(&key), Some(&another), false),
        (Some(&key), Some(&key), true),
        (None, Some(&key), true),
    ] {
        let assertion = scene.assertion(|claims| {
            if let Some(key) = bound {
                claims.set("cnf", json!({"jkt": key.thumbprint()}));
            }
        });
        let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        let proof = prover.map(|key| key.proof("/token", T0));
        let (status, body) =
            scene.agent.post_proving(&scene.world, "/token", (&form, &[]), proof.as_deref()).await;
        match good {
            true => assert_eq!(decode(token(&body)).1["cnf"], json!({"jkt": key.thumbprint()})),
            false => assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "{body}"),
        }
    }
}

#[tokio::test]
async fn the_token_can_be_exchanged() {
    let scene = Enterprise::with("allow: {everyone: true}", crate::token_exchange::beside).await;
    let (_, body) = scene.presented(|_| {}).await;
    let (_, exchanged) = crate::token_exchange::exchange(&scene.world, token(&body)).await;
    let (before, after) = (decode(token(&body)).1, decode(token(&exchanged)).1);
    assert_eq!((&after["sub"], &after["grant_id"]), (&before["sub"], &before["grant_id"]));
    assert_eq!((&after["aud"], &after["scope"]), (&json!(OTHER_RESOURCE), &json!("mcp:read")));
}

/// Clients that publish themselves may where the operator names them for the issuer.
#[tokio::test]
async fn a_published_client_may_that_is_listed_for_the_issuer() {
    let (publisher, signer) = (Publisher::start().await, Signer::es256());
    let url = |path: &str| publisher.url(path);
    let publish = |path: &str, method: &str, grants: &[&str]| {
        let mut document = json!({
            "client_id": url(path), "client_name": "Agent", "token_endpoint_auth_method": method,
            "grant_types": grants, "redirect_uris": ["https://agent.example/cb"],
        });
        if method == "private_key_jwt" {
            document["jwks"] = signer.jwks();
        }
        if !grants.contains(&"authorization_code") {
            document.as_object_mut().unwrap().remove("redirect_uris");
        }
        publisher.publish(path, &document);
    };
    publish("/agent", "private_key_jwt", &[GRANT]);
    publish("/unlisted", "private_key_jwt", &["authorization_code", GRANT]);
    publish("/public", "none", &["authorization_code", GRANT]);
    publish("/other-grants", "private_key_jwt", &["authorization_code"]);
    let listed = ["/agent", "/public", "/other-grants"].map(url).join("', '");
    let issuer = format!("allow: {{everyone: true}}, published_clients: ['{listed}']");
    let mut scene = Enterprise::with(&issuer, |yaml| publisher.allowed(&yaml)).await;
    // Another enterprise that is trusted for the same resource, and names no such client.
    let other = Upstream::start().await;
    let entry = enterprise::trusted(&other, "allow: {everyone: true}");
    let (_, entry) = entry.split_once('\n').unwrap();
    let both = format!("identity_assertions:\n{entry}");
    scene.world.restart_with(|yaml| yaml.replace("identity_assertions:\n", &both)).await;

    let ask = async |scene: &Enterprise, path: &str, assertion: &str| {
        let client = Client { id: url(path), secret: None, method: "none".into() };
        let proof = signer.assertion(&scene.world, &client.id, |_| {});
        let form = [
            ("grant_type", GRANT),
            ("assertion", assertion),
            ("client_assertion_type", ASSERTION),
            ("client_assertion", proof.as_str()),
        ];
        client.post(&scene.world, "/token", &form, &[]).await
    };
    let assertion =
        |scene: &Enterprise, path: &str| scene.assertion(|claims| claims.set("client_id", json!(url(path))));
    let (status, body) = ask(&scene, "/agent", &assertion(&scene, "/agent")).await;
    assert_eq!((status, &body["scope"]), (200, &json!("mcp:read")), "{body}");
    assert_eq!(decode(token(&body)).1["client_id"], json!(url("/agent")));
    assert_eq!(validate(&scene.world, token(&body), RESOURCE).await["active"], true);
    assert_eq!(publisher.asked("/agent"), 1, "nobody need have signed in for it");

    let mut theirs = enterprise::claims(&other.base);
    theirs.set("client_id", json!(url("/agent")));
    let theirs = signed(&other.mock.lock().unwrap().pair, enterprise::TYPE, theirs);
    for (case, path, assertion, status, error) in [
        ("an issuer that does not name it", "/agent", theirs, 400, "invalid_grant"),
        ("another client's", "/agent", scene.assertion(|_| {}), 400, "invalid_grant"),
        ("not listed", "/unlisted", assertion(&scene, "/unlisted"), 401, "invalid_client"),
        ("proves nothing", "/public", assertion(&scene, "/public"), 401, "invalid_client"),
        ("other grants", "/other-grants", assertion(&scene, "/other-grants"), 400, "unauthorized_client"),
    ] {
        let (got, body) = ask(&scene, path, &assertion).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{case}: {body}");
    }
    assert_eq!(publisher.asked("/unlisted"), 0, "and nothing is fetched for it");
    // Taken out while the server runs, it is one of many, whatever was remembered of it.
    let agent = format!("'{}', ", url("/agent"));
    let again = assertion(&scene, "/agent");
    scene.world.reload(|yaml| yaml.replace(&agent, "")).await.unwrap();
    assert_eq!(ask(&scene, "/agent", &again).await.1["error"], "invalid_client");
}
