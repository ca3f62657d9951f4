//! What is written down of clients that guess, begin too much, or end what they got.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wicketgate_auth::clock::{Clock, UnixTime};
use wicketgate_auth::config::Config;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::transfer::Item;

use super::assert_happened;
use crate::device_flow::device_client;
use crate::token_exchange::{configured, exchange};
use crate::world::World;
use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, VERIFIER, challenge};
use crate::world::device::{offer, page_of};
use crate::world::dpop::Key;
use crate::world::signer::{ASSERTION, Signer};

/// The store of a world that is stopped for it.
async fn opened(world: &mut World) -> Store {
    world.stop().await;
    let clock = world.clock.clone() as Arc<dyn Clock>;
    Store::open(&Config::parse(&world.yaml).unwrap().store, &clock).unwrap()
}

/// Starts the world anew, as if what was counted once so far had been counted so often.
pub(super) async fn counted(world: &mut World, sum: u32) {
    let store = opened(world).await;
    for item in everything(&store).await {
        if let Item::Counter { key, sum: 1, until } = item {
            store.import(Item::Counter { key, sum, until }, UnixTime(0)).await.unwrap();
        }
    }
    world.run_on(|_, _| store).await;
    world.happened();
}

/// All pages: where others write to the same Redis, the first may hold little.
async fn everything(store: &Store) -> Vec<Item> {
    let (mut items, mut place) = (Vec::new(), None);
    loop {
        let page = store.export(place.as_deref(), UnixTime(0)).await.unwrap();
        items.extend(page.items);
        place = page.next;
        if place.is_none() {
            return items;
        }
    }
}

#[tokio::test]
async fn too_many_guesses_at_a_secret() {
    let mut world = World::start().await;
    let guesser = Client { secret: Some("wrong".into()), ..Client::configured("resource-server") };
    let guess = async |world: &World| guesser.post(world, "/introspect", &[("token", "x")], &[]).await.0;
    assert_eq!(guess(&world).await, 401);
    counted(&mut world, 99).await;
    for (wanted, noted) in
        [(401, vec!["client_authentication_failed"]), (429, vec!["client_throttled"]), (429, vec![])]
    {
        assert_eq!(guess(&world).await, wanted);
        assert_happened(&world, &noted);
    }
}

/// Pushed, linked, for the account or for a device: who is not known begins so many within the hour, since each is kept for minutes.
#[tokio::test]
async fn too_many_requests_for_authorization() {
    // Its user is none of those who ask too much.
    let mut world = World::start_with(|yaml| yaml + "grants: {per_user_per_hour: 100000}\n").await;
    let client = Client::public(&world).await;
    let secret = Client::confidential(&world, "client_secret_basic").await;
    let challenge = challenge(VERIFIER);
    let form = [
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "mcp:read"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", crate::world::RESOURCE),
    ];
    let push = async |world: &World, client: &Client| client.post(world, "/par", &form, &[]).await.0;
    let operators = Client::configured("resource-server");
    let device = device_client(&world).await;
    let (_, offered) = offer(&world, &device, &[]).await;
    let code = offered["user_code"].as_str().unwrap();
    let mut signed_in = Browser::default();
    signed_in.approve(&world, &client.link(&[])).await;
    counted(&mut world, 35_995).await;
    for (pushed, shown) in [(201, 200), (429, 429)] {
        for path in [&client.link(&[]), "/account"] {
            assert_eq!(Browser::default().get(&world, path).await.status, shown, "{path}");
        }
        assert_eq!(page_of(&world, &mut Browser::default(), code).await.status, shown);
        assert_eq!(push(&world, &client).await, pushed);
        assert_eq!(push(&world, &secret).await, pushed, "whoever registers gets a secret");
        assert_happened(&world, if pushed == 201 { &[] } else { &["authorization_throttled"; 5] });
    }
    let elsewhere = [("redirect_uri", "https://rs.example/cb")];
    let (status, _) = operators.post(&world, "/par", &form, &elsewhere).await;
    assert_eq!(status, 201, "the operator made it, and it has proved who it is");
    assert!(
        signed_in.get(&world, &client.link(&[])).await.param("code").is_some(),
        "so has who is signed in"
    );
    assert_eq!(signed_in.get(&world, "/account").await.status, 200);
    assert_eq!(page_of(&world, &mut signed_in, code).await.status, 200);
}

/// Each good assertion and proof is kept until it is too old, and who registers, or has no secret, can make any number of them.
#[tokio::test]
async fn too_much_that_strangers_sign() {
    let mut world = World::start().await;
    let (signer, key) = (Signer::es256(), Key::new("ES256"));
    let keys = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()});
    let registered = Client::register(&world, keys).await;
    let (public, operators) = (Client::public(&world).await, Client::configured("resource-server"));
    let assertion = async |world: &World, path: &str| {
        let assertion = signer.assertion(world, &registered.id, |_| {});
        let form = [("client_assertion_type", ASSERTION), ("client_assertion", &assertion)];
        registered
            .post(world, path, &form, &[("grant_type", "refresh_token"), ("refresh_token", "mr_x")])
            .await
            .0
    };
    let proof = async |world: &World, client: &Client, path: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "mr_x")];
        let proof = key.proof(path, 1_800_000_000);
        client.post_proving(world, path, (&form, &[]), Some(&proof)).await.0
    };
    assert_eq!(assertion(&world, "/token").await, 400);
    counted(&mut world, 35_997).await;
    assert_eq!(assertion(&world, "/token").await, 400);
    assert_eq!(proof(&world, &public, "/token").await, 400);
    assert_eq!(proof(&world, &public, "/par").await, 400);
    let store = opened(&mut world).await;
    let before = everything(&store).await.len();
    world.run_on(|_, _| store).await;
    world.happened();
    for path in ["/token", "/revoke", "/introspect"] {
        assert_eq!(assertion(&world, path).await, 429, "{path}");
        assert_happened(&world, &["client_throttled"]);
    }
    for path in ["/token", "/par"] {
        assert_eq!(proof(&world, &public, path).await, 429, "{path}");
        assert_happened(&world, &["client_throttled"]);
    }
    let store = opened(&mut world).await;
    assert_eq!(everything(&store).await.len(), before, "nothing is kept of what is refused");
    world.run_on(|_, _| store).await;
    world.happened();
    assert_eq!(
        proof(&world, &operators, "/token").await,
        400,
        "the operator made it, and it has proved who it is"
    );
    assert_eq!(public.refresh(&world, "mr_x", &[]).await.0, 400, "without a proof nothing is kept");
    assert_eq!(
        Browser::default().get(&world, &public.link(&[])).await.status,
        200,
        "to sign in is another count"
    );
    world.advance(Duration::from_secs(3_600));
    assert_eq!(assertion(&world, "/token").await, 400);
}

#[tokio::test]
async fn a_token_that_its_client_ends() {
    let world = World::start_with(|yaml| {
        configured(yaml).replace("[other:use, mcp:read]}", "[other:use, mcp:read], access_tokens: opaque}")
    })
    .await;
    let owner = Client::confidential(&world, "client_secret_basic").await;
    let (_, body) = exchange(&world, &owner.tokens(&world).await.access).await;
    world.happened();
    let token = body["access_token"].as_str().unwrap();
    Client::configured("gateway").post(&world, "/revoke", &[("token", token)], &[]).await;
    let [record] = world.recorded().try_into().unwrap();
    assert_eq!((&record["event"], &record["client_id"]), (&json!("token_revoked"), &json!("gateway")));
}
