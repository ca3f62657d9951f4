//! A device whose grant is made when it asks, because that failed when its user allowed it, gets what was allowed then.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::backend::{Fault, Plan, faulty};
use crate::flow::outcome;
use crate::place::Place;
use crate::world::browser::{Browser, Page};
use crate::world::client::Client;
use crate::world::device::{GRANT, offer, page_of, poll};
use crate::world::{PASSWORD, World};

const SECOND: Duration = Duration::from_secs(1);
/// A decision is so many commands at most.
const MOST: usize = 40;

/// A device that was allowed to have what its grant could not be kept of.
async fn allowed(world: &World, plan: &Plan, client: &Client, browser: &mut Browser) -> Value {
    for number in 1..MOST {
        let (status, offered) = offer(world, client, &[]).await;
        assert_eq!(status, 200, "{offered}");
        let page = page_of(world, browser, offered["user_code"].as_str().unwrap()).await;
        let page = signed_in(world, browser, page).await;
        plan.fail((0, number), Fault::NotDone);
        let done = browser.submit(world, &page.form().with("decision", "approve")).await;
        let failed = plan.failed().map(|(command, _)| command);
        plan.end();
        if failed.as_deref() == Some("put_new g") {
            assert!(done.status == 200 && done.body.contains("Device connected"), "{done:?}");
            return offered;
        }
    }
    panic!("no grant is made when a device is allowed");
}

async fn signed_in(world: &World, browser: &mut Browser, page: Page) -> Page {
    match page.has_field("password") {
        true => {
            browser.submit(world, &page.form().with("username", "alice").with("password", PASSWORD)).await
        }
        false => page,
    }
}

#[tokio::test]
async fn are_as_old_as_the_approval() {
    let place = Place::of("embedded").unwrap();
    let plan = Arc::new(Plan::default());
    let mut world = place.world();
    world.run_on(|config, clock| faulty(config, clock, &plan)).await;
    let metadata = json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token", GRANT]});
    let client = Client::register(&world, metadata).await;
    let mut browser = Browser::default();
    let honest = allowed(&world, &plan, &client, &mut browser).await;
    world.advance(SECOND);
    assert_eq!(poll(&world, &client, &honest).await.0, 200, "it is made up for");

    for path in ["/v1/users/alice/revoke".to_owned(), format!("/v1/clients/{}/revoke", client.id)] {
        let withdrawn = allowed(&world, &plan, &client, &mut browser).await;
        world.advance(SECOND);
        let thrown = world.http.post(format!("{}{path}", world.admin)).json(&json!({})).send().await.unwrap();
        assert_eq!(thrown.status(), 204);
        world.advance(SECOND);
        for _ in 0..2 {
            let answer = poll(&world, &client, &withdrawn).await;
            assert_eq!(outcome(&answer), (400, "invalid_grant"), "{path}: {}", answer.1);
        }
        let later = allowed(&world, &plan, &client, &mut browser).await;
        world.advance(SECOND);
        assert_eq!(poll(&world, &client, &later).await.0, 200, "{path}: what is allowed later counts");
    }
}
