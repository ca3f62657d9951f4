//! What the gateway hears of tokens that were revoked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::client::{Client, decode};
use crate::world::{ISSUER, World};

pub(crate) async fn feed(world: &World, query: &str) -> (Value, Value) {
    let answer = world.http.get(format!("{}/v1/feed{query}", world.internal)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{query}");
    assert_eq!(answer.headers()["content-type"], "application/jwt");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    decode(&answer.text().await.unwrap())
}

pub(crate) fn id(kind: &str, name: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(format!("{kind}\0{name}"))[..16])
}

#[tokio::test]
async fn a_revoked_grant_is_news_once_and_survives_a_restart() {
    let mut world = World::start().await;
    let (header, first) = feed(&world, "?since=0").await;
    assert_eq!((&header["typ"], &header["alg"]), (&json!("revocations+jwt"), &json!("ES256")));
    assert_eq!(
        (&first["iss"], &first["iat"], &first["since"]),
        (&json!(ISSUER), &json!(1_800_000_000), &json!(0))
    );
    assert_eq!((&first["revocations"], first.get("exp")), (&json!([]), None));
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let grant = decode(&tokens.access).1["grant_id"].as_str().unwrap().to_owned();
    let (status, _) = client.post(&world, "/revoke", &[("token", &tokens.refresh)], &[]).await;
    assert_eq!(status, 200);
    let (seq, epoch) = (first["seq"].as_u64().unwrap(), first["epoch"].as_str().unwrap().to_owned());
    let after = |seq: u64| format!("?since={seq}&epoch={epoch}");
    let (_, news) = feed(&world, &after(seq)).await;
    let row = &news["revocations"][0];
    assert_eq!(
        (&row["kind"], &row["id"], row.get("before")),
        (&json!("grant"), &json!(id("grant", &grant)), None)
    );
    assert!(row["until"].as_u64() > Some(1_800_000_600), "longer than the access token lives");
    assert!(!news.to_string().contains(&grant), "no name stands there");
    assert_eq!((&news["seq"], &news["since"]), (&json!(seq + 1), &json!(seq)));
    let (_, nothing) = feed(&world, &after(seq + 1)).await;
    assert_eq!((&nothing["revocations"], &nothing["seq"]), (&json!([]), &json!(seq + 1)));
    world.restart().await;
    let (_, again) = feed(&world, &after(seq)).await;
    assert_eq!(again["revocations"], news["revocations"]);
    let (_, all) = feed(&world, "?since=9&epoch=of-another-store").await;
    assert_eq!((&all["since"], &all["revocations"]), (&json!(0), &news["revocations"]));
}

#[tokio::test]
async fn a_question_that_cannot_be_read_is_refused() {
    let world = World::start().await;
    for query in ["?since=x", "?since=-1&epoch=e", "?since=1", "?epoch=e", "?since=0&since=1&epoch=e"] {
        let answer = world.http.get(format!("{}/v1/feed{query}", world.internal)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{query}");
    }
    let outside = world.http.get(world.url("/v1/feed")).send().await.unwrap();
    assert_eq!(outside.status().as_u16(), 404, "never on the public listener");
}
