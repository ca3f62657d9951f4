//! Access tokens of other issuers: signed ones, and ones that the issuer must be asked about.

use std::time::Duration;

use jwt_simple::prelude::ES256KeyPair;
use serde_json::{Value, json};

use crate::opaque_tokens::validate;
use crate::world::client::Client;
use crate::world::forgery::FORGERIES;
use crate::world::upstream::{CLIENT_ID, Claims, Upstream, signed};
use crate::world::{OTHER_RESOURCE, RESOURCE, World, join_all, read};

const T0: u64 = 1_800_000_000;
const TYPE: &str = "at+jwt";

/// An issuer, and a server that knows it as `x`.
pub(crate) struct Scene {
    upstream: Upstream,
    pub(crate) world: World,
}

impl Scene {
    async fn with(settings: &str) -> Self {
        Self::of(&[settings]).await
    }

    /// With one entry of `external_issuers` for each, of one provider; `BASE` is its URL.
    async fn of(settings: &[&str]) -> Self {
        let upstream = Upstream::start().await;
        let entry = |settings: &&str| {
            let settings = settings.replace("BASE", &upstream.base);
            format!("  - {{audiences: {{'{RESOURCE}': [api]}}, allow: {{everyone: true}}, {settings}}}\n")
        };
        let list: String = settings.iter().map(entry).collect();
        let world = World::start_with(|yaml| format!("{yaml}external_issuers:\n{list}")).await;
        Self { upstream, world }
    }

    /// Judged by its keys.
    pub(crate) async fn of_keys(more: &str) -> Self {
        Self::with(&format!("id: x, issuer: BASE{more}")).await
    }

    /// Asked.
    async fn asked() -> Self {
        Self::with(&asked("x", "BASE", "")).await
    }

    fn claims(&self) -> Claims {
        claims(&self.upstream.base)
    }

    pub(crate) fn token(&self, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        signed(&self.upstream.mock.lock().unwrap().pair, TYPE, claims)
    }

    /// Status and body of the answer.
    pub(crate) async fn validated(&self, token: &str) -> (u16, Value) {
        let question = json!({"token": token, "resource": RESOURCE});
        let url = format!("{}/v1/validate", self.world.internal);
        read(self.world.http.post(url).json(&question).send().await.unwrap()).await
    }

    async fn is_active(&self, token: &str) -> bool {
        let (status, body) = self.validated(token).await;
        assert_eq!(status, 200, "{body}");
        body["active"] == true
    }

    pub(crate) fn answers(&self, path: &str, status: u16, body: &str) {
        let instead = (path.to_owned(), (status, body.to_owned()));
        self.upstream.set(|mock| mock.instead = [instead].into());
    }

    /// The issuer says this of a token.
    fn says(&self, token: &str, said: Value) {
        self.upstream.set(|mock| drop(mock.tokens.insert(token.into(), said)));
    }

    fn alive(&self) -> Value {
        json!({"active": true, "sub": "u-1", "aud": "api", "client_id": "c-1", "scope": "mcp:read",
            "iat": T0 - 60, "exp": T0 + 600})
    }

    pub(crate) async fn keys(&self, id: &str) -> (u16, Value) {
        let url = format!("{}/v1/issuers/{id}/jwks", self.world.internal);
        read(self.world.http.get(url).send().await.unwrap()).await
    }
}

fn asked(id: &str, issuer: &str, more: &str) -> String {
    format!(
        "id: {id}, issuer: {issuer}, introspection: {{url: BASE/introspect, client_id: {CLIENT_ID}, \
         client_secret: {{file: FOLDER/rs.secret}}{more}}}"
    )
}

fn claims(issuer: &str) -> Claims {
    let claims = [
        ("iss", json!(issuer)),
        ("sub", json!("u-1")),
        ("aud", json!("api")),
        ("client_id", json!("c-1")),
        ("scope", json!("mcp:read")),
        ("iat", json!(T0 - 60)),
        ("exp", json!(T0 + 600)),
    ];
    Claims(claims.map(|(name, value)| (name.to_owned(), value)).into())
}

fn assert_gone((status, body): (u16, Value), note: &str) {
    assert_eq!((status, &body["error"]), (503, &json!("temporarily_unavailable")), "{note} {body}");
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_others_tokens_stay_others() {
    let scene = Scene::of_keys("").await;
    let token = scene.token(|claims| claims.set("sub", json!("alice")));
    let (_, body) = scene.validated(&token).await;
    assert_eq!(body["sub"], format!("{}#alice", scene.upstream.base), "not the local alice");
    assert_eq!(scene.upstream.asked("/.well-known/openid-configuration"), 1);
    assert_eq!(validate(&scene.world, &token, OTHER_RESOURCE).await, json!({"active": false}));
    let elsewhere = scene.token(|claims| claims.set("iss", json!("https://idp.example")));
    assert!(!scene.is_active(&elsewhere).await, "an issuer that nobody named");
    let slash = scene.token(|claims| claims.set("iss", json!(format!("{}/", scene.upstream.base))));
    assert!(!scene.is_active(&slash).await, "byte for byte");
    let own = Client::public(&scene.world).await.tokens(&scene.world).await;
    assert!(scene.is_active(&own.access).await, "ours");
    let resource_server = Client::configured("resource-server");
    let (_, told) = resource_server.post(&scene.world, "/introspect", &[("token", &token)], &[]).await;
    assert_eq!(told, json!({"active": false}), "clients hear nothing of it");
    let bearer = format!("Bearer {token}");
    let told = scene.world.get("/userinfo").await.status();
    assert_eq!(told, 401);
    let verify = scene.world.http.get(format!("{}/verify/envoy/mcp", scene.world.internal));
    let verify =
        verify.header("host", "127.0.0.1:8080").header("authorization", bearer).send().await.unwrap();
    assert_eq!(verify.status(), 200);
    assert!(verify.headers()["x-wicketgate-subject"].to_str().unwrap().ends_with("#alice"));
}

#[tokio::test]
async fn forged_ones_do_not_count() {
    let scene = Scene::of_keys("").await;
    for (name, forge) in FORGERIES {
        let token = {
            let mock = scene.upstream.mock.lock().unwrap();
            forge(&mock, TYPE, claims(&mock.base))
        };
        assert_eq!(scene.is_active(&token).await, name == "an access token's typ", "{name}");
    }
    let twice = scene.token(|claims| claims.0.push(("sub".into(), json!("u-2"))));
    assert!(!scene.is_active(&twice).await, "a member that stands twice");
    let narrow = Scene::of_keys(", signing_algs: [RS256]").await;
    assert!(!narrow.is_active(&narrow.token(|_| {})).await, "an algorithm that is not listed");
}

#[tokio::test]
async fn the_operator_can_end_them() {
    for (settings, good) in [
        (format!("issued_after: {}", T0 - 60), true),
        (format!("issued_after: {}", T0 - 59), false),
        ("denied_subjects: [u-2]".to_owned(), true),
        ("denied_subjects: [u-1]".to_owned(), false),
        ("max_age: 60s".to_owned(), true),
        ("client_from: sub".to_owned(), true),
        ("client_from: /sub/x".to_owned(), false),
        ("required_claims: {client_id: [c-1], sub: [u-1]}".to_owned(), true),
        ("required_claims: {client_id: [c-1], sub: [u-2]}".to_owned(), false),
    ] {
        let scene = Scene::of_keys(&format!(", {settings}")).await;
        assert_eq!(scene.is_active(&scene.token(|_| {})).await, good, "{settings}");
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_no_verdict() {
    let scene = Scene::of_keys(", jwks_uri: BASE/jwks").await;
    let token = scene.token(|_| {});
    for (status, body) in [(503, "{}"), (404, "{}"), (302, "{}"), (200, "{"), (200, "{\"keys\": 7}")] {
        scene.answers("/jwks", status, body);
        assert_gone(scene.validated(&token).await, &format!("{status} {body}"));
        assert_gone(scene.keys("x").await, &format!("{status} {body}"));
        scene.world.advance(Duration::from_secs(10));
    }
    scene.upstream.set(|mock| mock.instead.clear());
    assert!(scene.is_active(&token).await);
    let metrics = scene.world.http.get(format!("{}/metrics", scene.world.metrics)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for (outcome, times) in [("unavailable", 5), ("active", 1)] {
        let line = format!("wicketgate_auth_external_tokens_total{{outcome=\"{outcome}\"}} {times}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    let of_document = Scene::of_keys("").await;
    of_document.answers("/.well-known/openid-configuration", 200, "{\"issuer\": \"https://idp.example\"}");
    assert_gone(of_document.validated(&of_document.token(|_| {})).await, "somebody else's document");
}

#[tokio::test]
async fn its_keys_are_told_to_gateways_and_outlive_its_absence() {
    let scene =
        Scene::of(&["id: x, issuer: BASE, jwks_uri: BASE/jwks", &asked("asked", "BASE/asked", "")]).await;
    scene.upstream.set(|mock| mock.jwks["keys"][0]["x5c"] = json!(["MIIC"]));
    let (status, keys) = scene.keys("x").await;
    let key = keys["keys"][0].as_object().unwrap();
    assert_eq!((status, &key["kid"], key.get("x5c")), (200, &json!("k1"), None), "{keys}");
    assert_eq!(scene.keys("asked").await, (200, json!({"keys": []})), "nothing that it signs counts unasked");
    assert_eq!(scene.keys("y").await.0, 404);
    scene.answers("/jwks", 503, "{}");
    scene.world.advance(Duration::from_secs(86_399));
    assert_eq!(scene.keys("x").await, (200, keys), "what was good stands in");
    scene.world.advance(Duration::from_secs(11));
    assert_gone(scene.keys("x").await, "but not for ever");
}

#[tokio::test]
async fn new_keys_are_fetched_once_for_all() {
    let scene = Scene::of_keys(", jwks_uri: BASE/jwks").await;
    let token = scene.token(|_| {});
    let answers = join_all((0..20).map(|_| scene.validated(&token))).await;
    assert!(answers.iter().all(|(_, body)| body["active"] == true));
    assert_eq!(scene.upstream.asked("/jwks"), 1);
    scene.upstream.set(|mock| {
        mock.pair = ES256KeyPair::generate().with_key_id("k2");
        mock.kid = "k2".into();
        mock.jwks = json!({"keys": [mock.public_jwk()]});
    });
    let token = scene.token(|_| {});
    scene.world.advance(Duration::from_secs(10));
    let answers = join_all((0..20).map(|_| scene.validated(&token))).await;
    assert!(answers.iter().all(|(_, body)| body["active"] == true));
    assert_eq!(scene.upstream.asked("/jwks"), 2);
}

#[tokio::test]
async fn who_wants_to_be_asked_is_asked_once_for_a_while() {
    let scene = Scene::asked().await;
    scene.says("opaque", scene.alive());
    let answers = join_all((0..20).map(|_| scene.validated("opaque"))).await;
    for (status, body) in answers {
        assert_eq!((status, &body["client_id"], &body["scope"]), (200, &json!("c-1"), &json!("mcp:read")));
        assert_eq!(body["sub"], format!("{}#u-1", scene.upstream.base));
    }
    let asked = || scene.upstream.asked("/introspect");
    assert_eq!(asked(), 1, "twenty at once are one question");
    scene.upstream.set(|mock| mock.tokens.clear());
    scene.world.advance(Duration::from_secs(29));
    assert!(scene.is_active("opaque").await);
    scene.world.advance(Duration::from_secs(1));
    assert!(!scene.is_active("opaque").await, "half a minute later it is asked again");
    scene.says("opaque", scene.alive());
    assert!(!scene.is_active("opaque").await);
    assert_eq!(asked(), 2);
    scene.world.advance(Duration::from_secs(10));
    assert!(scene.is_active("opaque").await);
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn what_ends_soon_is_not_believed_for_longer() {
    let scene = Scene::asked().await;
    let mut said = scene.alive();
    said["exp"] = json!(T0 + 5);
    scene.says("opaque", said);
    assert!(scene.is_active("opaque").await);
    scene.world.advance(Duration::from_secs(5));
    scene.upstream.set(|mock| mock.tokens.clear());
    assert!(!scene.is_active("opaque").await);
}

#[tokio::test]
async fn an_answer_is_judged_like_a_token() {
    let scene = Scene::asked().await;
    for (number, (name, value, good)) in [
        ("token_type", json!("Bearer"), true),
        ("iss", json!(scene.upstream.base), true),
        ("iss", json!("https://idp.example"), false),
        ("aud", json!(["api", "other"]), true),
        ("aud", json!("other"), false),
        ("aud", json!(null), false),
        ("sub", json!(null), false),
        ("exp", json!(null), false),
        ("exp", json!(T0 - 60), false),
        ("iat", json!(null), false),
        ("scope", json!(7), false),
        ("cnf", json!({"x5t#S256": "x"}), false),
        ("client_id", json!(null), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut said = scene.alive();
        match value.is_null() {
            true => drop(said.as_object_mut().unwrap().remove(name)),
            false => said[name] = value.clone(),
        }
        let token = format!("opaque-{number}");
        scene.says(&token, said);
        assert_eq!(scene.is_active(&token).await, good, "{name} {value}");
    }
}

#[tokio::test]
async fn what_is_no_answer_says_nothing_of_the_token() {
    let scene = Scene::asked().await;
    for (status, body) in [
        (503, "{}"),
        (401, "{\"error\": \"invalid_client\"}"),
        (404, "{}"),
        (302, "{}"),
        (200, "true"),
        (200, "{}"),
        (200, "{\"active\": \"true\"}"),
        (200, "{\"active\": false, \"active\": true}"),
    ] {
        scene.answers("/introspect", status, body);
        assert_gone(scene.validated("opaque").await, &format!("{status} {body}"));
        let before = scene.upstream.asked("/introspect");
        assert_gone(scene.validated("opaque").await, "a moment later");
        assert_eq!(scene.upstream.asked("/introspect"), before, "it is left in peace");
        scene.world.advance(Duration::from_secs(10));
    }
    scene.upstream.set(|mock| mock.instead.clear());
    scene.says("opaque", scene.alive());
    assert!(scene.is_active("opaque").await);
}

#[tokio::test]
async fn a_token_is_shown_to_one_issuer() {
    let scene = Scene::of(&[
        &asked("a", "BASE/a", ", prefix: at_"),
        &asked("b", "BASE/b", ", prefix: at_b_"),
        &asked("c", "BASE/c", ""),
        &asked("d", "BASE/d", ""),
        "id: e, issuer: BASE, jwks_uri: BASE/jwks",
    ])
    .await;
    let jwt = scene.token(|claims| claims.set("iss", json!(format!("{}/d", scene.upstream.base))));
    for (number, (token, whose)) in
        [("at_1", "a"), ("at_b_1", "b"), ("other", "c"), ("a.b.c", "c"), (&jwt, "d")].into_iter().enumerate()
    {
        scene.says(token, scene.alive());
        let (_, body) = scene.validated(token).await;
        assert_eq!(body["iss"], format!("{}/{whose}", scene.upstream.base), "{token}");
        assert_eq!(scene.upstream.asked("/introspect"), number + 1, "{token}");
    }
    let asked = scene.upstream.asked("/introspect");
    for ours in ["ma_x.y", "mk_x.y", "mr_x.y", "mc_x.y", "md_x.y"] {
        assert!(!scene.is_active(ours).await, "{ours}");
    }
    let signed_by_nobody = scene.token(|claims| claims.set("iss", json!("https://idp.example")));
    assert!(!scene.is_active(&signed_by_nobody).await, "a JWT is its issuer's alone");
    assert_eq!(scene.upstream.asked("/introspect"), asked, "nobody else sees them");
}
