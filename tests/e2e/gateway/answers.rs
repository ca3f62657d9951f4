//! Does a list entry slip through in an answer that two readers could take in two ways? Each is cut or withheld.

use serde_json::{Value, json};
use wicketgate_e2e::world::{HostMode, Plan};

use super::recorder::{Recorder, Script, Seen, json_answer, result};
use super::scene::{RULES, Scene, call};
use super::stage::{self, exchange, request};

/// What no client may read, and what every client may.
const HIDDEN: &str = "drop_everything";
const LIST: &str =
    r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"drop_everything"},{"name":"get_note"}]}}"#;

/// What must become of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It passes without the hidden entry.
    Cut,
    /// The client gets an error of ours.
    Withheld,
    /// The same; where heads are not held this one is gone, and the error stands in its body.
    Unread,
    /// It has begun, and ends before the list.
    Broken,
}

type Case = (&'static str, Fate, Script);

/// `fields` are whole lines of a head.
fn whole(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn json(fields: &str, body: &[u8]) -> Script {
    Script::Answer(whole("200 OK", &format!("content-type: application/json{fields}\r\n"), body))
}

fn events(body: &str) -> Script {
    Script::Answer(whole("200 OK", "content-type: text/event-stream\r\n", body.as_bytes()))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Types, charsets and codings.
fn labels() -> Vec<Case> {
    use Fate::{Cut, Unread, Withheld};
    let utf7 = LIST.replace('{', "+AHs-").replace('}', "+AH0-").replace('[', "+AFs-").replace(']', "+AF0-");
    let labelled = |line: &str| Script::Answer(whole("200 OK", line, LIST.as_bytes()));
    vec![
        ("utf-8", Cut, json("; charset=utf-8", LIST.as_bytes())),
        ("utf-8, quoted", Cut, json(";charset=\"UTF-8\"", LIST.as_bytes())),
        ("utf-16", Withheld, json("; charset=utf-16", &utf16(LIST))),
        ("utf-16, not said", Unread, json("", &utf16(LIST))),
        ("utf-7", Withheld, json("; charset=utf-7", utf7.as_bytes())),
        ("utf-7, extended", Withheld, json("; charset*=us-ascii''utf-7", utf7.as_bytes())),
        ("a byte-order mark", Unread, json("", format!("\u{feff}{LIST}").as_bytes())),
        ("gzip", Withheld, json("\r\ncontent-encoding: gzip", LIST.as_bytes())),
        (
            "two codings",
            Withheld,
            json("\r\ncontent-encoding: identity\r\ncontent-encoding: br", LIST.as_bytes()),
        ),
        ("text", Withheld, labelled("content-type: text/plain\r\n")),
        ("no type", Withheld, labelled("")),
        ("another JSON", Withheld, labelled("content-type: application/vnd.api+json\r\n")),
        ("two types", Withheld, labelled("content-type: text/plain\r\ncontent-type: application/json\r\n")),
        ("two types in one", Withheld, labelled("content-type: application/json, text/plain\r\n")),
        ("capitals", Cut, labelled("Content-Type: Application/JSON\r\n")),
    ]
}

/// Statuses and framing.
fn frames() -> Vec<Case> {
    use Fate::Cut;
    let plain = json_answer(LIST);
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".as_slice();
    let chunks: String =
        LIST.chars().map(|c| format!("1;x=\"{c}\"\r\n{c}\r\n")).collect::<String>().replace("\"\"\"", "y");
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let partial = whole("206 Partial Content", "content-type: application/json\r\n", LIST.as_bytes());
    let missing = whole("404 Not Found", "content-type: application/json\r\n", LIST.as_bytes());
    let events = format!("data: {LIST}\n\n");
    let failed = whole("500 Oops", "content-type: text/event-stream\r\n", events.as_bytes());
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{LIST}");
    vec![
        ("early hints", Cut, Script::Answer([hints, &plain].concat())),
        ("partial content", Cut, Script::Answer(partial)),
        ("not found", Cut, Script::Answer(missing)),
        ("an error's events", Cut, Script::Answer(failed)),
        ("byte by byte", Cut, Script::Drip(plain)),
        (
            "chunks of one byte",
            Cut,
            Script::Drip(format!("{chunked}{chunks}0\r\nx-after: yes\r\n\r\n").into_bytes()),
        ),
        ("until the connection closes", Cut, Script::Break(endless.into_bytes())),
    ]
}

/// Bodies of JSON.
fn documents() -> Vec<Case> {
    use Fate::{Cut, Unread};
    let other = LIST.replace("\"id\":9", "\"id\":10");
    let deep =
        LIST.replace("{\"tools\"", &format!("{{\"x\":{}{},\"tools\"", "[".repeat(200), "]".repeat(200)));
    let documents = [
        ("an answer to another request", Cut, other.clone()),
        ("a batch", Cut, format!("[{LIST},{other}]")),
        ("an array in an array", Unread, format!("[[{LIST}]]")),
        ("an escaped member", Cut, LIST.replace("tools", "t\\u006fols")),
        ("an escaped name", Cut, LIST.replace("drop_", "drop\\u005f")),
        ("a name that is none", Cut, LIST.replace(r#""drop_everything""#, r#"["drop_everything"]"#)),
        (
            "another method's list",
            Cut,
            LIST.replace("\"tools\":[", "\"prompts\":[{\"name\":\"drop_everything\"}],\"tools\":["),
        ),
        ("a member twice", Unread, LIST.replace("{\"tools\"", "{\"tools\":[],\"tools\"")),
        ("a member in capitals", Unread, LIST.replace("tools", "Tools")),
        ("a result twice", Unread, LIST.replace("\"result\"", "\"result\":{},\"result\"")),
        ("a name twice", Unread, LIST.replace("{\"name\":\"drop", "{\"name\":\"get_note\",\"name\":\"drop")),
        ("two documents", Unread, format!("{{}}{LIST}")),
        ("half a document", Unread, LIST[..LIST.len() - 1].to_owned()),
        ("deep nesting", Unread, deep),
    ];
    documents.into_iter().map(|(what, fate, body)| (what, fate, json("", body.as_bytes()))).collect()
}

/// Event streams.
fn streams() -> Vec<Case> {
    use Fate::{Broken, Cut};
    let (first, second) = LIST.split_at(LIST.find("\"name\":\"drop").unwrap());
    let line = format!("data: {LIST}");
    let event = format!("{line}\n\n");
    let gzip = "content-type: text/event-stream\r\ncontent-encoding: gzip\r\n";
    vec![
        ("an event", Cut, events(&event)),
        ("another kind of event", Cut, events(&format!("event: other\nid: 1\n{event}"))),
        ("over lines", Cut, events(&format!("data: {first}\ndata:{second}\n\n"))),
        ("line ends mixed", Cut, events(&format!(": a\r\rid: 1\r\ndata: {first}\rdata: {second}\n\r\n"))),
        ("bare carriage returns", Cut, events(&format!("{line}\r\r"))),
        ("no end", Cut, events(&line)),
        (
            "byte by byte",
            Cut,
            Script::Drip(whole("200 OK", "content-type: text/event-stream\r\n", event.as_bytes())),
        ),
        ("a mark before the stream", Cut, events(&format!("\u{feff}{event}"))),
        ("after a batch", Cut, events(&format!("data: [{LIST}]\n\n{event}"))),
        // Hidden for who ends lines there, and data for who does not.
        ("behind a bare carriage return", Broken, events(&format!("data: \r{LIST}\n\n"))),
        ("behind a line separator", Broken, events(&format!(":\u{2028}{line}\u{2028}\u{2028}\n\n"))),
        ("a mark before the data", Broken, events(&format!("data: \u{feff}{LIST}\n\n"))),
        ("half a document", Broken, events(&format!("data: {}\n\n", &LIST[..LIST.len() - 1]))),
        ("gzip", Fate::Withheld, Script::Answer(whole("200 OK", gzip, event.as_bytes()))),
    ]
}

fn cases() -> Vec<Case> {
    [labels(), frames(), documents(), streams()].concat()
}

/// The case whose number is the cursor, or stands in a field of its own, is the answer.
fn script(seen: &Seen) -> Script {
    let cursor = seen.json()["params"]["cursor"].as_str().map(str::to_owned);
    match cursor.as_deref().or(seen.field("x-case")) {
        Some(at) => cases().swap_remove(at.parse().unwrap()).2,
        None => Script::Answer(json_answer(&result(seen))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_shows_what_may_not_be_seen() {
    let scene = Scene::before(Recorder::start(script).await, "answers", |_| {}).await;
    for (at, (what, fate, _)) in cases().into_iter().enumerate() {
        let cursor = at.to_string();
        let body = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {"cursor": cursor}});
        let post = scene.post(&body.to_string(), &[]);
        // The stream of a session may replay any answer.
        let get = request(&scene.world, "GET /mcp", Some(&scene.token), &[("X-Case", &cursor)], b"");
        for bytes in [post, get] {
            let answer = exchange(&scene.world, &bytes).await;
            let shown = format!("{answer:?}").replace('\0', "");
            assert!(!shown.contains(HIDDEN) && !shown.contains("drop\\\\u005f"), "{what}: {shown}");
            let held = scene.world.host_mode == HostMode::Hold;
            match fate {
                Fate::Unread if !held => {
                    assert_eq!((answer.status, answer.code()), (200, Value::from(-32603)), "{what}: {shown}");
                    assert!(!shown.contains("get_note"), "{what}: {shown}");
                }
                Fate::Cut => {
                    assert!(answer.status != 502 && shown.contains("get_note"), "{what}: {shown}");
                }
                Fate::Withheld | Fate::Unread => {
                    assert_eq!((answer.status, answer.code()), (502, Value::from(-32603)), "{what}: {shown}");
                }
                Fate::Broken => assert!(!shown.contains("get_note"), "{what}: {shown}"),
            }
        }
    }
    scene.world.discard().await;
}

/// A person may be led to it, by a link or a form, and the authorization server may live at the same origin.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_upstream_runs_nothing() {
    let page = |seen: &Seen| match seen.field("x-case") {
        Some(status) => Script::Answer(whole(
            status,
            "content-type: text/html\r\ncontent-security-policy: script-src *\r\n",
            b"<script>alert(document.cookie)</script>",
        )),
        None => Script::Answer(json_answer(&result(seen))),
    };
    let scene = Scene::before(Recorder::start(page).await, "answers-pages", |_| {}).await;
    for (case, status) in [("500 Oops", 500), ("404 Not Found", 404), ("200 OK", 200)] {
        let answer = exchange(&scene.world, &scene.post(&call("get_note"), &[("X-Case", case)])).await;
        let said = ["content-security-policy", "x-content-type-options"].map(|name| answer.field(name));
        assert_eq!(
            (answer.status, said),
            (status, [Some("sandbox; default-src 'none'"), Some("nosniff")]),
            "{answer:?}"
        );
        assert!(!format!("{answer:?}").contains("script-src"), "{answer:?}");
    }
    scene.world.discard().await;
}

/// Servers tell the requests of a session apart by their ids, which the client chooses: a list that was asked for by one
/// request can be the answer to another of the same id.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_comes_as_the_answer_to_something_else() {
    let policy =
        stage::policy("{}", RULES).replace("    limits:", "    sessions: {unknown: adopt}\n    limits:");
    let change = |plan: &mut Plan| plan.set_policy(&policy).unwrap();
    let scene = Scene::before(Recorder::start(script).await, "answers-mixed", change).await;
    let numbers =
        cases().into_iter().enumerate().filter(|(_, case)| case.0 == "utf-8" || case.0 == "an event");
    let numbers: Vec<_> = numbers.map(|(at, _)| at.to_string()).collect();
    assert_eq!(numbers.len(), 2);
    for cursor in numbers {
        let params = json!({"name": "get_note", "arguments": {}, "cursor": cursor});
        let body = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}).to_string();
        let bytes = scene.post(&body, &[("Mcp-Session-Id", "one"), ("MCP-Protocol-Version", "2025-11-25")]);
        let answer = exchange(&scene.world, &bytes).await;
        let shown = format!("{answer:?}");
        assert!(answer.status == 200 && shown.contains("get_note") && !shown.contains(HIDDEN), "{shown}");
    }
    scene.world.discard().await;
}

/// What is long or endless for nobody's good: a template, templates of many expressions, tasks, and the list of anything.
fn bulky(seen: &Seen) -> Script {
    let message = seen.json();
    let list = |element: Value, count: usize, name: &str| {
        let (element, id) = (element.to_string(), &message["id"]);
        let list = vec![element; count].join(",");
        json_answer(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"{name}":[{list}]}}}}"#))
    };
    let template =
        |text: String| json!({"uriTemplate": format!("notes://{text}"), "name": "drop_everything"});
    Script::Answer(match message["params"]["cursor"].as_str() {
        Some("a long template") => list(template("{a}b".repeat(15 << 18)), 1, "resourceTemplates"),
        Some("long templates") => {
            list(template(format!("{{a}}{}", "b".repeat(2000))), 1500, "resourceTemplates")
        }
        Some("templates of many expressions") => {
            list(template("{a}b".repeat(2000)), 1500, "resourceTemplates")
        }
        Some("a long name") => list(json!({"name": "drop_everything".repeat(1 << 20)}), 1, "tools"),
        Some("endless tools") => list(json!({"name": "drop_everything"}), 20_000, "tools"),
        Some("endless tasks") => list(json!({"taskId": "drop_everything"}), 20_000, "tasks"),
        _ => json_answer(&result(seen)),
    })
}

/// No answer, and no request, keeps a worker busy or makes it run out of memory, which would end everybody's streams.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_long_or_endless_stops_nobody() {
    let deep = "folder/".repeat(20);
    let rules = RULES.replace("\"notes://*\"", &format!("\"notes://{deep}*/{deep}end\", \"notes://*\""));
    let policy = stage::policy("{request_bytes: 64KiB}", &rules);
    let change = |plan: &mut Plan| plan.set_policy(&policy).unwrap();
    let scene = Scene::before(Recorder::start(bulky).await, "answers-bulky", change).await;
    let ask = |method: &str, params: Value| {
        scene.post(&json!({"jsonrpc": "2.0", "id": 9, "method": method, "params": params}).to_string(), &[])
    };
    for (method, cursor, status) in [
        ("resources/templates/list", "a long template", 200),
        ("resources/templates/list", "long templates", 200),
        ("resources/templates/list", "templates of many expressions", 200),
        ("tools/list", "a long name", 200),
        ("tools/list", "endless tools", 502),
        ("tasks/list", "endless tasks", 502),
    ] {
        let answer = exchange(&scene.world, &ask(method, json!({"cursor": cursor}))).await;
        let shown = format!("{answer:?}");
        let start: String = shown.chars().take(300).collect();
        let held = scene.world.host_mode == HostMode::Hold;
        assert_eq!(answer.status, if held { status } else { 200 }, "{cursor}: {start}");
        assert_eq!(answer.code() == -32603, status == 502, "{cursor}: {start}");
        // Long templates are what they are allowed to be, and may all be read.
        assert!(cursor == "long templates" || !shown.contains(HIDDEN), "{cursor}: {start}");
    }
    let reference = json!({"type": "ref/resource", "uri": format!("notes://{}", "{a}".repeat(2700))});
    let completion = json!({"ref": reference, "argument": {"name": "a", "value": "b"}});
    scene.recorder.take();
    scene.refused("a completion", &ask("completion/complete", completion), 200, json!(-32002)).await;
    let stats =
        scene.world.http.get(&format!("{}/stats?filter=vm_reload", scene.world.envoy.admin()), &[]).await;
    let stats = stats.unwrap().text();
    assert!(stats.contains("vm_reload") && stats.lines().all(|line| line.ends_with(": 0")), "{stats}");
    scene.passes("another request", &scene.post(&super::scene::call("get_note"), &[])).await;
    scene.world.discard().await;
}
