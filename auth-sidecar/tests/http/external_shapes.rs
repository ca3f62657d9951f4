//! What becomes of the tokens of well-known providers? `corpus/access_tokens.yaml`, replayed with an issuer that signs them.

use serde_json::{Map, Value, json};

use crate::opaque_tokens::validate;
use crate::world::dpop::Key;
use crate::world::upstream::Upstream;
use crate::world::{RESOURCE, World};

const T0: u64 = 1_800_000_000;

/// One provider of the corpus.
struct Provider {
    issuer: String,
    about: Value,
}

fn corpus(base: &str) -> Vec<Provider> {
    let text = include_str!("corpus/access_tokens.yaml").replace("RESOURCE", RESOURCE);
    let all: Value = serde_saphyr::from_str(&text).unwrap();
    let provider = |(name, about): (&String, &Value)| Provider {
        issuer: format!("{base}/{name}"),
        about: about.clone(),
    };
    all.as_object().unwrap().iter().map(provider).collect()
}

impl Provider {
    /// The entry of `external_issuers`; JSON is YAML.
    fn settings(&self, number: usize, base: &str) -> String {
        let mut settings = self.about["settings"].clone();
        settings["id"] = json!(format!("p{number}"));
        settings["issuer"] = json!(self.issuer);
        settings["jwks_uri"] = json!(format!("{base}/jwks"));
        format!("  - {settings}\n")
    }

    fn token(&self, case: &Value, key: &Key) -> (String, Map<String, Value>) {
        let mut claims = self.about["claims"].as_object().unwrap().clone();
        for (name, value) in [("iss", json!(self.issuer)), ("iat", json!(T0 - 60)), ("exp", json!(T0 + 3600))]
        {
            claims.insert(name.into(), value);
        }
        claims.extend(case["set"].as_object().cloned().unwrap_or_default());
        claims.retain(|_, value| !value.is_null());
        let mut header = case.get("header").unwrap_or(&self.about["header"]).clone();
        header["alg"] = json!("RS256");
        header["kid"] = json!("k1");
        let token = key.sign(&header, &Value::Object(claims.clone()));
        (case["token"].as_str().map_or(token, ToOwned::to_owned), claims)
    }

    fn expected(&self, case: &Value, claims: &Map<String, Value>) -> Value {
        let expected = case.get("expected").unwrap_or(&self.about["expected"]);
        let Some(more) = expected.as_object() else {
            assert_eq!(expected, "inactive");
            return json!({"active": false});
        };
        let mut whole = json!({
            "active": true, "token_type": "Bearer", "iss": self.issuer, "aud": RESOURCE,
            "sub": format!("{}#{}", self.issuer, claims["sub"].as_str().unwrap()),
            "iat": claims["iat"], "exp": claims["exp"],
        });
        whole.as_object_mut().unwrap().extend(more.clone());
        whole
    }
}

#[tokio::test]
async fn every_shape_of_the_corpus_has_its_verdict() {
    let upstream = Upstream::start().await;
    let key = Key::new("RS256");
    let mut published = key.jwk.clone();
    published["kid"] = json!("k1");
    upstream.set(|mock| mock.jwks = json!({"keys": [published]}));
    let providers = corpus(&upstream.base);
    let list: String =
        providers.iter().enumerate().map(|(number, one)| one.settings(number, &upstream.base)).collect();
    let world = World::start_with(|yaml| format!("{yaml}external_issuers:\n{list}")).await;
    for provider in &providers {
        assert!(provider.about["source"].is_string(), "{}", provider.issuer);
        for case in provider.about["cases"].as_array().unwrap() {
            let place = format!("{}: {}", provider.issuer, case["name"]);
            let (token, claims) = provider.token(case, &key);
            let mut answer = validate(&world, &token, RESOURCE).await;
            if answer["active"] == true {
                let members = answer.as_object_mut().unwrap();
                let ids = [members.remove("jti").unwrap(), members.remove("grant_id").unwrap()];
                assert!(ids.iter().all(Value::is_string), "{place}");
                let named = claims.get("jti").or(Some(&ids[1]));
                assert_eq!(named, Some(&ids[0]), "{place}");
            }
            assert_eq!(answer, provider.expected(case, &claims), "{place}");
        }
    }
    assert_eq!(upstream.asked("/jwks"), 1 + providers.len() - 1, "once for each issuer");
}
