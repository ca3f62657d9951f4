//! Providers of identity on loopback: an OpenID Connect one that can be told to lie, and a GitHub, on one port.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jwt_simple::prelude::{ECDSAP256KeyPairLike as _, ES256KeyPair, HeaderOptions, JWTClaims};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::{Value, json};

use super::browser::{Browser, Form, Page};
use super::client::{Client, Tokens, basic, challenge};
use super::{CONFIGURED_SECRET, ISSUER, World};

pub(crate) const CLIENT_ID: &str = "wicketgate at the provider";

/// Claims in order; a name may stand twice.
#[derive(Clone)]
pub(crate) struct Claims(pub(crate) Vec<(String, Value)>);

type Lie = Arc<dyn Fn(&mut Claims) + Send + Sync>;
type Forge = Arc<dyn Fn(&Mock, Claims) -> String + Send + Sync>;

/// What the provider is made of.
pub(crate) struct Mock {
    pub(crate) base: String,
    pub(crate) pair: ES256KeyPair,
    pub(crate) kid: String,
    pub(crate) jwks: Value,
    pub(crate) discovery: Value,
    pub(crate) now: u64,
    pub(crate) lie: Lie,
    pub(crate) forge: Option<Forge>,
    /// Instead of the usual answer of a path: status and body.
    pub(crate) instead: HashMap<String, (u16, String)>,
    pub(crate) userinfo: Value,
    pub(crate) github: Value,
    /// By code: challenge, redirect URI, nonce.
    codes: HashMap<String, [String; 3]>,
    pub(crate) asked: Vec<String>,
}

/// The provider; it ends with the test's runtime.
pub(crate) struct Upstream {
    pub(crate) mock: Arc<Mutex<Mock>>,
    pub(crate) base: String,
}

pub(crate) const ACCESS_TOKEN: &str = "the-access-token-of-the-provider";

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let pair = ES256KeyPair::generate().with_key_id("k1");
        let mut mock = Mock {
            jwks: Value::Null,
            discovery: json!({
                "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/jwks"),
                "userinfo_endpoint": format!("{base}/userinfo"),
            }),
            base: base.clone(),
            pair,
            kid: "k1".into(),
            now: 1_800_000_000,
            lie: Arc::new(|_| {}),
            forge: None,
            instead: HashMap::new(),
            userinfo: json!({"sub": "u-1"}),
            github: json!({"user": {"id": 583_231, "login": "octocat"}, "orgs": [], "teams": []}),
            codes: HashMap::new(),
            asked: Vec::new(),
        };
        mock.jwks = json!({"keys": [mock.public_jwk()]});
        let mock = Arc::new(Mutex::new(mock));
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(|s: Mocked| async move { json_of(&s.0.lock().unwrap().discovery) }),
            )
            .route("/jwks", get(|s: Mocked| async move { json_of(&s.0.lock().unwrap().jwks) }))
            .route("/userinfo", get(userinfo))
            .route("/token", post(token))
            .route("/login/oauth/access_token", post(github_token))
            .route("/api/v3/{*path}", get(github_api))
            .layer(from_fn_with_state(Arc::clone(&mock), observe))
            .with_state(Arc::clone(&mock));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { mock, base }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Mock)) {
        change(&mut self.mock.lock().unwrap());
    }

    pub(crate) fn lie(&self, lie: impl Fn(&mut Claims) + Send + Sync + 'static) {
        self.set(|mock| mock.lie = Arc::new(lie));
    }

    pub(crate) fn asked(&self, path: &str) -> usize {
        self.mock.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }

    /// The provider `x` of kind oidc with these further settings.
    pub(crate) fn oidc(&self, more: &str) -> String {
        format!(
            "identity_providers:\n  - {{id: x, kind: oidc, issuer: '{}', client_id: {CLIENT_ID}, \
             client_secret: {{file: FOLDER/rs.secret}}, label: Example, {more}}}\n",
            self.base
        )
    }

    /// The provider `x` of kind github with these further settings.
    pub(crate) fn github(&self, more: &str) -> String {
        format!(
            "identity_providers:\n  - {{id: x, kind: github, base_url: '{}', client_id: {CLIENT_ID}, \
             client_secret: {{file: FOLDER/rs.secret}}, label: GitHub, {more}}}\n",
            self.base
        )
    }

    /// A world with this provider, and a client.
    pub(crate) async fn world(&self, provider: &str) -> (World, Client) {
        let provider = provider.to_owned();
        let world = World::start_with(|yaml| yaml + &provider).await;
        let client = Client::public(&world).await;
        (world, client)
    }

    /// The user signs in where `location` leads: the path that the browser comes back to.
    pub(crate) fn sign_in(&self, location: &str) -> String {
        let url = url::Url::parse(location).unwrap();
        assert!(location.starts_with(&self.base), "{location}");
        let params: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(params["code_challenge_method"], "S256");
        assert_eq!(params["client_id"], CLIENT_ID);
        let redirect_uri = params["redirect_uri"].clone();
        let mut mock = self.mock.lock().unwrap();
        let code = format!("code-{}", mock.codes.len());
        let nonce = params.get("nonce").cloned().unwrap_or_default();
        let kept = [params["code_challenge"].clone(), redirect_uri.clone(), nonce];
        mock.codes.insert(code.clone(), kept);
        let path = redirect_uri.strip_prefix(ISSUER).unwrap();
        format!("{path}?code={code}&state={}", params["state"])
    }
}

/// Opens the link and approves: where the browser leaves for.
pub(crate) async fn leave(world: &World, browser: &mut Browser, link: &str) -> String {
    let page = browser.get(world, link).await;
    leave_from(world, browser, &page).await
}

/// Chooses the provider at this page and approves: where the browser leaves for.
pub(crate) async fn leave_from(world: &World, browser: &mut Browser, page: &Page) -> String {
    let form = approval(world, browser, page).await.with("decision", "approve");
    let page = browser.submit(world, &form).await;
    page.left_for.unwrap_or_else(|| panic!("not sent to the provider: {} {}", page.status, page.body))
}

/// Chooses the provider at this page: the form that asks for approval.
pub(crate) async fn approval(world: &World, browser: &mut Browser, page: &Page) -> Form {
    assert!(page.body.contains("action=\"/signin/x\""), "{page:?}");
    let handle = page.body.split_once("name=\"request\" value=\"").unwrap().1.split_once('"').unwrap().0;
    browser.get(world, &format!("/signin/x?request={handle}")).await.form()
}

/// A whole sign-in of a new browser: where it ends.
pub(crate) async fn arrive(upstream: &Upstream, world: &World, client: &Client) -> Page {
    let mut browser = Browser::default();
    let location = leave(world, &mut browser, &client.link(&[])).await;
    browser.get(world, &upstream.sign_in(&location)).await
}

/// The tokens of a whole sign-in.
pub(crate) async fn tokens(upstream: &Upstream, world: &World, client: &Client) -> Tokens {
    super::client::redeemed(world, client, &arrive(upstream, world, client).await).await
}

impl Mock {
    pub(crate) fn public_jwk(&self) -> Value {
        let mut jwk: Value = serde_json::from_str(&self.pair.public_key().to_jwk()).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk
    }

    pub(crate) fn sign(&self, claims: Claims) -> String {
        signed(&self.pair, "JWT", claims)
    }
}

/// A token of this key and `typ`.
pub(crate) fn signed(pair: &ES256KeyPair, typ: &str, claims: Claims) -> String {
    let options = HeaderOptions { signature_type: Some(typ.to_owned()), ..HeaderOptions::default() };
    pair.sign_with_options(bare(claims), &options).unwrap()
}

/// With every claim among the custom ones, so that it can be anything.
pub(crate) fn bare(custom: Claims) -> JWTClaims<Claims> {
    JWTClaims {
        issued_at: None,
        expires_at: None,
        invalid_before: None,
        issuer: None,
        subject: None,
        audiences: None,
        jwt_id: None,
        nonce: None,
        custom,
    }
}

impl Claims {
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.remove(name);
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

type Mocked = State<Arc<Mutex<Mock>>>;

fn json_of(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

async fn observe(State(mock): Mocked, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let instead = {
        let mut mock = mock.lock().unwrap();
        mock.asked.push(path.clone());
        mock.instead.get(&path).cloned()
    };
    match instead {
        // A server that never answers.
        Some((0, _)) => std::future::pending().await,
        Some((status, body)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("content-type", "application/json")], body).into_response()
        }
        None => next.run(request).await,
    }
}

/// What a provider must check, and the nonce of the code, which works once.
fn redeemed(mock: &mut Mock, form: &HashMap<String, String>) -> Option<String> {
    let [kept, redirect_uri, nonce] = mock.codes.remove(form.get("code")?)?;
    let fits = challenge(form.get("code_verifier")?) == kept && form.get("redirect_uri")? == &redirect_uri;
    fits.then_some(nonce)
}

fn form(body: &Bytes) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

async fn token(State(mock): Mocked, headers: HeaderMap, body: Bytes) -> Response {
    let mut mock = mock.lock().unwrap();
    let form = form(&body);
    let in_form = mock.discovery.get("token_endpoint_auth_methods_supported").is_some();
    let proven = match in_form {
        true => form.get("client_secret").is_some_and(|secret| secret == CONFIGURED_SECRET),
        false => headers["authorization"] == basic(CLIENT_ID, CONFIGURED_SECRET),
    };
    let nonce = redeemed(&mut mock, &form).filter(|_| proven && form["grant_type"] == "authorization_code");
    let Some(nonce) = nonce else {
        return (StatusCode::BAD_REQUEST, json_of(&json!({"error": "invalid_grant"}))).into_response();
    };
    let mut claims = Claims(Vec::new());
    for (name, value) in [
        ("iss", json!(mock.base)),
        ("sub", json!("u-1")),
        ("aud", json!(CLIENT_ID)),
        ("iat", json!(mock.now)),
        ("exp", json!(mock.now + 300)),
        ("nonce", json!(nonce)),
        ("email", json!("alice")),
    ] {
        claims.set(name, value);
    }
    (mock.lie)(&mut claims);
    let id_token = match &mock.forge {
        Some(forge) => forge(&mock, claims),
        None => mock.sign(claims),
    };
    json_of(
        &json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 60, "id_token": id_token}),
    )
}

async fn userinfo(State(mock): Mocked, headers: HeaderMap) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {ACCESS_TOKEN}"));
    json_of(&mock.lock().unwrap().userinfo)
}

async fn github_token(State(mock): Mocked, headers: HeaderMap, body: Bytes) -> Response {
    let form = form(&body);
    let proven = form["client_secret"] == CONFIGURED_SECRET && headers["accept"] == "application/json";
    match redeemed(&mut mock.lock().unwrap(), &form).filter(|_| proven) {
        Some(_) => json_of(&json!({"access_token": ACCESS_TOKEN, "token_type": "bearer", "scope": ""})),
        None => json_of(&json!({"error": "bad_verification_code"})),
    }
}

async fn github_api(
    State(mock): Mocked,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {ACCESS_TOKEN}"));
    let mock = mock.lock().unwrap();
    let of = |name: &str| mock.github[name].as_array().unwrap().clone();
    let found = match request.uri().path() {
        "/api/v3/user" => return json_of(&mock.github["user"]),
        "/api/v3/user/orgs" => of("orgs"),
        "/api/v3/user/teams" => of("teams"),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let query = query.unwrap();
    let page: usize = query.split_once("per_page=100&page=").unwrap().1.parse().unwrap();
    json_of(&found.into_iter().skip((page - 1) * 100).take(100).collect())
}
