//! Does a caller get what is theirs and nothing else? Challenges, metadata, tokens, what the upstream sees, calls and
//! lists in both eras.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::{McpClient, error_code};
use wicketgate_e2e::client::oauth::{
    self, Authorization, Browser, REDIRECT_URI, Session, challenge_parameter,
};
use wicketgate_e2e::files;
use wicketgate_e2e::sidecar::{Listeners, Sidecar};
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, json_answer};
use super::stage;

/// What a reader is shown: also what a step-up would allow, never what nobody may.
const SHOWN: [&str; 6] =
    ["delete_note", "get_note", "read_config", "run_report", "search_notes", "write_note"];

#[tokio::test(flavor = "multi_thread")]
async fn clients_learn_where_to_log_in_and_only_sound_tokens_count() {
    let world = stage::world("path-tokens", |_| {}).await;
    the_challenge_leads_to_the_metadata(&world).await;
    let token = stage::log_in(&world, None).await.tokens.access_token;
    only_a_whole_token_in_one_header_counts(&world, &token).await;
    world.discard().await;
}

async fn the_challenge_leads_to_the_metadata(world: &World) {
    let origin = &world.origin;
    let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp:read\"");
    for (method, body) in [("POST", &b"{}"[..]), ("GET", b""), ("DELETE", b"")] {
        let fields = [("content-type", "application/json")];
        let answer = world.http.send(method, &world.mcp, &fields, body.to_vec()).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, Some(challenge.as_str())),
            "{method}"
        );
    }
    let document = world.http.get(&metadata, &[]).await.unwrap();
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    let document = document.json().unwrap();
    assert_eq!(document["resource"], world.mcp);
    assert_eq!(document["authorization_servers"], json!([origin]));
    assert_eq!(document["scopes_supported"], json!(["mcp:read"]));
    let server =
        world.http.get(&format!("{origin}/.well-known/oauth-authorization-server"), &[]).await.unwrap();
    assert_eq!(server.json().unwrap()["issuer"], *origin, "byte for byte");
}

async fn only_a_whole_token_in_one_header_counts(world: &World, token: &str) {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let url = format!("{}?access_token={token}", world.mcp);
    let answer = world.http.post_json(&url, &[("accept", "*/*")], &ping).await.unwrap();
    assert_eq!(answer.status, 401, "a token in the query: {}", answer.text());

    let body = ping.to_string();
    let bearer = format!("Bearer {token}");
    let twice =
        stage::request(world, "POST /mcp", Some(token), &[("Authorization", &bearer)], body.as_bytes());
    let answer = stage::exchange(world, &twice).await;
    assert!(matches!(answer.status, 400 | 401), "a repeated Authorization: {answer:?}");

    for (what, forged) in forgeries(token) {
        let answer = stage::modern(world, &forged).send("ping", json!({})).await.unwrap();
        let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        let error = challenge_parameter(&challenge, "error");
        assert_eq!(error.as_deref(), Some("invalid_token"), "{what}: {challenge}");
    }
    let basic = world.http.post_json(&world.mcp, &[("authorization", "Basic YTpi")], &ping).await.unwrap();
    assert_eq!(basic.status, 401, "{}", basic.text());
    let good = stage::modern(world, token).call("tools/list", json!({})).await;
    assert!(good.is_ok(), "the token itself holds: {good:?}");
}

/// Tokens that a thief or a fool would send, made from a good one.
fn forgeries(token: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts.try_into().unwrap();
    let decode =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let with = |part: &str, name: &str, value: Value| {
        let mut part = decode(part);
        part[name] = value;
        URL_SAFE_NO_PAD.encode(part.to_string())
    };
    let longer = with(payload, "exp", json!(4_102_444_800_u64));
    let elsewhere = with(payload, "aud", json!("http://elsewhere.example/mcp"));
    let none = with(header, "alg", json!("none"));
    let hs256 = with(header, "alg", json!("HS256"));
    let unknown_key = with(header, "kid", json!("another"));
    let mut flipped = signature.to_owned();
    let first = if flipped.starts_with('A') { "B" } else { "A" };
    flipped.replace_range(..1, first);
    vec![
        ("a later exp", format!("{header}.{longer}.{signature}")),
        ("another aud", format!("{header}.{elsewhere}.{signature}")),
        ("alg none", format!("{none}.{payload}.")),
        ("alg HS256", format!("{hs256}.{payload}.{signature}")),
        ("an unknown key", format!("{unknown_key}.{payload}.{signature}")),
        ("a flipped bit of the signature", format!("{header}.{payload}.{flipped}")),
        ("no signature", format!("{header}.{payload}")),
        ("not a token", "abc".to_owned()),
        ("something after it", format!("{token}x")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_others_and_expired_ones_are_refused_and_refreshed() {
    let demo = stage::operator("demo");
    let login = demo.login.clone();
    let mut other = String::new();
    let mut world = stage::world("path-expiry", |plan| {
        let origin = format!("http://127.0.0.1:{}", plan.port);
        other = format!("{origin}/other");
        let listeners = Listeners::free(false).unwrap();
        let users = std::slice::from_ref(&demo);
        let sidecar =
            Sidecar::generate(&plan.state, &origin, &format!("{origin}/mcp"), listeners, users).unwrap();
        let text = files::read(&sidecar.configuration).unwrap();
        let text = text.replace("resources:\n", &format!("lifetimes: {{access_token: 4s}}\nresources:\n  - {{url: {other}, scopes: [mcp:read], default_scopes: [mcp:read]}}\n"));
        files::write_private(&sidecar.configuration, &text).unwrap();
        plan.auth_config = Some(sidecar.configuration);
        plan.set_policy(&stage::policy("{}", READ_EVERYTHING)).unwrap();
    })
    .await;
    world.login = Some(login);
    let session = stage::log_in(&world, Some("mcp:read")).await;
    let mut client = stage::modern(&world, &session.tokens.access_token);
    let first = client.send("tools/list", json!({})).await.unwrap();
    assert_eq!(first.status, 200, "{}", first.text());

    let elsewhere = token_for(&world, &other).await;
    let refused = stage::modern(&world, &elsewhere).send("tools/list", json!({})).await.unwrap();
    assert_eq!(refused.status, 401, "a token for another resource: {}", refused.text());

    let (probe, http, mcp) = (session.tokens.access_token.clone(), world.http.clone(), world.mcp.clone());
    stage::eventually("the token expires", Duration::from_secs(30), || async {
        let mut client = McpClient::modern(http.clone(), &mcp, Some(&probe));
        let answer = client.send("tools/list", json!({})).await.unwrap();
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        let invalid = challenge.contains("error=\"invalid_token\"");
        if answer.status == 401 && invalid { Ok(()) } else { Err(format!("{} {challenge}", answer.status)) }
    })
    .await;
    let fresh = oauth::refresh(&world.http, &session).await.unwrap();
    let mut client = stage::modern(&world, &fresh.access_token);
    let again = client.send("tools/list", json!({})).await.unwrap();
    assert_eq!(again.status, 200, "after the refresh: {}", again.text());
    world.discard().await;
}

const READ_EVERYTHING: &str = "      - {id: all, allow: {who: {scopes: [mcp:read]}, tools: [\"*\"]}}\n";

async fn token_for(world: &World, resource: &str) -> String {
    let mut discovery = oauth::discover(&world.http, &world.mcp).await.unwrap();
    resource.clone_into(&mut discovery.mcp);
    let registration = oauth::register(&world.http, &discovery).await.unwrap();
    let request = Authorization::new(&discovery, &registration, Some("mcp:read")).unwrap();
    let mut browser = Browser::new(world.http.clone());
    let login = world.login.as_ref().unwrap();
    let redirect = browser.decide(&request.url, login, REDIRECT_URI, true).await.unwrap();
    let code = request.code(&discovery, &redirect).unwrap();
    oauth::redeem(&world.http, &discovery, &registration, &request, &code).await.unwrap().access_token
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_sees_allowed_bytes_and_nothing_else() {
    let recorder = Recorder::echo().await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("path-upstream", |plan| plan.upstream = Some(upstream)).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;

    // Spaces, escapes and order are the client's own: what is allowed arrives as it was sent.
    let body = "{ \"params\" : {\"arguments\":{\"id\":\"\\u0069deas\",\"n\":1.0e2},\n \"name\":\"get_note\"},\"method\":\"tools\\/call\",  \"id\":\"a-1\",\"jsonrpc\":\"2.0\"}\n";
    let fields =
        [("Cookie", "session=secret"), ("X-Custom", "kept"), ("Proxy-Authorization", "Basic c2VjcmV0")];
    let allowed = stage::request(&world, "POST /mcp", Some(&token), &fields, body.as_bytes());
    let answer = stage::exchange(&world, &allowed).await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("a-1")), "{answer:?}");
    let seen = recorder.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(String::from_utf8_lossy(&seen[0].body), body);
    let head = seen[0].head.to_lowercase();
    for secret in ["authorization:", "cookie:", "secret", &token.to_lowercase()] {
        assert!(!head.contains(secret), "`{secret}` reached the upstream: {head}");
    }
    assert!(head.contains("x-custom: kept"), "{head}");

    let connections = recorder.connections();
    for (name, id) in [("drop_everything", 7), ("no_such_tool", 8)] {
        let body = stage::tool_call(id, name, &json!({"id": "x"})).to_string();
        let denied = stage::request(&world, "POST /mcp", Some(&token), &[], body.as_bytes());
        let answer = stage::exchange(&world, &denied).await;
        let expected = json!({
            "jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": format!("Unknown tool: {name}")},
        });
        assert_eq!((answer.status, answer.json()), (200, expected), "{answer:?}");
    }
    for token in [None, Some("x.y.z")] {
        let denied = stage::request(&world, "POST /mcp", token, &[], body.as_bytes());
        let answer = stage::exchange(&world, &denied).await;
        assert!(answer.status == 401 && answer.challenges(), "{answer:?}");
    }
    assert_eq!((recorder.bytes(), recorder.connections()), (0, connections), "denied, yet seen upstream");
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_eras_get_their_share_of_calls_and_lists() {
    let world = stage::world("path-eras", |_| {}).await;
    let session = stage::log_in(&world, Some("mcp:read")).await;
    let (login, scope) = (world.login.as_ref().unwrap(), Some("mcp:read mcp:write"));
    let Session { discovery, registration, tokens } = &session;
    let writer =
        oauth::authorize(&world.http, discovery, registration, login, scope).await.unwrap().access_token;
    let reader = tokens.access_token.clone();
    let legacy = McpClient::legacy(world.http.clone(), &world.mcp, Some(&reader)).await.unwrap();
    let modern = stage::modern(&world, &reader);
    for (era, mut client) in [("legacy", legacy), ("modern", modern)] {
        lists_are_cut(era, &mut client).await;
        targets_are_judged(era, &mut client).await;
        writing_needs_a_step_up(&world, era, &mut client, &writer).await;
    }
    world.discard().await;
}

async fn lists_are_cut(era: &str, client: &mut McpClient) {
    let answer = client.send("tools/list", json!({})).await.unwrap();
    let list = stage::reply(&answer)["result"].clone();
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    let mut names: Vec<_> =
        list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert!(kind.starts_with("text/event-stream"), "{era}: the sample server streams, but {kind} came");
    assert_eq!(names, SHOWN, "{era} ({kind}): {list}");
    let scope = &list["cacheScope"];
    if era == "modern" {
        assert_eq!(scope, "private", "{era}: {list}");
    }
    assert!(!answer.text().contains("drop_everything"), "{era}: {}", answer.text());

    let prompts = client.names("prompts/list", "prompts").await.unwrap();
    assert_eq!(prompts.len(), 2, "{era}: {prompts:?}");
    let resources = client.names("resources/list", "resources").await.unwrap();
    assert!(resources.contains(&"index".to_owned()), "{era}: {resources:?}");
    let templates = client.names("resources/templates/list", "resourceTemplates").await.unwrap();
    assert_eq!(templates, ["note"], "{era}");
}

async fn targets_are_judged(era: &str, client: &mut McpClient) {
    let note = client.call_tool("get_note", json!({"id": "ideas"})).await.unwrap();
    assert_eq!(note["structuredContent"]["id"], "ideas", "{era}: {note}");
    let index = client.call("resources/read", json!({"uri": "notes://index"})).await.unwrap();
    assert!(index["contents"][0]["text"].as_str().unwrap().contains("ideas"), "{era}: {index}");
    let prompt = client.call("prompts/get", json!({"name": "weekly_digest"})).await.unwrap();
    assert!(prompt["messages"][0].is_object(), "{era}: {prompt}");

    for uri in ["file:///etc/passwd", "notes://../etc"] {
        let answer = client.send("resources/read", json!({"uri": uri})).await.unwrap();
        let code = if era == "modern" { -32602 } else { -32002 };
        assert_eq!(
            (answer.status, error_code(&answer).unwrap()),
            (200, code),
            "{era} {uri}: {}",
            answer.text()
        );
        assert_eq!(stage::reply(&answer)["error"]["data"]["uri"], uri, "{era}");
    }
    // The sample server completes nothing; that the question passes shows in *its* answer, that another does not in ours.
    let reference = |name: &str| json!({"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "id", "value": "i"}});
    let passed = client.send("completion/complete", reference("summarize_note")).await.unwrap();
    assert!(!passed.text().contains("Unknown prompt"), "{era}: {}", passed.text());
    assert!(matches!(passed.status, 200 | 404), "{era}: {} {}", passed.status, passed.text());
    let elsewhere = json!({"ref": {"type": "ref/resource", "uri": "file:///{name}"}, "argument": {"name": "name", "value": "p"}});
    let denied = client.send("completion/complete", elsewhere).await.unwrap();
    let message = stage::reply(&denied)["error"]["message"].to_string();
    assert!(message.contains("not found: file:///"), "{era}: {}", denied.text());
}

async fn writing_needs_a_step_up(world: &World, era: &str, client: &mut McpClient, writer: &str) {
    let note =
        json!({"name": "write_note", "arguments": {"id": format!("from-{era}"), "title": "T", "body": "B"}});
    let refused = client.send("tools/call", note.clone()).await.unwrap();
    let challenge = refused.header("www-authenticate").unwrap_or_default().to_owned();
    assert_eq!(refused.status, 403, "{era}: {}", refused.text());
    let parameter = |name: &str| challenge_parameter(&challenge, name).unwrap_or_default();
    assert_eq!(parameter("error"), "insufficient_scope", "{era}: {challenge}");
    let asked = parameter("scope");
    assert!(asked.split(' ').any(|scope| scope == "mcp:write"), "{era}: {challenge}");
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", world.origin);
    assert_eq!(parameter("resource_metadata"), metadata, "{era}");
    assert_eq!(error_code(&refused).unwrap(), -31003, "{era}");
    assert!(stage::reply(&refused)["id"].is_u64(), "{era}: {}", refused.text());

    // A legacy session belongs to the principal, whichever of their tokens they show.
    client.use_token(writer);
    let written = stage::reply(&client.send("tools/call", note).await.unwrap());
    assert_eq!(written["result"]["structuredContent"]["version"], 1, "{era}: {written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_plain_json_is_cut_and_otherwise_untouched() {
    let recorder = Recorder::start(|seen| {
        let id = &seen.json()["id"];
        Script::Answer(json_answer(&list(id, r#""public""#, r#"{"name":"drop_everything" , "x":[1.0e2]},"#)))
    })
    .await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("path-json-list", |plan| plan.upstream = Some(upstream)).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let modern = stage::modern(&world, &token).send("tools/list", json!({})).await.unwrap();
    assert_eq!(modern.header("content-type"), Some("application/json"));
    assert_eq!(modern.text(), list(&json!(1), r#""private""#, ""), "modern");

    let request = json!({"jsonrpc": "2.0", "id": "l", "method": "tools/list"}).to_string();
    let bytes = stage::request(&world, "POST /mcp", Some(&token), &[], request.as_bytes());
    let legacy = stage::exchange(&world, &bytes).await.json();
    let expected: Value = serde_json::from_str(&list(&json!("l"), r#""private""#, "")).unwrap();
    assert_eq!(legacy, expected, "legacy");
    world.discard().await;
}

/// A list with spaces, escapes, numbers and members that must come through as they are.
fn list(id: &Value, scope: &str, hidden: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\", \"id\":{id},\"result\":{{ \"cacheScope\":{scope},\"ttlMs\":5e3,\"tools\":[{hidden}\
         {{\"name\":\"get_note\",\"title\":\"\\u00e4\",\"n\":1.50}}],\"nextCursor\":\"\",\"later\":{{\"a\": [ ]}}}}}}"
    )
}

/// What the authorization server says of itself is true through Envoy, too: nothing that it names ends at our own 404.
#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_of_the_authorization_server_is_reached() {
    let world = stage::world("endpoints", |_| {}).await;
    let document = format!("{}/.well-known/openid-configuration", world.origin);
    let document = world.http.get(&document, &[]).await.unwrap().json().unwrap();
    let named = document.as_object().unwrap().iter();
    let named = named.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut urls: Vec<String> = named.map(|(_, url)| url.as_str().unwrap().to_owned()).collect();
    assert!(urls.len() > 6, "{document}");
    urls.extend(
        ["/device", "/register/c_unknown", "/assets/style.css", "/login", "/signin/x", "/callback/x"]
            .map(|path| format!("{}{path}", world.origin)),
    );
    for url in urls {
        let answer = world.http.get(&url, &[]).await.unwrap();
        assert_ne!((answer.status, answer.text().as_str()), (404, "not found\n"), "{url}");
    }
    world.discard().await;
}
