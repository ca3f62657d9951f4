//! Tokens that are bound to a key, from the sidecar that binds them to the call of a tool: good with a proof of each request, and
//! with nothing else, on whichever worker. Both kinds of token: those that the filter reads and those that only the sidecar can.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wicketgate_e2e::client::oauth::{self, REDIRECT_URI, Registration};
use wicketgate_e2e::world::World;

use super::recorder::Recorder;
use super::scene::{RULES, call};
use super::stage::{self, Raw, exchange, request};

/// Each is a connection of its own, so that both workers are asked.
const ASKED: usize = 8;
/// A client that gets opaque tokens.
const OPAQUE_CLIENT: &str = "opaque";

/// What comes as a proof, another each time or the same.
type Make<'a> = &'a dyn Fn() -> Option<String>;

/// What a client signs with.
struct Holder {
    key: SigningKey,
    made: AtomicUsize,
}

// === impl Holder ===

impl Holder {
    fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_slice(&[seed; 32]).unwrap(), made: AtomicUsize::new(0) }
    }

    /// A proof that was never made before, for a POST to this URL with this token.
    fn proof(&self, url: &str, token: Option<&str>) -> String {
        let point = self.key.verifying_key().to_sec1_point(false);
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "x": b64(point.x().unwrap()), "y": b64(point.y().unwrap())});
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let jti = format!("proof {}", self.made.fetch_add(1, Ordering::SeqCst));
        let mut claims = json!({"jti": jti, "htm": "POST", "htu": url, "iat": now});
        if let Some(token) = token {
            claims["ath"] = json!(b64(Sha256::digest(token)));
        }
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature: Signature = self.key.sign(text.as_bytes());
        format!("{text}.{}", b64(signature.to_bytes()))
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An allowed call with this scheme, on a connection of its own.
async fn sends(world: &World, scheme: &str, token: &str, proof: Option<&str>) -> Raw {
    let authorization = format!("{scheme} {token}");
    let mut fields = vec![("Authorization", authorization.as_str())];
    fields.extend(proof.map(|proof| ("DPoP", proof)));
    exchange(world, &request(world, "POST /mcp", None, &fields, call("get_note").as_bytes())).await
}

/// What is refused is so on every worker, in the words of the scheme, and never reaches the server.
async fn refused(world: &World, upstream: &Recorder, answers: Vec<Raw>, error: &str, detail: &str) {
    for answer in answers {
        let challenge = answer.field("www-authenticate").unwrap_or_default().to_owned();
        assert_eq!(answer.status, 401, "{detail}: {answer:?}");
        assert!(challenge.starts_with(&format!("DPoP error=\"{error}\"")), "{detail}: {challenge}");
        assert!(challenge.contains("algs=\"ES256 EdDSA PS256 RS256\""), "{detail}: {challenge}");
        let records = stage::records(world, answer.field("x-request-id").unwrap()).await;
        assert_eq!(records[0]["detail"], detail, "{records:?}");
        assert_eq!(records[0]["principal"], Value::Null, "{records:?}");
    }
    assert_eq!(upstream.take().len(), 0, "{detail}");
}

/// A bound token of each kind for the demo user.
async fn tokens(world: &World, holder: &Holder) -> [String; 2] {
    let discovery = oauth::discover(&world.http, &world.mcp).await.unwrap();
    let registered = oauth::register(&world.http, &discovery).await.unwrap();
    let configured = Registration { client_id: OPAQUE_CLIENT.to_owned(), answer: Value::Null };
    let mut tokens = Vec::new();
    for client in [registered, configured] {
        let proof = holder.proof(discovery.endpoint("token_endpoint").unwrap(), None);
        let login = world.login.as_ref().unwrap();
        let bound = oauth::authorize_bound(&world.http, &discovery, &client, login, &proof).await;
        tokens.push(bound.unwrap().access_token);
    }
    let kinds: Vec<_> = tokens.iter().map(|token| token.split('.').count() == 3).collect();
    assert_eq!(kinds, [true, false], "a JWT and an opaque one");
    tokens.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_needs_a_proof_of_each_request_at_every_worker() {
    const KEYS: &str = "jwks: {cluster: auth_internal, path: /v1/jwks}\n";
    let upstream = Recorder::echo().await;
    let world = stage::world("dpop", |plan| {
        plan.upstream = Some(upstream.upstream.clone());
        let validate = format!("{KEYS}    validate: {{cluster: auth_internal, path: /v1/validate}}\n");
        let policy = stage::policy("{request_bytes: 64KiB}", RULES).replace(KEYS, &validate);
        plan.set_policy(&format!("unknown_tokens: {{rate: 1000/s}}\n{policy}")).unwrap();
        plan.auth_settings = format!(
            "clients:\n  - id: {OPAQUE_CLIENT}\n    redirect_uris: [\"{REDIRECT_URI}\"]\n    access_tokens: opaque\n"
        );
    })
    .await;
    let workers = world.envoy.stat("server.concurrency").await.unwrap();
    assert!(workers >= Some(2), "the test means nothing with {workers:?} workers");
    let (holder, thief) = (Holder::new(1), Holder::new(2));
    for token in tokens(&world, &holder).await {
        upstream.take();
        for _ in 0..ASKED {
            let proof = holder.proof(&world.mcp, Some(&token));
            let answer = sends(&world, "DPoP", &token, Some(&proof)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let records = stage::records(&world, answer.field("x-request-id").unwrap()).await;
            assert_eq!(records[0]["principal"]["bound"], true, "{records:?}");
        }
        let seen = upstream.take();
        assert_eq!(seen.len(), ASKED);
        assert!(
            seen.iter().all(|s| s.field("dpop").is_none() && s.field("authorization").is_none()),
            "{seen:?}"
        );

        let used = holder.proof(&world.mcp, Some(&token));
        assert_eq!(sends(&world, "DPoP", &token, Some(&used)).await.status, 200);
        upstream.take();
        let elsewhere = || Some(holder.proof(&format!("{}/other", world.mcp), Some(&token)));
        let stolen = || Some(thief.proof(&world.mcp, Some(&token)));
        let again = || Some(used.clone());
        let (invalid, bad) = ("invalid_token", "invalid_dpop_proof");
        let cases: [(&str, &str, &str, Make<'_>); 5] = [
            ("DPoP", bad, "proof used before", &again),
            ("DPoP", bad, "htu is not the URL of the server", &elsewhere),
            ("DPoP", bad, "proof by another key", &stolen),
            ("DPoP", bad, "no DPoP header", &|| None),
            ("Bearer", invalid, "a bound token presented as bearer", &|| None),
        ];
        for (scheme, error, detail, proof) in cases {
            let mut answers = Vec::new();
            for _ in 0..ASKED {
                answers.push(sends(&world, scheme, &token, proof().as_deref()).await);
            }
            refused(&world, &upstream, answers, error, detail).await;
        }
        assert!(!upstream.raw().contains(&token), "the token went no further");
    }
    let [token, _] = tokens(&world, &holder).await;
    all_at_once(&world, &holder, &token).await;
    let asked = exchange(&world, &request(&world, "POST /mcp", None, &[], call("get_note").as_bytes())).await;
    let head = format!("{asked:?}").to_lowercase();
    assert!(asked.challenges() && head.contains("www-authenticate: dpop algs="), "both schemes: {head}");
    world.discard().await;
}

/// Of many requests with one proof, whichever worker each meets, one passes.
async fn all_at_once(world: &World, holder: &Holder, token: &str) {
    let proof = holder.proof(&world.mcp, Some(token));
    let one = || {
        let (http, url, proof) = (world.http.clone(), world.mcp.clone(), proof.clone());
        let authorization = format!("DPoP {token}");
        tokio::spawn(async move {
            let accept = ("accept", "application/json, text/event-stream");
            let fields = [accept, ("authorization", authorization.as_str()), ("dpop", proof.as_str())];
            let body = stage::tool_call(5, "get_note", &json!({"id": "ideas"}));
            http.post_json(&url, &fields, &body).await.unwrap().status
        })
    };
    let mut statuses = Vec::new();
    for sent in (0..4 * ASKED).map(|_| one()).collect::<Vec<_>>() {
        statuses.push(sent.await.unwrap());
    }
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!(passed == 1 && statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
}
