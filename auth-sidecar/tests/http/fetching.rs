//! What strangers make the server fetch, before anybody has proved anything.

use std::time::Duration;

use serde_json::{Value, json};

use crate::metadata_documents::{document, public, published};
use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, VERIFIER, challenge};
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::{RESOURCE, World, encode, form_headers, join_all};

/// Publishes a client that signs with the keys at `keys`.
fn publish_signing(publisher: &Publisher, path: &str, keys: &str) -> Client {
    let client = public(publisher.url(path));
    let mut signing = document(&client.id);
    signing["token_endpoint_auth_method"] = json!("private_key_jwt");
    signing["jwks_uri"] = json!(publisher.url(keys));
    publisher.publish(path, &signing);
    client
}

/// Pushes a request that the client signed; the answer's status.
async fn push(world: &World, client: &Client, signer: &Signer, address: &str) -> u16 {
    let (assertion, challenge) = (signer.assertion(world, &client.id, |_| {}), challenge(VERIFIER));
    let form = [
        ("client_id", client.id.as_str()),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", assertion.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
    ];
    let request = world.http.post(world.url("/par")).headers(form_headers()).body(encode(&form));
    request.header("x-forwarded-for", address).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn many_who_need_the_same_are_one_question() {
    let (publisher, world, _) = published().await;
    let (signer, later) = (Signer::es256(), Signer::es256());
    let client = publish_signing(&publisher, "/signing.json", "/jwks");
    publisher.publish("/jwks", &signer.jwks());
    let all = async |signer: &Signer| join_all((0..8).map(|_| push(&world, &client, signer, "x"))).await;
    assert_eq!(all(&signer).await, [201; 8]);
    assert_eq!((publisher.asked("/signing.json"), publisher.asked("/jwks")), (1, 1));
    publisher.publish("/jwks", &later.jwks());
    world.advance(Duration::from_secs(10));
    assert_eq!(all(&later).await, [201; 8], "all of them know the newer keys");
    assert_eq!(publisher.asked("/jwks"), 2);
    // What is wrong is learnt together, too.
    let absent = publish_signing(&publisher, "/absent.json", "/none");
    assert_eq!(join_all((0..8).map(|_| push(&world, &absent, &signer, "x"))).await, [401; 8]);
    assert_eq!((publisher.asked("/absent.json"), publisher.asked("/none")), (1, 1));
}

/// Whoever signed, and with whatever: the keys are fetched before that is known.
#[tokio::test]
async fn keys_count_for_the_network_that_has_them_fetched() {
    let (publisher, mut world, _) = published().await;
    let signer = Signer::es256();
    let jwks = format!("{}/operators", publisher.url(""));
    world
        .restart_with(|yaml| {
            let operators = format!(
                "  - {{id: machine, jwks_uri: '{jwks}', redirect_uris: ['{REDIRECT}'], grant_types: [authorization_code]}}\n"
            );
            let yaml = yaml.replace("registration:", "forwarded: {trusted_hops: 1}\nregistration:");
            let yaml = yaml.replace("clients:\n", &format!("clients:\n{operators}"));
            yaml.replace("enabled: true", "enabled: true, per_address_per_hour: 3")
        })
        .await;
    publisher.publish("/operators", &signer.jwks());
    let published: Vec<Client> = (0..2)
        .map(|number| publish_signing(&publisher, &format!("/{number}.json"), &format!("/{number}")))
        .collect();
    let metadata =
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": publisher.url("/own")});
    let registered = Client::register(&world, metadata).await;
    let (near, far) = ("192.0.2.1", "192.0.2.2");
    // Document and keys; the document of the other; no more.
    assert_eq!(push(&world, &published[0], &signer, near).await, 401, "there are no such keys");
    assert_eq!(push(&world, &published[1], &signer, near).await, 429);
    assert_eq!((publisher.asked("/0"), publisher.asked("/1.json"), publisher.asked("/1")), (1, 1, 0));
    assert_eq!(push(&world, &registered, &signer, near).await, 429, "nor for whoever registered");
    assert_eq!(push(&world, &registered, &signer, far).await, 401, "but for others");
    assert_eq!(publisher.asked("/own"), 1);
    let machine = Client { id: "machine".into(), secret: None, method: "private_key_jwt".into() };
    assert_eq!(push(&world, &machine, &signer, near).await, 201, "the operator's are not counted");
    let happened: Vec<Value> = world.recorded();
    let throttled = happened.iter().filter(|record| record["event"] == "client_document_throttled");
    assert_eq!(throttled.count(), 2);
    world.advance(Duration::from_secs(3600));
    assert_eq!(push(&world, &registered, &signer, near).await, 401);
    assert!(Browser::default().get(&world, &published[0].link(&[])).await.has_field("password"));
}
