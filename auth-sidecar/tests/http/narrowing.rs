//! What is left of a grant: of what was granted, what the configuration still has and the request names.

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::{OTHER_RESOURCE, RESOURCE, World};

const BOTH: &str = "mcp:read mcp:write other:use";

fn outcome((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["error"].as_str().or(body["scope"].as_str()).unwrap_or_default())
}

/// A client of the configuration with both resources, and a code of it.
async fn granted(world: &World, client: &Client) -> String {
    let link = client.link(&[("redirect_uri", "https://rs.example/cb"), ("scope", BOTH)]);
    let page = Browser::default().approve(world, &format!("{link}&resource={OTHER_RESOURCE}")).await;
    page.param("code").unwrap_or_else(|| panic!("{page:?}"))
}

async fn redeem(world: &World, client: &Client, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![("redirect_uri", "https://rs.example/cb")];
    form.extend(changes);
    client.redeem(world, code, &form).await
}

#[tokio::test]
async fn what_the_operator_takes_away_is_gone_from_what_was_granted() {
    let mut world = World::start().await;
    let client = Client::configured("resource-server");
    let (first, second, third) =
        (granted(&world, &client).await, granted(&world, &client).await, granted(&world, &client).await);
    let tokens = Tokens::of(redeem(&world, &client, &first, &[]).await.1);
    assert_eq!(tokens.body["scope"], BOTH);

    world
        .reload(|yaml| {
            yaml.replace("    introspects:", "    scopes: [mcp:read, other:use]\n    introspects:")
        })
        .await
        .unwrap();
    let refreshed = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(outcome(&refreshed), (200, "mcp:read other:use"), "scopes of the client");
    let redeemed = redeem(&world, &client, &second, &[]).await;
    assert_eq!(outcome(&redeemed), (200, "mcp:read other:use"));
    let tokens = Tokens::of(redeemed.1);

    let without = "  - {url: http://127.0.0.1:8080/other, scopes: [other:use]}\n";
    world.reload(|yaml| yaml.replace(without, "")).await.unwrap();
    let refreshed = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(outcome(&refreshed), (200, "mcp:read"), "resources");
    let tokens = Tokens::of(refreshed.1);
    assert_eq!(tokens.decoded().1["aud"], json!(RESOURCE));
    let redeemed = redeem(&world, &client, &third, &[]).await;
    assert_eq!(Tokens::of(redeemed.1).decoded().1["aud"], json!(RESOURCE));
    let named = client.refresh(&world, &tokens.refresh, &[("resource", OTHER_RESOURCE)]).await;
    assert_eq!(outcome(&named), (400, "invalid_target"));

    world
        .reload(|yaml| {
            yaml.replace("127.0.0.1:8080/mcp", "127.0.0.1:8080/new")
                .replace("[mcp:read, other:use]", "[mcp:read]")
        })
        .await
        .unwrap();
    let nothing = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(outcome(&nothing), (400, "invalid_grant"), "there is nothing that it was for");
}

#[tokio::test]
async fn a_token_without_any_of_its_scopes_is_not_issued() {
    let world = World::start().await;
    let client = Client::configured("resource-server");
    let (first, second) = (granted(&world, &client).await, granted(&world, &client).await);
    let tokens = Tokens::of(redeem(&world, &client, &first, &[]).await.1);
    let there = ("resource", OTHER_RESOURCE);
    let cases = [
        (vec![there, ("scope", "mcp:write")], (400, "invalid_scope")),
        (vec![there, ("scope", "mcp:write other:use")], (200, "other:use")),
        (vec![("scope", "admin")], (400, "invalid_scope")),
        (vec![there], (200, "other:use")),
        // A blank one names none (RFC 6749 section 3.3).
        (vec![("scope", " ")], (200, BOTH)),
    ];
    let mut refresh = tokens.refresh;
    for (changes, wanted) in cases {
        let answer = client.refresh(&world, &refresh, &changes).await;
        assert_eq!(outcome(&answer), wanted, "{changes:?}");
        if answer.0 == 200 {
            refresh = Tokens::of(answer.1).refresh;
        }
    }
    let alone = client.link(&[("redirect_uri", "https://rs.example/cb"), ("scope", "mcp:write")]);
    let page = Browser::default().approve(&world, &format!("{alone}&resource={OTHER_RESOURCE}")).await;
    let code = page.param("code").unwrap();
    let refused = redeem(&world, &client, &code, &[there]).await;
    assert_eq!(outcome(&refused), (400, "invalid_scope"), "as a refresh");
    assert_eq!(outcome(&redeem(&world, &client, &code, &[]).await), (200, "mcp:write"), "and the code lives");
    assert_eq!(redeem(&world, &client, &second, &[]).await.0, 200);
}

#[tokio::test]
async fn where_there_are_no_scopes_none_is_written() {
    let world = World::start_with(|yaml| yaml.replace("scopes: [other:use]", "scopes: []")).await;
    let client = Client::public(&world).await;
    let link = client.link(&[("resource", OTHER_RESOURCE), ("scope", "")]);
    let code = Browser::default().approve(&world, &link).await.param("code").unwrap();
    let (status, body) = client.redeem(&world, &code, &[]).await;
    assert_eq!((status, body.get("scope")), (200, None), "{body}");
    let tokens = Tokens::of(body);
    assert_eq!(tokens.decoded().1.get("scope"), None);
    let asker = Client::configured("resource-server");
    let (_, told) = asker.post(&world, "/introspect", &[("token", &tokens.access)], &[]).await;
    assert_eq!(told, json!({"active": false}), "it is for another resource");
    let (_, refreshed) = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(refreshed.get("scope"), None, "{refreshed}");
}

#[tokio::test]
async fn only_a_uri_names_a_resource() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    for indicator in [
        "http:127.0.0.1:8080/mcp",
        "http:/127.0.0.1:8080/mcp",
        "http:///127.0.0.1:8080/mcp",
        "http://127.0.0.1:8080\\mcp",
        " http://127.0.0.1:8080/mcp",
        "http://127.0.0.1:8080/m\tcp",
        "http://127.0.0.1:8080/mcp#x",
        "/mcp",
    ] {
        let link = client.link(&[("resource", ""), ("x", "y")]);
        let named =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("resource", indicator).finish();
        let page = Browser::default().get(&world, &format!("{link}&{named}")).await;
        assert_eq!(page.param("error").as_deref(), Some("invalid_target"), "{indicator:?}: {page:?}");
    }
}
