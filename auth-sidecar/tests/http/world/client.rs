//! An OAuth client: registers, sends the browser, redeems, refreshes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::browser::{Browser, Page};
use super::{CONFIGURED_SECRET, RESOURCE, World, encode, form_headers, read};

pub(crate) const REDIRECT: &str = "http://127.0.0.1:7777/cb";
pub(crate) const VERIFIER: &str = "verifier-verifier-verifier-verifier-verifier";

/// Fields of a form.
type Fields<'a> = [(&'a str, &'a str)];

/// A registered client.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) method: String,
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) body: Value,
}

impl Client {
    /// A public client with code and refresh grants.
    pub(crate) async fn public(world: &World) -> Self {
        Self::register(world, json!({"token_endpoint_auth_method": "none"})).await
    }

    /// One that stands in the configuration, with the secret of all of them.
    pub(crate) fn configured(id: &str) -> Self {
        let secret = Some(CONFIGURED_SECRET.into());
        Self { id: id.into(), secret, method: "client_secret_basic".into() }
    }

    pub(crate) async fn confidential(world: &World, method: &str) -> Self {
        Self::register(world, json!({"token_endpoint_auth_method": method})).await
    }

    /// Registers with the usual metadata and `extra`.
    pub(crate) async fn register(world: &World, extra: Value) -> Self {
        let mut body = json!({
            "redirect_uris": [REDIRECT], "client_name": "Test client",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        });
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        let (status, answer) =
            read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
        assert_eq!(status, 201, "{answer}");
        Self {
            id: answer["client_id"].as_str().unwrap().to_owned(),
            secret: answer["client_secret"].as_str().map(ToOwned::to_owned),
            method: answer["token_endpoint_auth_method"].as_str().unwrap().to_owned(),
        }
    }

    /// The usual authorization request; entries of `changes` replace parameters, an empty value removes one.
    pub(crate) fn link(&self, changes: &[(&str, &str)]) -> String {
        let challenge = challenge(VERIFIER);
        let mut params = vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT),
            ("scope", "mcp:read mcp:write"),
            ("state", "st ate&1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
        ];
        params.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        params.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        format!("/authorize?{}", encode(&params))
    }

    /// A code of a new browser in which alice signs in and allows.
    pub(crate) async fn code(&self, world: &World) -> String {
        let page = Browser::default().approve(world, &self.link(&[])).await;
        page.param("code").unwrap_or_else(|| panic!("no code: {page:?}"))
    }

    pub(crate) async fn tokens(&self, world: &World) -> Tokens {
        let code = self.code(world).await;
        let (status, body) = self.redeem(world, &code, &[]).await;
        assert_eq!(status, 200, "{body}");
        Tokens::of(body)
    }

    pub(crate) async fn redeem(&self, world: &World, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.post(world, "/token", &form, changes).await
    }

    pub(crate) async fn refresh(&self, world: &World, token: &str, changes: &[(&str, &str)]) -> (u16, Value) {
        self.post(world, "/token", &[("grant_type", "refresh_token"), ("refresh_token", token)], changes)
            .await
    }

    /// Posts a form as this client, in the way it registered.
    pub(crate) async fn post(
        &self,
        world: &World,
        path: &str,
        form: &[(&str, &str)],
        changes: &[(&str, &str)],
    ) -> (u16, Value) {
        self.post_proving(world, path, (form, changes), None).await
    }

    /// The same with a DPoP proof.
    pub(crate) async fn post_proving(
        &self,
        world: &World,
        path: &str,
        (form, changes): (&Fields<'_>, &Fields<'_>),
        proof: Option<&str>,
    ) -> (u16, Value) {
        read(self.request(world, path, (form, changes), proof).send().await.unwrap()).await
    }

    /// The same in this browser; the answer's status.
    pub(crate) async fn post_from(
        &self,
        world: &World,
        browser: &mut Browser,
        path: &str,
        form: &[(&str, &str)],
    ) -> u16 {
        browser.follow(world, self.request(world, path, (form, &[]), None)).await.status
    }

    fn request(
        &self,
        world: &World,
        path: &str,
        (form, changes): (&Fields<'_>, &Fields<'_>),
        proof: Option<&str>,
    ) -> reqwest::RequestBuilder {
        let mut form: Vec<(&str, &str)> = form.to_vec();
        let mut request = world.http.post(world.url(path)).headers(form_headers());
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        match (self.method.as_str(), &self.secret) {
            ("client_secret_basic", Some(secret)) => {
                request = request.header("authorization", basic(&self.id, secret));
            }
            ("client_secret_post", Some(secret)) => {
                form.extend([("client_id", self.id.as_str()), ("client_secret", secret)]);
            }
            _ => form.push(("client_id", &self.id)),
        }
        form.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        request.body(encode(&form))
    }
}

impl Tokens {
    pub(crate) fn of(body: Value) -> Self {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), body }
    }

    /// Header and claims, unverified.
    pub(crate) fn decoded(&self) -> (Value, Value) {
        decode(&self.access)
    }
}

/// The tokens for the code that a browser comes back with.
pub(crate) async fn redeemed(world: &World, client: &Client, page: &Page) -> Tokens {
    let code = page.param("code").unwrap_or_else(|| panic!("no code: {page:?}"));
    let (status, body) = client.redeem(world, &code, &[]).await;
    assert_eq!(status, 200, "{body}");
    Tokens::of(body)
}

/// Header and claims of a JWT, unverified.
pub(crate) fn decode(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()).unwrap_or(Value::Null)
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

/// `at_hash` of an access token beside an ES256 or RS256 ID token.
pub(crate) fn at_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16])
}

pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}
