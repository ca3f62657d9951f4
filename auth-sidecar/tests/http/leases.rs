//! Token buckets across gateways: what they are granted, and what is no question.

use serde_json::{Value, json};

use crate::described::{assert_matches, schema};
use crate::world::{World, read};

fn document() -> Value {
    serde_saphyr::from_str(include_str!("../../openapi/internal-v1.yaml")).unwrap()
}

async fn ask(world: &World, body: &Value) -> (u16, Value) {
    read(world.http.post(format!("{}/v1/leases", world.internal)).json(body).send().await.unwrap()).await
}

fn lease(name: char, wanted: u32) -> Value {
    json!({"bucket": name.to_string().repeat(32), "capacity": 10, "tokens": 1, "per": 86_400, "wanted": wanted})
}

#[tokio::test]
async fn buckets_are_shared_by_all_who_ask() {
    let world = World::start().await;
    let document = document();
    let question = json!({"leases": [lease('b', 3), lease('a', 8)]});
    assert_matches(&document, schema(&document, "WantedLeases"), &question);
    let (status, answer) = ask(&world, &question).await;
    assert_eq!(status, 200);
    assert_matches(&document, schema(&document, "Leases"), &answer);
    let granted = json!([{"bucket": "b".repeat(32), "granted": 3}, {"bucket": "a".repeat(32), "granted": 8}]);
    assert_eq!(answer["leases"], granted, "in the order of the question");
    for (wanted, granted) in [(8, 2), (8, 0)] {
        let (_, answer) = ask(&world, &json!({"leases": [lease('a', wanted)]})).await;
        assert_matches(&document, schema(&document, "Leases"), &answer);
        assert_eq!(answer["leases"][0]["granted"], granted);
        assert!(answer["leases"][0]["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 86_400_000));
    }
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_costs_nothing() {
    let world = World::start().await;
    let document = document();
    let with = |name: &str, value: Value| {
        let mut one = lease('c', 1);
        one[name] = value;
        json!({"leases": [lease('d', 10), one]})
    };
    let many: Vec<_> = (0..17_u32).map(|n| lease(char::from_digit(n % 16, 16).unwrap(), 1)).collect();
    let mut cases = vec![
        (json!({}), "missing"),
        (json!([]), "no JSON object"),
        (json!({"leases": []}), "1 to 16"),
        (json!({"leases": many}), "1 to 16"),
        (json!({"leases": [lease('d', 10), lease('d', 1)]}), "twice"),
        (json!({"leases": [{"bucket": "c"}]}), "leases[0]"),
    ];
    cases.extend([
        (with("capacity", json!(0)), "leases[1].capacity"),
        (with("capacity", json!(1_000_001)), "leases[1].capacity"),
        (with("tokens", json!(0)), "leases[1].tokens"),
        (with("per", json!(86_401)), "leases[1].per"),
        (with("wanted", json!(0)), "leases[1].wanted"),
        (with("wanted", json!(11)), "leases[1].wanted"),
        (with("wanted", json!(-1)), "leases[1].wanted"),
        (with("wanted", json!(1.5)), "leases[1].wanted"),
        (with("bucket", json!("c".repeat(31))), "leases[1].bucket"),
        (with("bucket", json!("C".repeat(32))), "leases[1].bucket"),
        (with("bucket", json!("alice@example.com")), "leases[1].bucket"),
        (with("subject", json!("alice")), "leases[1].subject"),
    ]);
    for (body, said) in cases {
        let (status, error) = ask(&world, &body).await;
        assert_eq!(status, 400, "{body}");
        assert_matches(&document, schema(&document, "Error"), &error);
        let why = error["error_description"].as_str().unwrap();
        assert!(why.contains(said) && !why.contains("alice@"), "{body}: {why}");
    }
    let (_, answer) = ask(&world, &json!({"leases": [lease('d', 10)]})).await;
    assert_eq!(answer["leases"][0]["granted"], 10, "nothing was granted meanwhile");
    let (status, _) = ask(&world, &json!({"leases": [], "x": "x".repeat(70_000)})).await;
    assert_eq!(status, 413);
}
