//! The end of a sign-in, and the names that applications know for it.

use std::time::Duration;

use crate::once_only::{INVALID_GRANT, is_alive, outcome};
use crate::world::World;
use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};

/// Whether the link is answered without a sign-in.
async fn is_signed_in(world: &World, browser: &mut Browser, client: &Client) -> bool {
    !browser.get(world, &client.link(&[])).await.has_field("password")
}

async fn browsers(world: &World, client: &Client) -> [Browser; 2] {
    let mut both = [Browser::default(), Browser::default()];
    for browser in &mut both {
        assert!(browser.approve(world, &client.link(&[])).await.param("code").is_some());
    }
    both
}

#[tokio::test]
async fn a_sign_in_ends_here_or_everywhere() {
    for (everywhere, other_goes_on) in [(false, true), (true, false)] {
        let world = World::start().await;
        let client = Client::public(&world).await;
        let tokens = client.tokens(&world).await;
        let [mut this, mut other] = browsers(&world, &client).await;
        let planted = this.cookies.clone();
        let asked = this.get(&world, "/logout").await;
        assert!(asked.body.contains("Sign out?"), "a link alone signs nobody out: {}", asked.body);
        assert!(is_signed_in(&world, &mut this, &client).await);
        let form = asked.form().with("where", if everywhere { "everywhere" } else { "here" });
        let done = this.submit(&world, &form).await;
        assert!(done.body.contains("Signed out") && this.cookies.is_empty(), "{done:?}");
        assert!(
            !is_signed_in(&world, &mut Browser { cookies: planted }, &client).await,
            "not the cookie alone"
        );
        assert_eq!(is_signed_in(&world, &mut other, &client).await, other_goes_on, "{everywhere}");
        assert!(is_alive(&world, &tokens.access).await, "applications keep their access");
        world.advance(Duration::from_secs(1));
        let mut again = Browser::default();
        again.approve(&world, &client.link(&[])).await;
        assert!(is_signed_in(&world, &mut again, &client).await, "who signs in later is");
        let nobody = Browser::default().get(&world, "/logout").await;
        assert!(nobody.status == 200 && nobody.body.contains("Signed out"));
    }
}

#[tokio::test]
async fn the_aliases_refresh_and_end() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let [mut browser, mut other] = browsers(&world, &client).await;
    let code = browser.approve(&world, &client.link(&[])).await.param("code").unwrap();
    let first = Tokens::of(client.redeem(&world, &code, &[]).await.1);
    for wrong in ["authorization_code", "x"] {
        let form = [("grant_type", wrong), ("refresh_token", first.refresh.as_str())];
        let refused = client.post(&world, "/auth/refresh", &form, &[]).await;
        assert_eq!(outcome(&refused), (400, "unsupported_grant_type"), "{wrong}");
    }
    let (status, body) =
        client.post(&world, "/auth/refresh", &[("refresh_token", &first.refresh)], &[]).await;
    let second = Tokens::of(body);
    assert!(status == 200 && is_alive(&world, &second.access).await);

    let form = [("refresh_token", second.refresh.as_str())];
    let stranger = Client::public(&world).await;
    assert_eq!(outcome(&stranger.post(&world, "/auth/logout", &form, &[]).await), INVALID_GRANT);
    assert_eq!(client.post(&world, "/auth/logout", &[], &[]).await.0, 400);
    assert!(is_alive(&world, &second.access).await && is_signed_in(&world, &mut browser, &client).await);

    let answer = client.post_from(&world, &mut browser, "/auth/logout", &form).await;
    assert_eq!(answer, 200);
    assert!(!is_alive(&world, &second.access).await);
    assert_eq!(outcome(&client.refresh(&world, &second.refresh, &[]).await), INVALID_GRANT);
    assert!(!is_signed_in(&world, &mut browser, &client).await);
    assert!(is_signed_in(&world, &mut other, &client).await, "of this browser alone");
}
