//! Tokens that are bound to a key (RFC 9449): at the token endpoint, at PAR, at userinfo.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, Tokens, VERIFIER, challenge};
use crate::world::dpop::{Key, b64};
use crate::world::{ISSUER, RESOURCE, World, encode, form_headers, read};

const T0: u64 = 1_800_000_000;

/// Posts a public client's form with these `DPoP` headers; status, body, and the nonce of the answer.
async fn post(
    world: &World,
    path: &str,
    form: &[(&str, &str)],
    proofs: &[&str],
) -> (u16, Value, Option<String>) {
    let mut request = world.http.post(world.url(path)).headers(form_headers()).body(encode(form));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    let response = request.send().await.unwrap();
    let nonce = response.headers().get("dpop-nonce").map(|value| value.to_str().unwrap().to_owned());
    let (status, body) = read(response).await;
    (status, body, nonce)
}

fn redemption<'a>(client: &'a Client, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", &client.id),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

fn refreshing<'a>(client: &'a Client, token: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "refresh_token"), ("client_id", &client.id), ("refresh_token", token)]
}

/// Bound tokens of a public client.
pub(crate) async fn bound(world: &World, client: &Client, key: &Key, scope: &str) -> Tokens {
    let page = Browser::default().approve(world, &client.link(&[("scope", scope)])).await;
    let code = page.param("code").unwrap();
    let (status, body, _) =
        post(world, "/token", &redemption(client, &code), &[&key.proof("/token", T0)]).await;
    assert_eq!(status, 200, "{body}");
    Tokens::of(body)
}

#[tokio::test]
async fn a_proof_binds_the_tokens_to_its_key() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    for alg in ["ES256", "EdDSA", "RS256", "PS256"] {
        let key = Key::new(alg);
        let tokens = bound(&world, &client, &key, "mcp:read").await;
        assert_eq!(tokens.body["token_type"], "DPoP");
        let cnf = json!({"jkt": key.thumbprint()});
        assert_eq!(tokens.decoded().1["cnf"], cnf, "{alg}");
        let asker = Client::configured("resource-server");
        let (_, answer) = asker.post(&world, "/introspect", &[("token", &tokens.access)], &[]).await;
        assert_eq!((&answer["token_type"], &answer["cnf"]), (&json!("DPoP"), &cnf));
        let question = json!({"token": tokens.access, "resource": RESOURCE});
        let url = format!("{}/v1/validate", world.internal);
        let (_, answer) = read(world.http.post(url).json(&question).send().await.unwrap()).await;
        assert_eq!((&answer["token_type"], &answer["cnf"]), (&json!("DPoP"), &cnf));
    }
    assert!(client.tokens(&world).await.decoded().1.get("cnf").is_none(), "without a proof, no binding");
}

#[tokio::test]
async fn proofs_are_judged_strictly() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    let key = Key::new("ES256");
    let other = Key::new("ES256");
    let header = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.sign(&header, &Key::claims("/token", T0))
    };
    let jwk = |name: &str, value: Value| {
        let mut jwk = key.jwk.clone();
        jwk[name] = value;
        header("jwk", jwk)
    };
    let claim = |name: &str, value: Value| {
        let mut claims = Key::claims("/token", T0);
        claims[name] = value;
        key.sign(&key.header(), &claims)
    };
    let without = |name: &str| {
        let mut claims = Key::claims("/token", T0);
        claims.as_object_mut().unwrap().remove(name);
        key.sign(&key.header(), &claims)
    };
    let good = key.proof("/token", T0);
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let none = json!({"typ": "dpop+jwt", "alg": "none", "jwk": key.jwk});
    let doubled = format!("{{\"typ\":\"dpop+jwt\",\"typ\":\"dpop+jwt\",{}", &key.header().to_string()[1..]);
    let doubled = format!("{}.{}.{}", b64(doubled), b64(Key::claims("/token", T0).to_string()), b64([0; 64]));
    for (case, proof) in [
        ("empty", " ".into()),
        ("no JWT", "x".into()),
        ("unsigned", unsigned),
        ("alg none", format!("{}.{}.", b64(none.to_string()), b64(Key::claims("/token", T0).to_string()))),
        ("twice the same member", doubled),
        ("typ", header("typ", json!("JWT"))),
        ("symmetric", header("alg", json!("HS256"))),
        ("an alg that gateways do not verify", header("alg", json!("ES384"))),
        ("alg of another key", header("alg", json!("RS256"))),
        ("no jwk", header("jwk", Value::Null)),
        ("crit", header("crit", json!(["x"]))),
        ("private key", jwk("d", json!("AAAA"))),
        ("symmetric key", jwk("k", json!("AAAA"))),
        ("point off the curve", jwk("x", json!(b64([1; 32])))),
        ("curve", jwk("crv", json!("P-384"))),
        ("use", jwk("use", json!("enc"))),
        ("signed with another key", other.sign(&key.header(), &Key::claims("/token", T0))),
        ("htm", claim("htm", json!("GET"))),
        ("htm in small letters", claim("htm", json!("post"))),
        ("htu", claim("htu", json!(format!("{ISSUER}/par")))),
        ("htu of another host", claim("htu", json!("https://evil.example/token"))),
        ("htu is no URL", claim("htu", json!("/token"))),
        ("iat too old", claim("iat", json!(T0 - 301))),
        ("iat ahead", claim("iat", json!(T0 + 31))),
        ("iat as text", claim("iat", json!(T0.to_string()))),
        ("jti as number", claim("jti", json!(7))),
        ("jti empty", claim("jti", json!(""))),
        ("jti too long", claim("jti", json!("x".repeat(600)))),
        ("expired", claim("exp", json!(T0))),
        ("no jti", without("jti")),
        ("no htm", without("htm")),
        ("no htu", without("htu")),
        ("no iat", without("iat")),
    ] {
        let (status, body, _) = post(&world, "/token", &redemption(&client, &code), &[&proof]).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "{case}: {body}");
    }
    let (a, b) = (key.proof("/token", T0), key.proof("/token", T0));
    let (status, body, _) = post(&world, "/token", &redemption(&client, &code), &[&a, &b]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "two headers");
    let lenient =
        claim("htu", json!(format!("{}/token?x=1#y", ISSUER.to_uppercase().replace("HTTP", "http"))));
    let (status, body, _) = post(&world, "/token", &redemption(&client, &code), &[&lenient]).await;
    assert_eq!(status, 200, "the code was not used up, and a query does not matter: {body}");
}

#[tokio::test]
async fn a_proof_works_once() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let key = Key::new("ES256");
    let proof = key.proof("/token", T0 + 20);
    let code = client.code(&world).await;
    assert_eq!(post(&world, "/token", &redemption(&client, &code), &[&proof]).await.0, 200);
    let code = client.code(&world).await;
    for wait in [0, 319] {
        world.advance(Duration::from_secs(wait));
        let (status, body, _) = post(&world, "/token", &redemption(&client, &code), &[&proof]).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "after {wait} s");
    }
}

#[tokio::test]
async fn a_public_clients_refresh_token_is_bound_to_the_key() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let (key, other) = (Key::new("ES256"), Key::new("EdDSA"));
    let tokens = bound(&world, &client, &key, "mcp:read").await;
    let form = refreshing(&client, &tokens.refresh);
    for proofs in [vec![], vec![other.proof("/token", T0)]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let (status, body, _) = post(&world, "/token", &form, &proofs).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    }
    let (status, body, _) = post(&world, "/token", &form, &[&key.proof("/token", T0)]).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("DPoP")), "not used up");
    let again = Tokens::of(body);
    assert_eq!(again.decoded().1["cnf"]["jkt"], key.thumbprint());
    let form = refreshing(&client, &again.refresh);
    let (status, _, _) = post(&world, "/token", &form, &[&other.proof("/token", T0)]).await;
    assert_eq!(status, 400, "nor does the next one change its key");

    let plain = client.tokens(&world).await;
    let (_, body, _) =
        post(&world, "/token", &refreshing(&client, &plain.refresh), &[&key.proof("/token", T0)]).await;
    let later = Tokens::of(body);
    assert_eq!(later.decoded().1["cnf"]["jkt"], key.thumbprint(), "bound from the first proof on");
    assert_eq!(post(&world, "/token", &refreshing(&client, &later.refresh), &[]).await.0, 400);

    let secret = Client::confidential(&world, "client_secret_post").await;
    let code = secret.code(&world).await;
    let mut form = redemption(&secret, &code);
    form.push(("client_secret", secret.secret.as_deref().unwrap()));
    let (_, body, _) = post(&world, "/token", &form, &[&key.proof("/token", T0)]).await;
    let refresh = body["refresh_token"].as_str().unwrap().to_owned();
    let mut form = refreshing(&secret, &refresh);
    form.push(("client_secret", secret.secret.as_deref().unwrap()));
    let (status, body, _) = post(&world, "/token", &form, &[&other.proof("/token", T0)]).await;
    assert_eq!(status, 200, "a confidential client may change its key: {body}");
    assert_eq!(Tokens::of(body).decoded().1["cnf"]["jkt"], other.thumbprint());
}

#[tokio::test]
async fn a_code_can_be_bound_to_a_key_beforehand() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let (key, other) = (Key::new("ES256"), Key::new("ES256"));
    let link = client.link(&[("dpop_jkt", &key.thumbprint())]);
    let code = Browser::default().approve(&world, &link).await.param("code").unwrap();
    for proofs in [vec![], vec![other.proof("/token", T0)]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let (status, body, _) = post(&world, "/token", &redemption(&client, &code), &proofs).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    }
    let proof = key.proof("/token", T0);
    assert_eq!(post(&world, "/token", &redemption(&client, &code), &[&proof]).await.0, 200);
    let page = Browser::default().get(&world, &client.link(&[("dpop_jkt", "short")])).await;
    assert_eq!(page.param("error").as_deref(), Some("invalid_request"));

    let challenge = challenge(VERIFIER);
    let (own, foreign) = (key.thumbprint(), other.thumbprint());
    let pushed = |jkt: &str| {
        let form = [
            ("client_id", client.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "mcp:read"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
            ("dpop_jkt", jkt),
        ];
        form.map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (jkt, status) in [(foreign.as_str(), 400), (own.as_str(), 201), ("", 201)] {
        let form = pushed(jkt);
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let (got, body, _) = post(&world, "/par", &form, &[&key.proof("/par", T0)]).await;
        assert_eq!(got, status, "{body}");
        if status == 201 {
            let query =
                [("client_id", client.id.as_str()), ("request_uri", body["request_uri"].as_str().unwrap())];
            let page = Browser::default().approve(&world, &format!("/authorize?{}", encode(&query))).await;
            let code = page.param("code").unwrap();
            assert_eq!(
                post(&world, "/token", &redemption(&client, &code), &[]).await.0,
                400,
                "bound by the push"
            );
        }
    }
}

#[tokio::test]
async fn who_registered_for_it_gets_bound_tokens_only() {
    let world = World::start().await;
    let metadata = json!({"token_endpoint_auth_method": "none", "dpop_bound_access_tokens": true});
    let client = Client::register(&world, metadata).await;
    let code = client.code(&world).await;
    let (status, body, _) = post(&world, "/token", &redemption(&client, &code), &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")));
    let proof = Key::new("ES256").proof("/token", T0);
    assert_eq!(post(&world, "/token", &redemption(&client, &code), &[&proof]).await.0, 200);
}

#[tokio::test]
async fn proofs_can_be_made_to_need_a_nonce() {
    let world = World::start_with(|yaml| yaml + "dpop: {require_nonce: true}\n").await;
    let client = Client::public(&world).await;
    let key = Key::new("ES256");
    let code = client.code(&world).await;
    let with = |nonce: &str, iat: u64| {
        let mut claims = Key::claims("/token", iat);
        claims["nonce"] = json!(nonce);
        key.sign(&key.header(), &claims)
    };
    let form = redemption(&client, &code);
    let (status, body, nonce) = post(&world, "/token", &form, &[&key.proof("/token", T0)]).await;
    assert_eq!((status, &body["error"]), (400, &json!("use_dpop_nonce")));
    let nonce = nonce.unwrap();
    let (_, body, _) = post(&world, "/token", &form, &[&with("made up", T0)]).await;
    assert_eq!(body["error"], "use_dpop_nonce");
    world.advance(Duration::from_secs(30));
    let (status, body, next) = post(&world, "/token", &form, &[&with(&nonce, T0 + 30)]).await;
    assert_eq!(status, 200, "{body}");
    assert_ne!(next.unwrap(), nonce);
    let refresh = Tokens::of(body).refresh;
    world.clock.set_back(Duration::from_secs(31));
    let proof = with(&nonce, T0 - 1);
    let (status, body, _) = post(&world, "/token", &refreshing(&client, &refresh), &[&proof]).await;
    assert_eq!(status, 200, "a replica whose clock is ahead gave it: {body}");
    world.clock.set_back(Duration::from_secs(60));
    let proof = with(&nonce, T0 - 61);
    let refresh = Tokens::of(body).refresh;
    let (_, body, _) = post(&world, "/token", &refreshing(&client, &refresh), &[&proof]).await;
    assert_eq!(body["error"], "use_dpop_nonce", "too far ahead");
    world.advance(Duration::from_secs(361));
    let (_, body, _) =
        post(&world, "/token", &refreshing(&client, &refresh), &[&with(&nonce, T0 + 300)]).await;
    assert_eq!(body["error"], "use_dpop_nonce", "a nonce ends");
}

#[tokio::test]
async fn userinfo_asks_for_the_proof_of_a_bound_token() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let (key, other) = (Key::new("ES256"), Key::new("ES256"));
    let tokens = bound(&world, &client, &key, "openid mcp:read").await;
    let proof = |key: &Key, changes: &[(&str, Value)]| {
        let mut claims = Key::claims("/userinfo", T0);
        claims["htm"] = json!("GET");
        claims["ath"] = json!(b64(<sha2::Sha256 as sha2::Digest>::digest(&tokens.access)));
        changes.iter().for_each(|(name, value)| claims[*name] = value.clone());
        key.sign(&key.header(), &claims)
    };
    let ask = async |scheme: &str, token: &str, proof: Option<String>| {
        let mut request =
            world.http.get(world.url("/userinfo")).header("authorization", format!("{scheme} {token}"));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        let response = request.send().await.unwrap();
        let challenge =
            response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge.unwrap_or_default())
    };
    assert_eq!(ask("DPoP", &tokens.access, Some(proof(&key, &[]))).await, (200, String::new()));
    for (proof, error) in [
        (None, "invalid_dpop_proof"),
        (Some(proof(&other, &[])), "invalid_dpop_proof"),
        (Some(proof(&key, &[("ath", json!("x"))])), "invalid_dpop_proof"),
        (Some(proof(&key, &[("ath", Value::Null)])), "invalid_dpop_proof"),
        (Some(proof(&key, &[("htm", json!("POST"))])), "invalid_dpop_proof"),
    ] {
        let (status, challenge) = ask("DPoP", &tokens.access, proof).await;
        assert_eq!(status, 401);
        assert!(challenge.starts_with("DPoP ") && challenge.contains(error), "{challenge}");
        assert!(challenge.contains("algs=\"ES256 "), "{challenge}");
    }
    let (status, challenge) = ask("Bearer", &tokens.access, Some(proof(&key, &[]))).await;
    assert!(status == 401 && challenge.contains("invalid_token"), "a bound token is no bearer: {challenge}");
    let plain = crate::openid_connect::tokens_for(&world, &client, &[("scope", "openid mcp:read")]).await;
    let (status, challenge) = ask("DPoP", &plain.access, Some(proof(&key, &[]))).await;
    assert!(status == 401 && challenge.contains("invalid_token"), "{challenge}");
}

#[tokio::test]
async fn a_proof_is_for_the_url_that_it_is_sent_to() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let key = Key::new("ES256");
    let mut tokens = bound(&world, &client, &key, "mcp:read").await;
    for (sent, proven, status) in [
        ("/auth/refresh", "/token", 400),
        ("/token", "/auth/refresh", 400),
        ("/auth/refresh", "/auth/refresh", 200),
        ("/token", "/token", 200),
    ] {
        let form = refreshing(&client, &tokens.refresh);
        let (answered, body, _) = post(&world, sent, &form, &[&key.proof(proven, T0)]).await;
        assert_eq!(answered, status, "{sent} {proven}: {body}");
        match status {
            200 => tokens = Tokens::of(body),
            _ => assert_eq!(body["error"], "invalid_dpop_proof"),
        }
    }
}
