//! What does a server get in place of the client's token, with the real authorization server? A token for its own audience, or a
//! statement of who asks; the client's token never, and without either nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{ECDSAP256PublicKeyLike as _, ES256PublicKey, NoCustomClaims, VerificationOptions};
use serde_json::{Value, json};
use wicketgate_e2e::files;
use wicketgate_e2e::sidecar::{Listeners, Sidecar};
use wicketgate_e2e::world::{HostMode, World};

use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::{RULES, call};
use super::stage::{self, DEADLINE, Raw, eventually, exchange, request};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn script(seen: &Seen) -> Script {
    if seen.head.starts_with("GET ") {
        return Script::Hang(event_stream(": open\n\n"));
    }
    Script::Answer(json_answer(&result(seen)))
}

/// A world with this credential, in which the gateway may exchange tokens for `/other`.
async fn world(name: &str, recorder: &Recorder, credential: &str) -> World {
    world_with(name, recorder, credential, RULES).await
}

/// The same under other rules.
async fn world_with(name: &str, recorder: &Recorder, credential: &str, rules: &str) -> World {
    let demo = stage::operator("demo");
    let mut world = stage::world(name, |plan| {
        // The only mode in which a header can be set after the body was judged.
        plan.host_mode = HostMode::Hold;
        plan.workers = Some(1);
        plan.upstream = Some(recorder.upstream.clone());
        let origin = format!("http://127.0.0.1:{}", plan.port);
        let listeners = Listeners::free(false).unwrap();
        let users = std::slice::from_ref(&demo);
        let sidecar =
            Sidecar::generate(&plan.state, &origin, &format!("{origin}/mcp"), listeners, users).unwrap();
        files::write_private(&plan.state.join("gateway.secret"), "a secret that nobody needs").unwrap();
        let secret = plan.state.join("gateway.secret");
        let text = files::read(&sidecar.configuration).unwrap().replace(
            "resources:\n",
            &format!(
                "clients:\n  - {{id: gateway, secret: {{file: \"{}\"}}, grant_types: ['{GRANT}'], scopes: [mcp:read]}}\n\
                 token_exchange: [{{client: gateway, from: '{origin}/mcp', to: '{origin}/other'}}]\n\
                 gateway_client: gateway\n\
                 resources:\n  - {{url: '{origin}/other', scopes: [mcp:read]}}\n",
                secret.display()
            ),
        );
        files::write_private(&sidecar.configuration, &text).unwrap();
        plan.auth_config = Some(sidecar.configuration);
        let policy = stage::hearing(&stage::policy("{request_bytes: 64KiB}", rules));
        let rules = format!("    credential: {credential}\n    rules:\n");
        plan.set_policy(&policy.replace("    rules:\n", &rules)).unwrap();
    })
    .await;
    world.login = Some(demo.login);
    world
}

async fn calls(world: &World, token: &str, fields: &[(&str, &str)]) -> Raw {
    exchange(world, &request(world, "POST /mcp", Some(token), fields, call("get_note").as_bytes())).await
}

async fn token(world: &World) -> String {
    stage::log_in(world, Some("mcp:read")).await.tokens.access_token
}

fn part(jwt: &str, at: usize) -> Value {
    let part = jwt.split('.').nth(at).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn questions(world: &World) -> u64 {
    world.envoy.stat("wasmcustom.wicketgate.credential_questions_total").await.unwrap().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_a_token_of_its_own_and_the_clients_never() {
    let recorder = Recorder::start(script).await;
    let exchanged =
        "{exchanged: {cluster: auth_internal, path: /v1/exchange, audience: \"${WICKETGATE_URL}/other\"}}";
    let mut world = world("exchanged", &recorder, exchanged).await;
    let session = stage::log_in(&world, Some("mcp:read")).await;
    let own = session.tokens.access_token.clone();
    let mut shown = Vec::new();
    for _ in 0..3 {
        let answer = calls(&world, &own, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = recorder.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        shown.push(seen[0].field("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned());
        let id = answer.field("x-request-id").unwrap().to_owned();
        let records = stage::records(&world, &id).await;
        assert_eq!(records[0]["credential"], "exchanged", "{records:?}");
        assert!(!format!("{records:?}").contains(&shown[0]), "no record holds it");
    }
    assert!(shown.iter().all(|one| one == &shown[0]), "it is remembered");
    assert_eq!(questions(&world).await, 1);
    assert_ne!(shown[0], own);
    let (header, claims, before) = (part(&shown[0], 0), part(&shown[0], 1), part(&own, 1));
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(claims["aud"], json!(format!("{}/other", world.origin)));
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("demo"), &json!("gateway")));
    assert_eq!(claims["grant_id"], before["grant_id"]);
    // What the server got opens nothing here.
    assert_eq!(calls(&world, &shown[0], &[]).await.status, 401);
    // A stream gets it, too.
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", stage::port(&world))).await.unwrap();
    let get = request(&world, "GET /mcp", Some(&own), &[], b"");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &get).await.unwrap();
    eventually("the stream reaches the server", DEADLINE, || async {
        if recorder.raw().contains("GET /mcp") { Ok(()) } else { Err(recorder.raw()) }
    })
    .await;
    assert!(recorder.raw().contains(&format!("Bearer {}", shown[0])));
    assert!(!recorder.raw().contains(&own), "the client's token goes nowhere");
    drop(stream);
    recorder.take();

    // With its grant all ends.
    let refresh = session.tokens.refresh_token.clone().unwrap();
    let form =
        [("token".to_owned(), refresh), ("client_id".to_owned(), session.registration.client_id.clone())];
    let revoked = world.http.post_form(&format!("{}/revoke", world.origin), &[], &form).await.unwrap();
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    eventually("the token is refused", DEADLINE, || async {
        let answer = calls(&world, &own, &[]).await;
        if answer.status == 401 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    recorder.take();

    // Nothing to be had, nothing goes on.
    let late = token(&world).await;
    world.kill_sidecar().await;
    for _ in 0..2 {
        let answer = calls(&world, &late, &[]).await;
        assert_eq!((answer.status, answer.challenges()), (503, false), "{answer:?}");
        let id = answer.field("x-request-id").unwrap().to_owned();
        let records = stage::records(&world, &id).await;
        assert_eq!(
            (&records[0]["reason"], &records[0]["detail"]),
            (&json!("unavailable"), &json!("the server's credential")),
            "{records:?}"
        );
    }
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    let failed = world.envoy.stat("wasmcustom.wicketgate.credential_question_failures_total").await.unwrap();
    assert_eq!(failed, Some(2));
    world.start_sidecar().await.unwrap();
    eventually("and goes on once it is there again", DEADLINE, || async {
        let answer = calls(&world, &late, &[]).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_did_not_list_is_not_exchanged() {
    let recorder = Recorder::start(script).await;
    let exchanged =
        "{exchanged: {cluster: auth_internal, path: /v1/exchange, audience: \"https://elsewhere.example\"}}";
    let world = world("exchanged-not", &recorder, exchanged).await;
    let own = token(&world).await;
    assert_eq!(calls(&world, &own, &[]).await.status, 503);
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_allows_nothing_there_is_told_what_would() {
    let recorder = Recorder::start(script).await;
    let exchanged =
        "{exchanged: {cluster: auth_internal, path: /v1/exchange, audience: \"${WICKETGATE_URL}/other\"}}";
    let rules = "      - {id: some, allow: {who: any, tools: [get_note]}}\n";
    let world = world_with("exchanged-narrow", &recorder, exchanged, rules).await;
    let writes = stage::log_in(&world, Some("mcp:write")).await.tokens.access_token;
    let answer = calls(&world, &writes, &[]).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let challenge = answer.field("www-authenticate").unwrap();
    assert!(
        challenge.contains("insufficient_scope") && challenge.contains("scope=\"mcp:read\""),
        "{challenge}"
    );
    let id = answer.field("x-request-id").unwrap().to_owned();
    let records = stage::records(&world, &id).await;
    assert_eq!(records[0]["reason"], "upstream_scope", "{records:?}");
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    let reads = token(&world).await;
    assert_eq!(calls(&world, &reads, &[]).await.status, 200);
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_tell_who_asks() {
    let recorder = Recorder::start(script).await;
    let identity = "{signed_identity: {cluster: auth_internal, path: /v1/identity}}";
    let world = world("identity", &recorder, identity).await;
    let own = token(&world).await;
    let said = [("x-wicketgate-identity", "a.b.c"), ("X-Wicketgate-Subject", "root")];
    let answer = calls(&world, &own, &said).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = recorder.take();
    let head = seen[0].head.to_lowercase();
    assert_eq!(head.matches("x-wicketgate-").count(), 1, "{head}");
    assert_eq!(seen[0].field("authorization"), None, "{head}");
    let statement = seen[0].field("x-wicketgate-identity").unwrap().to_owned();
    // As the server would verify it: with the keys that the authorization server publishes.
    let jwks = world.http.get(&format!("{}/jwks", world.origin), &[]).await.unwrap();
    let jwks: Value = serde_json::from_str(&jwks.text()).unwrap();
    let header = part(&statement, 0);
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let key = ES256PublicKey::from_jwk(&key.to_string()).unwrap();
    let options = VerificationOptions {
        required_signature_type: Some("wicketgate-identity+jwt".to_owned()),
        allowed_issuers: Some([world.origin.clone()].into()),
        allowed_audiences: Some([world.mcp.clone()].into()),
        ..VerificationOptions::default()
    };
    let claims = key.verify_token::<NoCustomClaims>(&statement, Some(options)).unwrap();
    assert_eq!(claims.subject.as_deref(), Some("demo"));
    let claims = part(&statement, 1);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    assert_eq!((&claims["groups"], &claims["roles"]), (&json!(["engineering"]), &json!(["operator"])));
    // It names this very resource and this very issuer, and opens nothing: it is of another type.
    assert_eq!(calls(&world, &statement, &[]).await.status, 401);
    recorder.take();
    assert_eq!(calls(&world, &own, &[]).await.status, 200);
    assert_eq!(recorder.take()[0].field("x-wicketgate-identity"), Some(statement.as_str()), "remembered");
    assert_eq!(questions(&world).await, 1);
    let other = token(&world).await;
    assert_eq!(calls(&world, &other, &[]).await.status, 200);
    assert_ne!(
        recorder.take()[0].field("x-wicketgate-identity"),
        Some(statement.as_str()),
        "of another token"
    );
    world.discard().await;
}
