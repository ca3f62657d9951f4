//! An access token for another audience (RFC 8693): for whom, of what, and no more than before.

use std::time::Duration;

use serde_json::{Value, json};

use crate::opaque_tokens::validate;
use crate::openid_connect::tokens_for;
use crate::revocation_feed::{feed, id};
use crate::world::client::{Client, Tokens, decode};
use crate::world::dpop::Key;
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const T0: u64 = 1_800_000_000;

/// A client that may, and one that may something else; the two resource servers share a scope.
pub(crate) fn configured(yaml: String) -> String {
    let grants = format!("secret: {{file: FOLDER/rs.secret}}, grant_types: ['{GRANT}']");
    yaml.replace("scopes: [other:use]", "scopes: [other:use, mcp:read]")
        + &format!(
            r"
  - {{id: gateway, {grants}, scopes: [mcp:read, mcp:write, openid]}}
  - {{id: back, {grants}, scopes: [other:use]}}
token_exchange:
  - {{client: gateway, from: '{RESOURCE}', to: '{OTHER_RESOURCE}'}}
  - {{client: back, from: '{OTHER_RESOURCE}', to: '{RESOURCE}'}}
"
        )
}

/// The same beside those whose identity assertions count.
pub(crate) fn beside(yaml: String) -> String {
    let (clients, trust) = yaml.split_once("identity_assertions:").unwrap();
    configured(clients.to_owned()) + "identity_assertions:" + trust
}

/// The gateway's usual exchange of this token.
pub(crate) async fn exchange(world: &World, token: &str) -> (u16, Value) {
    Client::configured("gateway").post(world, "/token", &form(token), &[]).await
}

fn form(token: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", GRANT),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", OTHER_RESOURCE),
    ]
}

struct Scene {
    world: World,
    /// Whose tokens are exchanged.
    owner: Client,
    gateway: Client,
}

impl Scene {
    async fn start() -> Self {
        Self::with(|yaml| yaml).await
    }

    async fn with(change: impl FnOnce(String) -> String) -> Self {
        let world = World::start_with(|yaml| change(configured(yaml))).await;
        let owner = Client::confidential(&world, "client_secret_basic").await;
        Self { world, owner, gateway: Client::configured("gateway") }
    }

    /// The usual request for this token, changed.
    async fn ask(&self, client: &Client, token: &str, changes: &[(&str, &str)]) -> (u16, Value) {
        self.prove(client, token, changes, None).await
    }

    async fn prove(
        &self,
        client: &Client,
        token: &str,
        changes: &[(&str, &str)],
        proof: Option<&str>,
    ) -> (u16, Value) {
        client.post_proving(&self.world, "/token", (&form(token), changes), proof).await
    }

    async fn exchanged(&self, token: &str) -> String {
        let (status, body) = self.ask(&self.gateway, token, &[]).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    async fn is_alive(&self, token: &str) -> bool {
        validate(&self.world, token, OTHER_RESOURCE).await["active"] == true
    }
}

#[tokio::test]
async fn the_new_token_is_narrower_and_of_the_same_grant() {
    let scene = Scene::start().await;
    let tokens = tokens_for(&scene.world, &scene.owner, &[("scope", "openid mcp:read mcp:write")]).await;
    let (_, before) = tokens.decoded();
    scene.world.advance(Duration::from_secs(100));
    for (changes, kind) in [
        (vec![], ACCESS_TOKEN),
        (vec![("scope", "mcp:read")], ACCESS_TOKEN),
        (vec![("subject_token_type", JWT), ("requested_token_type", JWT)], JWT),
        (vec![("requested_token_type", ACCESS_TOKEN)], ACCESS_TOKEN),
        (vec![("resource", ""), ("audience", OTHER_RESOURCE)], ACCESS_TOKEN),
        (vec![("resource", OTHER_RESOURCE), ("audience", OTHER_RESOURCE)], ACCESS_TOKEN),
        (vec![("resource", ""), ("audience", OTHER_RESOURCE), ("audience", OTHER_RESOURCE)], ACCESS_TOKEN),
    ] {
        let (status, mut body) = scene.ask(&scene.gateway, &tokens.access, &changes).await;
        assert_eq!(status, 200, "{changes:?} {body}");
        let (header, mut claims) = decode(body["access_token"].as_str().unwrap());
        body["access_token"] = Value::Null;
        assert_eq!(
            body,
            json!({
                "access_token": null, "issued_token_type": kind, "token_type": "Bearer",
                "expires_in": 500, "scope": "mcp:read",
            }),
            "the rest of the subject token; no refresh token, no ID token"
        );
        assert_eq!(header["typ"], "at+jwt");
        assert_ne!(claims["jti"], before["jti"]);
        claims["jti"] = Value::Null;
        assert_eq!(
            claims,
            json!({
                "iss": ISSUER, "sub": "alice", "aud": OTHER_RESOURCE, "client_id": "gateway", "jti": null,
                "iat": T0 + 100, "exp": T0 + 600, "auth_time": T0, "scope": "mcp:read",
                "grant_id": before["grant_id"], "grant_client_id": scene.owner.id,
                "groups": ["engineering"], "roles": ["operator"], "org": "acme",
            })
        );
    }
}

#[tokio::test]
async fn requests_are_refused_for_what_is_wrong_with_them() {
    let scene = Scene::start().await;
    let tokens = scene.owner.tokens(&scene.world).await;
    let id_token = "urn:ietf:params:oauth:token-type:id_token";
    for (changes, error) in [
        (vec![("subject_token", "")], "invalid_request"),
        (vec![("subject_token_type", "")], "invalid_request"),
        (vec![("subject_token_type", id_token)], "invalid_request"),
        (vec![("subject_token_type", "access_token")], "invalid_request"),
        (vec![("requested_token_type", id_token)], "invalid_request"),
        (vec![("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request"),
        (vec![("actor_token", &tokens.access), ("actor_token_type", ACCESS_TOKEN)], "invalid_request"),
        (vec![("actor_token_type", ACCESS_TOKEN)], "invalid_request"),
        (vec![("audience", OTHER_RESOURCE), ("audience", RESOURCE)], "invalid_target"),
        (vec![("audience", OTHER_RESOURCE), ("audience", "crm")], "invalid_target"),
        (vec![("resource", "")], "invalid_target"),
        (vec![("resource", "https://elsewhere.example/")], "invalid_target"),
        (vec![("resource", RESOURCE)], "invalid_target"),
        (vec![("resource", OTHER_RESOURCE), ("resource", RESOURCE)], "invalid_target"),
        (vec![("audience", RESOURCE)], "invalid_target"),
        (vec![("audience", "gateway")], "invalid_target"),
        (vec![("scope", "other:use")], "invalid_scope"),
        (vec![("scope", "mcp:read other:use")], "invalid_scope"),
        (vec![("scope", "mcp:write")], "invalid_scope"),
        (vec![("scope", "a\"b")], "invalid_scope"),
    ] {
        let (status, body) = scene.ask(&scene.gateway, &tokens.access, &changes).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{changes:?} {body}");
    }
}

#[tokio::test]
async fn only_whom_the_operator_lists_may() {
    let scene = Scene::start().await;
    let tokens = scene.owner.tokens(&scene.world).await;
    let public = Client::public(&scene.world).await;
    for (client, changes, status, error) in [
        (&scene.owner, vec![], 400, "unauthorized_client"),
        (&public, vec![], 400, "unauthorized_client"),
        (&Client::configured("resource-server"), vec![], 400, "unauthorized_client"),
        // The target is its own, the audience of the token is not.
        (&Client::configured("back"), vec![("resource", RESOURCE)], 400, "invalid_request"),
        (&Client::configured("back"), vec![], 400, "invalid_target"),
        (
            &Client { secret: Some("x".into()), ..Client::configured("gateway") },
            vec![],
            401,
            "invalid_client",
        ),
    ] {
        let (got, body) = scene.ask(client, &tokens.access, &changes).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{} {changes:?} {body}", client.id);
    }
    let asked =
        json!({"redirect_uris": ["http://127.0.0.1:7777/cb"], "grant_types": ["authorization_code", GRANT]});
    let answer = scene.world.http.post(scene.world.url("/register")).json(&asked).send().await.unwrap();
    let (_, registered) = crate::world::read(answer).await;
    assert_eq!(registered["grant_types"], json!(["authorization_code"]), "nobody registers it");
    let world = World::start().await;
    let (_, body) =
        Client::configured("resource-server").post(&world, "/token", &[("grant_type", GRANT)], &[]).await;
    assert_eq!(body["error"], "unsupported_grant_type", "off where nobody is listed");
}

#[tokio::test]
async fn a_subject_token_must_be_alive_and_an_access_token() {
    let scene = Scene::start().await;
    let world = &scene.world;
    let tokens = tokens_for(world, &scene.owner, &[("scope", "openid mcp:read")]).await;
    let elsewhere =
        tokens_for(world, &scene.owner, &[("resource", OTHER_RESOURCE), ("scope", "mcp:read")]).await;
    let revoked = scene.owner.tokens(world).await;
    scene.owner.post(world, "/revoke", &[("token", &revoked.refresh)], &[]).await;
    let (head, _) = tokens.access.rsplit_once('.').unwrap();
    for token in [
        tokens.refresh.as_str(),
        tokens.body["id_token"].as_str().unwrap(),
        &elsewhere.access,
        &revoked.access,
        &format!("{head}."),
        &format!("{}x", tokens.access),
        "ma_AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "x",
    ] {
        let (status, body) = scene.ask(&scene.gateway, token, &[]).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{token} {body}");
    }
    scene.exchanged(&tokens.access).await;
    world.advance(Duration::from_secs(600));
    let (status, body) = scene.ask(&scene.gateway, &tokens.access, &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "expired to the second");
}

#[tokio::test]
async fn it_ends_with_the_grant_and_its_clients_cannot_end_each_other() {
    let scene = Scene::start().await;
    let world = &scene.world;
    let tokens = scene.owner.tokens(world).await;
    let token = scene.exchanged(&tokens.access).await;
    assert!(scene.is_alive(&token).await);
    let (status, body) = scene.gateway.post(world, "/revoke", &[("token", &token)], &[]).await;
    assert_eq!(
        (status, &body["error"]),
        (400, &json!("unsupported_token_type")),
        "the grant is another client's"
    );
    let introspect =
        async |client: &Client| client.post(world, "/introspect", &[("token", &token)], &[]).await.1;
    assert_eq!(introspect(&scene.gateway).await["active"], true, "it got it");
    assert_eq!(introspect(&scene.owner).await["active"], false, "it did not");
    assert_eq!(scene.owner.post(world, "/revoke", &[("token", &tokens.refresh)], &[]).await.0, 200);
    assert!(!scene.is_alive(&token).await);
}

#[tokio::test]
async fn it_ends_with_either_client_and_nobody_gone_gets_one() {
    let mut scene = Scene::start().await;
    let registered =
        json!({"redirect_uris": ["http://127.0.0.1:7777/cb"], "token_endpoint_auth_method": "none"});
    let answer = scene.world.http.post(scene.world.url("/register")).json(&registered).send().await.unwrap();
    let (_, registered) = crate::world::read(answer).await;
    let text = |key: &str| registered[key].as_str().unwrap().to_owned();
    let leaving = Client { id: text("client_id"), secret: None, method: "none".into() };
    let left = scene.exchanged(&leaving.tokens(&scene.world).await.access).await;
    let place = scene.world.url(&format!("/register/{}", leaving.id));
    let bearer = format!("Bearer {}", text("registration_access_token"));
    assert!(scene.is_alive(&left).await);
    // What a gateway needs that verifies by itself: the entry about the first client means this token, too.
    assert_eq!(decode(&left).1["grant_client_id"], json!(leaving.id));
    assert_eq!(validate(&scene.world, &left, OTHER_RESOURCE).await["grant_client_id"], json!(leaving.id));
    scene.world.http.delete(place).header("authorization", bearer).send().await.unwrap();
    assert!(!scene.is_alive(&left).await, "the grant's client is gone");
    let (_, told) = feed(&scene.world, "?since=0").await;
    assert_eq!(told["revocations"][0]["id"], json!(id("client", &leaving.id)), "{told}");
    let own = scene.owner.tokens(&scene.world).await;
    assert!(own.decoded().1.get("grant_client_id").is_none(), "it is the holder's own");

    let tokens = scene.owner.tokens(&scene.world).await;
    let token = scene.exchanged(&tokens.access).await;
    scene.world.restart_with(|yaml| yaml.replace("{name: alice,", "{name: carol,")).await;
    assert_eq!(scene.ask(&scene.gateway, &tokens.access, &[]).await.1["error"], "invalid_request");
    assert!(!scene.is_alive(&token).await, "nor is what was issued alive, or the subject token");
    scene.world.restart_with(|yaml| yaml.replace("carol,", "alice,").replace("gateway", "gateway-2")).await;
    assert!(!scene.is_alive(&token).await, "the token's client is gone");
}

#[tokio::test]
async fn a_bound_token_needs_its_key() {
    let scene = Scene::start().await;
    let public = Client::public(&scene.world).await;
    let (key, another) = (Key::new("ES256"), Key::new("ES256"));
    let bound = crate::dpop::bound(&scene.world, &public, &key, "mcp:read").await;
    let free = scene.owner.tokens(&scene.world).await;
    for (tokens, prover, jkt) in [
        (&bound, None, None),
        (&bound, Some(&another), None),
        (&bound, Some(&key), Some(key.thumbprint())),
        (&free, Some(&another), Some(another.thumbprint())),
    ] {
        let proof = prover.map(|key| key.proof("/token", T0));
        let (status, body) = scene.prove(&scene.gateway, &tokens.access, &[], proof.as_deref()).await;
        let Some(jkt) = jkt else {
            assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{body}");
            continue;
        };
        assert_eq!((status, &body["token_type"]), (200, &json!("DPoP")), "{body}");
        assert_eq!(Tokens::of(body).decoded().1["cnf"], json!({"jkt": jkt}));
    }
}

#[tokio::test]
async fn opaque_tokens_go_in_and_come_out() {
    let opaque = |yaml: String| {
        yaml.replace("default_scopes: [mcp:read]}", "default_scopes: [mcp:read], access_tokens: opaque}")
            .replace(
                "scopes: [other:use, mcp:read]}",
                "scopes: [other:use, mcp:read], access_tokens: opaque}",
            )
    };
    let scene = Scene::with(opaque).await;
    let tokens = scene.owner.tokens(&scene.world).await;
    for changes in [[("subject_token_type", JWT)], [("requested_token_type", JWT)]] {
        let (status, body) = scene.ask(&scene.gateway, &tokens.access, &changes).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{body}");
    }
    let token = scene.exchanged(&tokens.access).await;
    assert!(token.starts_with("ma_"), "{token}");
    let told = validate(&scene.world, &token, OTHER_RESOURCE).await;
    assert_eq!((&told["client_id"], &told["sub"]), (&json!("gateway"), &json!("alice")), "{told}");
    assert_eq!((&told["scope"], &told["exp"]), (&json!("mcp:read"), &json!(T0 + 600)));
    for _ in 2..64 {
        scene.exchanged(&tokens.access).await;
    }
    assert_eq!(
        scene.ask(&scene.gateway, &tokens.access, &[]).await.0,
        429,
        "the owner's own must not give way"
    );
    assert_eq!(validate(&scene.world, &tokens.access, RESOURCE).await["active"], true);
    scene.owner.post(&scene.world, "/revoke", &[("token", &tokens.refresh)], &[]).await;
    assert!(!scene.is_alive(&token).await);
}

#[tokio::test]
async fn a_clients_own_token_stays_its_own() {
    let machine = "  - {id: machine, secret: {file: FOLDER/rs.secret}, grant_types: [client_credentials], scopes: [mcp:read]}\n";
    let scene = Scene::with(|yaml| yaml.replace("clients:\n", &format!("clients:\n{machine}"))).await;
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let (_, own) = Client::configured("machine").post(&scene.world, "/token", &form, &[]).await;
    let (_, claims) = decode(&scene.exchanged(own["access_token"].as_str().unwrap()).await);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("machine"), &json!("gateway")));
    assert!(claims.get("auth_time").is_none(), "nobody signed in");
}

#[tokio::test]
async fn what_is_withdrawn_from_its_client_ends_it() {
    let opaque = |yaml: String| {
        yaml.replace(
            "scopes: [other:use, mcp:read]}",
            "scopes: [other:use, mcp:read], access_tokens: opaque}",
        )
    };
    for scene in [Scene::start().await, Scene::with(opaque).await] {
        let tokens = scene.owner.tokens(&scene.world).await;
        let token = scene.exchanged(&tokens.access).await;
        assert!(scene.is_alive(&token).await);
        let revoke = "/v1/clients/gateway/revoke";
        assert_eq!(crate::admin::post(&scene.world, revoke, json!({})).await.0, 204);
        assert!(!scene.is_alive(&token).await);
        assert_eq!(validate(&scene.world, &tokens.access, RESOURCE).await["active"], true, "another's");
        scene.world.advance(Duration::from_secs(1));
        assert!(scene.is_alive(&scene.exchanged(&tokens.access).await).await, "what came later");
    }
}

/// RFC 7009 section 2.1: a token is its client's to revoke, also where the grant is not.
#[tokio::test]
async fn its_client_may_end_it_where_that_can_be_done() {
    for (opaque, status) in [(true, 200), (false, 400)] {
        let format = |yaml: String| {
            let opaque = if opaque { ", access_tokens: opaque}" } else { "}" };
            yaml.replace("[other:use, mcp:read]}", &format!("[other:use, mcp:read]{opaque}"))
        };
        let scene = Scene::with(format).await;
        let tokens = scene.owner.tokens(&scene.world).await;
        let (token, other) = (scene.exchanged(&tokens.access).await, scene.exchanged(&tokens.access).await);
        let revoke =
            async |client: &Client| client.post(&scene.world, "/revoke", &[("token", &token)], &[]).await;
        let (refused, body) = revoke(&Client::configured("back")).await;
        assert_eq!((refused, &body["error"]), (400, &json!("invalid_grant")), "it did not get it");
        let (answered, body) = revoke(&scene.gateway).await;
        assert_eq!(answered, status, "{body}");
        if status == 400 {
            assert_eq!(body["error"], "unsupported_token_type", "{body}");
        }
        assert_eq!(scene.is_alive(&token).await, status == 400);
        assert!(scene.is_alive(&other).await, "and no other");
        assert_eq!(validate(&scene.world, &tokens.access, RESOURCE).await["active"], true);
    }
}
