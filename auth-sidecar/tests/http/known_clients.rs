//! Do the clients that people use get through? `corpus/known_clients.yaml`, replayed from discovery to a registration that is
//! gone.

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::Client;
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::{ISSUER, RESOURCE, World, read};

/// Any of the corpus, in the configuration that lets all of them in.
struct Scene {
    world: World,
    publisher: Publisher,
    signer: Signer,
}

fn corpus(part: &str) -> Vec<Value> {
    let text = include_str!("corpus/known_clients.yaml").replace("RESOURCE", RESOURCE);
    let all: Value = serde_saphyr::from_str(&text).unwrap();
    all[part].as_array().unwrap().clone()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

fn pairs(value: &Value) -> Vec<(&str, &str)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

impl Scene {
    async fn start() -> Self {
        let publisher = Publisher::start().await;
        let schemes: Vec<String> = corpus("clients")
            .iter()
            .flat_map(|about| texts(&about["schemes"]).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>())
            .collect();
        let registration = format!("open: true, private_use_schemes: [{}]", schemes.join(", "));
        let world =
            World::start_with(|yaml| publisher.allowed(&yaml.replace("open: true", &registration))).await;
        let [signer, _] = Signer::rsa();
        publisher.publish("/keys", &signer.jwks());
        Self { world, publisher, signer }
    }

    /// The client as it registers or publishes itself, and where it manages that.
    async fn client(&self, about: &Value) -> (Client, Option<Value>) {
        let Some(document) = about.get("publishes") else {
            let (status, answer) = register(&self.world, &about["registers"]).await;
            assert_eq!(status, 201, "{answer}");
            assert_eq!(answer["redirect_uris"], about["registers"]["redirect_uris"]);
            return (registered(&answer), Some(answer));
        };
        let id = self.publisher.url("/oauth/client.json");
        let text = document.to_string().replace("DOCUMENT", &id);
        let text = text.replace("KEYS", &self.publisher.url("/keys"));
        self.publisher.publish("/oauth/client.json", &serde_json::from_str(&text).unwrap());
        (Client { id, secret: None, method: "none".to_owned() }, None)
    }

    /// What a client that signs adds to each question.
    fn proof(&self, about: &Value, client: &Client) -> Vec<(&'static str, String)> {
        match about["publishes"]["token_endpoint_auth_method"] == "private_key_jwt" {
            true => vec![
                ("client_assertion_type", ASSERTION.to_owned()),
                ("client_assertion", self.signer.assertion(&self.world, &client.id, |_| {})),
            ],
            false => Vec::new(),
        }
    }

    /// The whole flow with one redirect URI; gives the refresh token that is left.
    async fn flow(&self, about: &Value, client: &Client, redirect: &str) -> String {
        let place = format!("{} {redirect}", about["name"]);
        let mut changes = vec![("redirect_uri", redirect), ("scope", ""), ("resource", "")];
        let further = pairs(&about["authorize"]);
        changes.retain(|(name, _)| !further.iter().any(|(other, _)| other == name));
        changes.extend(further);
        let page = Browser::default().approve(&self.world, &client.link(&changes)).await;
        let left_for = page.left_for.clone().unwrap_or_else(|| panic!("{place}: {page:?}"));
        assert!(left_for.starts_with(redirect), "{place}: {left_for}");
        let state = about["authorize"]["state"].as_str().unwrap_or("st ate&1");
        assert_eq!(page.param("state").as_deref(), Some(state), "{place}");
        assert_eq!(page.param("iss").as_deref(), Some(ISSUER), "{place}");
        let code = page.param("code").unwrap_or_else(|| panic!("{place}: {left_for}"));
        let mut form = pairs(&about["token"]);
        form.push(("redirect_uri", redirect));
        let proof = self.proof(about, client);
        form.extend(proof.iter().map(|(name, value)| (*name, value.as_str())));
        let (status, body) = client.redeem(&self.world, &code, &form).await;
        assert_eq!((status, &body["scope"]), (200, &about["scope"]), "{place}: {body}");
        let claims = crate::world::client::decode(body["access_token"].as_str().unwrap()).1;
        assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(RESOURCE), &json!(client.id)), "{place}");
        let mut form = pairs(&about["refresh"]);
        let proof = self.proof(about, client);
        form.extend(proof.iter().map(|(name, value)| (*name, value.as_str())));
        let refresh = body["refresh_token"].as_str().unwrap_or_else(|| panic!("{place}: no refresh token"));
        let (status, body) = client.refresh(&self.world, refresh, &form).await;
        assert_eq!((status, &body["scope"]), (200, &about["scope"]), "{place}: {body}");
        body["refresh_token"].as_str().unwrap().to_owned()
    }
}

async fn register(world: &World, body: &Value) -> (u16, Value) {
    read(world.http.post(world.url("/register")).json(body).send().await.unwrap()).await
}

fn registered(answer: &Value) -> Client {
    Client {
        id: answer["client_id"].as_str().unwrap().to_owned(),
        secret: answer["client_secret"].as_str().map(ToOwned::to_owned),
        method: answer["token_endpoint_auth_method"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn every_known_client_gets_through() {
    let scene = Scene::start().await;
    for about in corpus("clients") {
        assert!(about["source"].is_string(), "{}", about["name"]);
        let (client, _) = scene.client(&about).await;
        for redirect in texts(&about["redirects"]) {
            scene.flow(&about, &client, redirect).await;
        }
        for redirect in texts(&about["never"]) {
            let page =
                Browser::default().get(&scene.world, &client.link(&[("redirect_uri", redirect)])).await;
            assert_eq!((page.status, page.left_for), (400, None), "{} {redirect}", about["name"]);
        }
        // One document after the other lies at the same place.
        scene.world.advance(std::time::Duration::from_secs(600));
    }
}

#[tokio::test]
async fn private_schemes_are_for_those_whom_the_operator_lists() {
    let world = World::start().await;
    for about in corpus("clients").iter().filter(|about| about.get("registers").is_some()) {
        let (status, body) = register(&world, &about["registers"]).await;
        match about.get("schemes") {
            None => assert_eq!(status, 201, "{} {body}", about["name"]),
            Some(_) => {
                assert_eq!(
                    (status, &body["error"]),
                    (400, &json!("invalid_redirect_uri")),
                    "{}",
                    about["name"]
                );
            }
        }
    }
}

#[tokio::test]
async fn whose_registration_is_gone_learns_to_register_again() {
    let scene = Scene::start().await;
    let world = &scene.world;
    for about in corpus("clients").iter().filter(|about| about.get("registers").is_some()) {
        let (client, answer) = scene.client(about).await;
        let redirect = texts(&about["redirects"])[0];
        let refresh = scene.flow(about, &client, redirect).await;
        let answer = answer.unwrap();
        let token = answer["registration_access_token"].as_str().unwrap();
        let gone = world.http.delete(world.url(&format!("/register/{}", client.id))).bearer_auth(token);
        assert_eq!(gone.send().await.unwrap().status(), 204);

        let (status, body) = client.refresh(world, &refresh, &[]).await;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{} {body}", about["name"]);
        let (status, body) = client.redeem(world, "mc_x.y", &[]).await;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{} {body}", about["name"]);
        let link = client.link(&[("redirect_uri", redirect)]);
        let page = Browser::default().get(world, &link).await;
        assert_eq!((page.status, &page.left_for), (400, &None), "nobody is sent anywhere");
        assert!(page.body.contains("register again"), "{}", page.body);
        // mcp-remote: before it opens a browser.
        let tried =
            world.http.get(world.url(&link)).header("accept", "application/json").send().await.unwrap();
        let (status, body) = read(tried).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_client")));
        assert_eq!(body["registration_endpoint"], format!("{ISSUER}/register"));
        let why = body["error_description"].as_str().unwrap();
        assert!(why.contains("client is not registered"), "{why}: what it looks for");

        let (again, _) = scene.client(about).await;
        assert_ne!(again.id, client.id);
        scene.flow(about, &again, redirect).await;
    }
}

#[tokio::test]
async fn only_who_asks_for_json_alone_gets_it_instead_of_a_page() {
    let closed = World::start_with(|yaml| yaml.replace("open: true", "open: false")).await;
    let open = World::start().await;
    let link = Client { id: "c_x".into(), secret: None, method: "none".into() }.link(&[]);
    for (world, accept, json) in [
        (&open, "application/json", true),
        (&open, "application/json, text/plain;q=0.5", true),
        (&open, "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8", false),
        (&open, "*/*", false),
        (&closed, "application/json", true),
    ] {
        let answer = world.http.get(world.url(&link)).header("accept", accept).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{accept}");
        let (status, body) = read(answer).await;
        assert_eq!((status, body.is_object()), (400, json), "{accept}");
        let offered = body.get("registration_endpoint").is_some();
        assert_eq!(
            offered,
            json && std::ptr::eq(world, &open),
            "where nobody can register, nobody is told to"
        );
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_resource_is_borne_where_it_is_unambiguous() {
    let slash = format!("{RESOURCE}/");
    let both = World::start_with(|yaml| {
        yaml.replace("resources:\n", &format!("resources:\n  - {{url: '{slash}', scopes: [mcp:read]}}\n"))
    })
    .await;
    let only = World::start_with(|yaml| {
        yaml.replace("{url: http://127.0.0.1:8080/mcp,", &format!("{{url: '{slash}',"))
            .replace("introspects: ['http://127.0.0.1:8080/mcp']", "")
    })
    .await;
    for (world, asked, wanted) in [
        (&both, RESOURCE, Some(RESOURCE)),
        (&both, slash.as_str(), Some(slash.as_str())),
        (&only, RESOURCE, Some(slash.as_str())),
        (&only, slash.as_str(), Some(slash.as_str())),
        (&only, "http://127.0.0.1:8080/mcp//", None),
        (&only, "http://127.0.0.1:8080/mc", None),
        (&only, "http://127.0.0.1:8080/mcp/?x", None),
    ] {
        let client = Client::public(world).await;
        let link = client.link(&[("resource", asked), ("scope", "mcp:read")]);
        let page = Browser::default().approve(world, &link).await;
        let Some(wanted) = wanted else {
            assert_eq!(page.param("error").as_deref(), Some("invalid_target"), "{asked}");
            continue;
        };
        let code = page.param("code").unwrap_or_else(|| panic!("{asked}: {page:?}"));
        let (status, body) = client.redeem(world, &code, &[("resource", asked)]).await;
        assert_eq!(status, 200, "{asked} {body}");
        let claims = crate::world::client::decode(body["access_token"].as_str().unwrap()).1;
        assert_eq!(claims["aud"], wanted, "{asked}: always as configured");
    }
}

#[tokio::test]
async fn metadata_is_found_in_the_orders_in_which_clients_look() {
    for (issuer, paths) in [(ISSUER.to_owned(), "without_path"), (format!("{ISSUER}/tenant"), "with_path")] {
        let world = World::start_with(|yaml| {
            yaml.replace(&format!("issuer: {ISSUER}"), &format!("issuer: {issuer}"))
        })
        .await;
        for order in corpus("discovery") {
            let asked = texts(&order[paths]);
            for (number, path) in asked.iter().enumerate() {
                let path = path.replace("ISSUER", "tenant").replace("MCP", "mcp");
                let request = world.http.get(world.url(&path)).header("mcp-protocol-version", "2026-07-28");
                let (status, body) = read(request.send().await.unwrap()).await;
                match number + 1 == asked.len() {
                    true => assert_eq!((status, &body["issuer"]), (200, &json!(issuer)), "{path} {order}"),
                    // Anything else makes some clients stop.
                    false => assert_eq!(status, 404, "{path} {order}"),
                }
            }
        }
    }
}
