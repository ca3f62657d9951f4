//! Who else may issue tokens? A stand-in for an identity provider: publishes keys, signs access tokens, fails when it is told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wicketgate_e2e::envoy::Change;
use wicketgate_e2e::world::{Plan, World};

use super::recorder::{Recorder, Script, Seen, json_answer};
use super::stage::{self, Raw, exchange, request};

/// A key pair that signs by one algorithm, under one name.
#[derive(Clone)]
pub(super) enum Signer {
    Rs256(RS256KeyPair),
    Ps256(PS256KeyPair),
    Es256(Arc<ES256KeyPair>),
    EdDsa(Ed25519KeyPair),
}

/// How questions for keys are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// 500 with other keys, then what is no key set, then nothing at all, and so on.
    Ill,
    /// Rightly, when it is told to.
    Thoughtful,
}

#[derive(Debug)]
struct State {
    keys: Vec<Value>,
    /// What comes with an error.
    planted: Vec<Value>,
    mood: Mood,
    told: Arc<AtomicBool>,
    fetches: usize,
    /// What its feed of revocations says; without it nothing is there.
    feed: Option<Withdrawn>,
}

/// Grants, and the key that signs that they are withdrawn.
struct Withdrawn(Signer, Vec<String>);

/// The running issuer; ends with the test.
#[derive(Clone, Debug)]
pub(super) struct StandIn {
    /// Its name, in tokens and policies.
    pub(super) url: String,
    server: Recorder,
    state: Arc<Mutex<State>>,
}

/// What our access tokens say besides.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Access {
    client_id: String,
    scope: String,
    org: String,
    grant_id: String,
    /// Roles, where Keycloak puts those of a client.
    resource_access: Value,
    /// And where Auth0 puts them.
    #[serde(rename = "https://example.com/roles")]
    roles: Vec<String>,
}

/// A whole feed of revocations.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Feed {
    epoch: String,
    seq: u64,
    since: u64,
    revocations: Vec<Value>,
}

/// Whom a token speaks for.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) subject: &'static str,
    pub(super) client: &'static str,
    pub(super) organization: &'static str,
    pub(super) grant: &'static str,
}

// === impl Signer ===

impl Signer {
    /// An Ed25519 key, which costs nothing to make.
    pub(super) fn quick(kid: &str) -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().with_key_id(kid))
    }

    /// One of each algorithm; the two of RSA share their numbers, under two names.
    pub(super) fn all() -> Vec<Self> {
        let rsa = RS256KeyPair::generate(2048).unwrap();
        let pss = PS256KeyPair::from_der(&rsa.to_der().unwrap()).unwrap();
        vec![
            Self::Rs256(rsa.with_key_id("rs")),
            Self::Ps256(pss.with_key_id("ps")),
            Self::Es256(Arc::new(ES256KeyPair::generate().with_key_id("es"))),
            Self::quick("ed"),
        ]
    }

    /// The public half, as it is published.
    pub(super) fn jwk(&self) -> Value {
        let (jwk, algorithm) = match self {
            Self::Rs256(key) => (key.public_key().to_jwk(), "RS256"),
            Self::Ps256(key) => (key.public_key().to_jwk(), "PS256"),
            Self::Es256(key) => (key.public_key().to_jwk(), "ES256"),
            Self::EdDsa(key) => (key.public_key().to_jwk(), "EdDSA"),
        };
        let mut jwk: Value = serde_json::from_str(&jwk).unwrap();
        jwk["alg"] = json!(algorithm);
        jwk
    }

    /// An access token of `issuer` for these resources; each is another one.
    pub(super) fn token(&self, issuer: &str, resources: &[String]) -> String {
        let alice = Holder { subject: "alice", client: "c1", organization: "acme", grant: "g1" };
        self.token_of(alice, issuer, resources)
    }

    /// The same of somebody else.
    pub(super) fn token_of(&self, holder: Holder, issuer: &str, resources: &[String]) -> String {
        let Holder { subject, client, organization, grant } = holder;
        let access = Access {
            client_id: client.into(),
            scope: "mcp:read".into(),
            org: organization.into(),
            grant_id: grant.into(),
            resource_access: json!({"my.client": {"roles": ["operator"]}}),
            roles: vec!["auditor".into()],
        };
        let mut claims = Claims::with_custom_claims(access, Duration::from_mins(10))
            .with_issuer(issuer)
            .with_subject(subject);
        claims.audiences = Some(Audiences::AsSet(resources.iter().cloned().collect()));
        claims.create_nonce();
        self.sign("at+jwt", claims)
    }

    fn sign<C: Serialize + serde::de::DeserializeOwned>(&self, typ: &str, claims: JWTClaims<C>) -> String {
        let typed = HeaderOptions { signature_type: Some(typ.into()), ..HeaderOptions::default() };
        let signed = match self {
            Self::Rs256(key) => key.sign_with_options(claims, &typed),
            Self::Ps256(key) => key.sign_with_options(claims, &typed),
            Self::Es256(key) => key.sign_with_options(claims, &typed),
            Self::EdDsa(key) => key.sign_with_options(claims, &typed),
        };
        signed.unwrap()
    }
}

// === impl StandIn ===

impl StandIn {
    /// One that publishes these keys.
    pub(super) async fn start(keys: &[Signer]) -> Self {
        let (mood, told) = (Mood::Well, Arc::default());
        let state = State { keys: Vec::new(), planted: Vec::new(), mood, told, fetches: 0, feed: None };
        let state = Arc::new(Mutex::new(state));
        let kept = Arc::clone(&state);
        let answer = move |seen: &Seen| {
            let mut state = kept.lock().unwrap();
            match seen.field("host") {
                Some(host) if seen.head.starts_with("GET /feed?since=") => {
                    state.tell_feed(&format!("http://{host}"))
                }
                _ => state.answer(),
            }
        };
        let server = Recorder::start(answer).await;
        let url = format!("http://127.0.0.1:{}", server.upstream.port);
        let issuer = Self { url, server, state };
        issuer.publish(keys);
        issuer
    }

    /// From now on these are its keys.
    pub(super) fn publish(&self, keys: &[Signer]) {
        self.state.lock().unwrap().keys = keys.iter().map(Signer::jwk).collect();
    }

    /// From now on its feed, signed by this key, withdraws these grants.
    pub(super) fn withdraw(&self, key: &Signer, grants: &[&str]) {
        let grants = grants.iter().map(|grant| (*grant).to_owned()).collect();
        self.state.lock().unwrap().feed = Some(Withdrawn(key.clone(), grants));
    }

    /// Its feed says nothing any more.
    pub(super) fn fall_silent(&self) {
        self.state.lock().unwrap().feed = None;
    }

    /// What it says with an error is this key.
    pub(super) fn plant(&self, key: &Signer) {
        self.state.lock().unwrap().planted = vec![key.jwk()];
    }

    pub(super) fn feel(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        state.mood = mood;
        state.told = Arc::default();
    }

    /// All who wait for a thoughtful answer get it.
    pub(super) fn tell(&self) {
        self.state.lock().unwrap().told.store(true, Ordering::SeqCst);
    }

    /// How often it was asked for its keys.
    pub(super) fn fetches(&self) -> usize {
        self.state.lock().unwrap().fetches
    }

    /// The same, and begins to count anew.
    pub(super) fn take_fetches(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().fetches)
    }

    /// Its entry in a policy; `jwks` are settings of its keys besides.
    pub(super) fn policy(&self, cluster: &str, jwks: &str) -> String {
        format!(
            "  - issuer: {}\n    algorithms: [RS256, PS256, ES256, EdDSA]\n    \
             jwks: {{cluster: {cluster}, path: /keys{jwks}}}\n    clock_skew: 1s\n",
            self.url
        )
    }
}

impl std::fmt::Debug for Withdrawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Withdrawn({:?})", self.1)
    }
}

// === impl State ===

impl State {
    fn tell_feed(&self, issuer: &str) -> Script {
        let Some(Withdrawn(key, grants)) = &self.feed else {
            return Script::Answer(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec());
        };
        let row = |grant: &String| {
            let digest = Sha256::digest(format!("grant\0{grant}"));
            json!({"kind": "grant", "id": URL_SAFE_NO_PAD.encode(&digest[..16]), "until": 4_000_000_000_u64})
        };
        let feed =
            Feed { epoch: "e".into(), seq: 1, since: 0, revocations: grants.iter().map(row).collect() };
        let claims = Claims::with_custom_claims(feed, Duration::from_mins(10)).with_issuer(issuer);
        let feed = key.sign("revocations+jwt", claims);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/jwt\r\n";
        Script::Answer(format!("{head}content-length: {}\r\n\r\n{feed}", feed.len()).into_bytes())
    }

    fn answer(&mut self) -> Script {
        self.fetches += 1;
        let keys = json!({"keys": self.keys}).to_string();
        match self.mood {
            Mood::Well => return Script::Answer(json_answer(&keys)),
            Mood::Thoughtful => return Script::Once(Arc::clone(&self.told), json_answer(&keys)),
            Mood::Ill => {}
        }
        match self.fetches % 3 {
            1 => {
                let planted = json!({"keys": self.planted}).to_string();
                let length = planted.len();
                let head = "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n";
                Script::Answer(format!("{head}content-length: {length}\r\n\r\n{planted}").into_bytes())
            }
            2 => Script::Answer(json_answer(&keys[..keys.len() - 1])),
            _ => Script::Hang(Vec::new()),
        }
    }
}

/// The clusters through which these are reached, by their names.
pub(super) fn clusters(issuers: &[(&str, &Recorder)]) -> Change {
    let mut text = "  clusters:\n".to_owned();
    for (name, server) in issuers {
        text.push_str(&cluster_at(name, server.upstream.port));
    }
    ("  clusters:\n".to_owned(), text)
}

/// One cluster, of a server on this port.
pub(super) fn cluster_at(name: &str, port: u16) -> String {
    format!(
        "    - name: {name}\n      type: STATIC\n      connect_timeout: 2s\n      load_assignment:\n        \
         cluster_name: {name}\n        endpoints:\n          - lb_endpoints:\n              - endpoint: {{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}\n"
    )
}

/// A world without a sidecar, before an echoing upstream, whose tokens these issuers make. `jwks` are settings of their
/// keys; `servers` are entries of the policy.
pub(super) async fn world(
    name: &str,
    upstream: &Recorder,
    issuers: &[(&str, &StandIn, &str)],
    servers: &str,
    change: impl FnOnce(&mut Plan),
) -> World {
    let listed: String = issuers.iter().map(|(cluster, issuer, jwks)| issuer.policy(cluster, jwks)).collect();
    let policy = format!(
        "version: 1\nhold_headers: true\nunknown_tokens: {{rate: 60000/m, burst: 10000}}\nissuers:\n{listed}servers:\n{servers}"
    );
    let reached: Vec<_> = issuers.iter().map(|(cluster, issuer, _)| (*cluster, &issuer.server)).collect();
    stage::world(name, |plan| {
        plan.with_sidecar = false;
        plan.upstream = Some(upstream.upstream.clone());
        plan.set_policy(&policy).unwrap();
        plan.envoy_changes.push(clusters(&reached));
        change(plan);
    })
    .await
}

/// A server of a policy: its name, path, limits and more settings on one line each, and rules.
pub(super) fn server(name: &str, path: &str, settings: &[&str], rules: &str) -> String {
    let settings: String = settings.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "  - name: {name}\n    url: ${{WICKETGATE_URL}}{path}\n    scopes: [mcp:read]\n{settings}    rules:\n{rules}"
    )
}

/// Sends an allowed call to this path with this token, on a connection of its own.
pub(super) async fn sends(world: &World, path: &str, token: &str) -> Raw {
    let call = super::scene::call("get_note");
    exchange(world, &request(world, &format!("POST {path}"), Some(token), &[], call.as_bytes())).await
}
