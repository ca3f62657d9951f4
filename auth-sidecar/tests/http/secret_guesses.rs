//! How often may the secret of a client be guessed, and who is kept out by that?

use std::time::Duration;

use crate::world::client::{Client, basic};
use crate::world::{CONFIGURED_SECRET, World, encode, form_headers};

/// What a client that presents this secret from this address is answered.
async fn present(world: &World, path: &str, secret: &str, address: &str) -> u16 {
    let request = world.http.post(world.url(path)).headers(form_headers());
    let request = request.header("authorization", basic("resource-server", secret));
    let request = request.header("x-forwarded-for", address).body(encode(&[("token", "x")]));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn many_guesses_close_one_network_and_no_other() {
    let world = World::start_with(|yaml| yaml + "forwarded: {trusted_hops: 1}\n").await;
    let (near, same_network, far) = ("2001:db8:1:2::1", "2001:db8:1:2::2", "192.0.2.7");
    for guess in 0..100 {
        assert_eq!(present(&world, "/revoke", &format!("wrong {guess}"), near).await, 401, "{guess}");
    }
    assert_eq!(present(&world, "/introspect", CONFIGURED_SECRET, same_network).await, 200, "not yet");
    assert_eq!(present(&world, "/introspect", "wrong", same_network).await, 429);
    for path in ["/introspect", "/revoke"] {
        assert_eq!(present(&world, path, CONFIGURED_SECRET, near).await, 429, "{path}: unseen");
        assert_eq!(present(&world, path, CONFIGURED_SECRET, far).await, 200, "{path}: its owner elsewhere");
    }
    let other = Client::confidential(&world, "client_secret_basic").await;
    assert_eq!(other.post(&world, "/introspect", &[("token", "x")], &[]).await.0, 200, "another client");
    world.advance(Duration::from_secs(15 * 60));
    assert_eq!(present(&world, "/introspect", CONFIGURED_SECRET, near).await, 200, "and not for ever");
}
