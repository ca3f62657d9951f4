use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::mcp::jsonrpc::MAX_TARGET_BYTES;

fn filtered(body: &str, revision: Option<Revision>) -> (String, Report) {
    let visible = &mut |target: &Target| !target.name().starts_with('x');
    let filtered =
        filter_list(body.as_bytes(), revision, visible).unwrap_or_else(|d| panic!("{body}: {d:?}"));
    let out = filtered.body.map_or_else(|| body.to_owned(), |b| String::from_utf8(b).unwrap());
    (out, filtered.report)
}

fn refused(body: &str) -> &'static str {
    match filter_list(body.as_bytes(), None, &mut |_: &Target| true) {
        Err(Denial::UnsafeResponse(what)) => what,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn elements_go_with_one_comma_and_the_rest_stays() {
    let tools = |list: &str| {
        format!(r#" {{"id":1, "result": {{"nextCursor":"","tools":{list},"z":[1 ,2]}} , "jsonrpc":"2.0"}} "#)
    };
    for (before, after) in [
        ("[]", "[]"),
        (r#"[ {"name":"a"} ]"#, r#"[ {"name":"a"} ]"#),
        (r#"[ {"name":"x"} ]"#, "[  ]"),
        (r#"[{"name":"x"} , {"name":"xx"}]"#, "[]"),
        (r#"[{"name":"x"} , {"name":"a"}]"#, r#"[{"name":"a"}]"#),
        (r#"[{"name":"a"} , {"name":"x"}]"#, r#"[{"name":"a"}]"#),
        (r#"[{"name":"a"}, {"name":"x"},{"name":"b"}]"#, r#"[{"name":"a"},{"name":"b"}]"#),
        (
            r#"[{"name":"x"},{"name":"a"},{"name":"x"},{"name":"x"},{"name":"b"},{"name":"x"}]"#,
            r#"[{"name":"a"},{"name":"b"}]"#,
        ),
        (
            r#"[{"name":"\u0078"},{"n\u0061me":"x"},{"title":"a","name":"a","y":{"name":"x"}}]"#,
            r#"[{"title":"a","name":"a","y":{"name":"x"}}]"#,
        ),
        (r#"[{"title":"a"},7,{"name":["a"]},{"name":"a"},{"name":"a\ud800"}]"#, r#"[{"name":"a"}]"#),
    ] {
        assert_eq!(filtered(&tools(before), None).0, tools(after));
    }
}

#[test]
fn what_is_too_long_or_too_many_is_not_judged() {
    let named = |bytes: usize| format!(r#"{{"result":{{"tools":[{{"name":"{}"}}]}}}}"#, "a".repeat(bytes));
    assert_eq!(filtered(&named(MAX_TARGET_BYTES), None).1.kept, 1);
    let (out, report) = filtered(&named(MAX_TARGET_BYTES + 1), None);
    assert_eq!((out.as_str(), report.unreadable), (r#"{"result":{"tools":[]}}"#, 1));
    let times = |message: &str, count: usize| format!("[{}]", vec![message; count].join(","));
    let lists = |more: &str| {
        let half = times(r#"{"name":"x"}"#, MAX_ENTRIES as usize / 2);
        format!(r#"{{"result":{{"tools":{half},"prompts":{half},"tasks":[{more}]}}}}"#)
    };
    assert_eq!(filtered(&lists(""), None).1.removed, MAX_ENTRIES);
    assert_eq!(refused(&lists("7")), "too many list entries");
    let task = r#"{"result":{"task":{"taskId":"a"}}}"#;
    filtered(&times(task, MAX_CREATED), None);
    assert_eq!(refused(&times(task, MAX_CREATED + 1)), "too many tasks");
}

#[test]
fn all_four_lists_are_known_by_their_shape() {
    let body = r#"{"result":{"tools":[{"name":"x"}],"prompts":[{"name":"x"},{"name":"p"}],"resources":[{"uri":"x:1","name":"a"},{"uri":"a:x"}],"resourceTemplates":[{"uriTemplate":"x{y}"},{"name":"n"}]}}"#;
    let (out, report) = filtered(body, None);
    assert_eq!(
        out,
        r#"{"result":{"tools":[],"prompts":[{"name":"p"}],"resources":[{"uri":"a:x"}],"resourceTemplates":[]}}"#
    );
    assert_eq!(report, Report { lists: 4, kept: 2, removed: 4, unreadable: 1 });
}

#[test]
fn tasks_are_listed_and_handed_out_in_two_shapes() {
    let list = r#"{"result":{"tasks":[{"taskId":"x"},{"taskId":"a"},{"status":"working"}]}}"#;
    for (revision, private) in
        [(Revision::R20251125, ""), (Revision::R20260728, r#","cacheScope":"private""#)]
    {
        let own = format!(r#"{{"result":{{"tasks":[{{"taskId":"a"}}]{private}}}}}"#);
        assert_eq!(filtered(list, Some(revision)).0, own);
    }
    let created = |body: &str| filter_list(body.as_bytes(), None, &mut |_: &Target| true).unwrap().created;
    for (body, ids) in [
        (r#"{"result":{"task":{"taskId":"a","status":"working"}}}"#, &["a"][..]),
        (r#"{"result":{"taskId":"b","resultType":"task"}}"#, &["b"]),
        (r#"{"result":{"resultType":"t\u0061sk","taskId":"\u0062"}}"#, &["b"]),
        (
            r#"[{"result":{"task":{"taskId":"a"}}},{"result":{"resultType":"task","taskId":"b"}}]"#,
            &["a", "b"],
        ),
        (r#"{"result":{"taskId":"b","resultType":"complete"}}"#, &[]),
        (r#"{"result":{"taskId":"b","status":"working"}}"#, &[]),
        (
            r#"{"result":{"content":[{"task":{"taskId":"a"}}],"structuredContent":{"taskId":"b","resultType":"task"}}}"#,
            &[],
        ),
        (r#"{"params":{"task":{"taskId":"a"}}}"#, &[]),
        (r#"{"result":{"task":7,"resultType":"task","taskId":8}}"#, &[]),
    ] {
        assert_eq!(created(body), ids, "{body}");
    }
    for body in [
        r#"{"result":{"task":{"taskId":"a"},"task":{"taskId":"b"}}}"#,
        r#"{"result":{"task":{"taskId":"a","taskid":"b"}}}"#,
        r#"{"result":{"resultType":"complete","taskId":"a","ResultType":"task"}}"#,
    ] {
        refused(body);
    }
}

#[test]
fn a_batch_of_answers_is_filtered_too() {
    let (out, _) = filtered(r#"[{"result":{"tools":[{"name":"x"}]}},{"method":"m"}, 3]"#, None);
    assert_eq!(out, r#"[{"result":{"tools":[]}},{"method":"m"}, 3]"#);
}

#[test]
fn a_filtered_list_is_private() {
    let modern = Some(Revision::R20260728);
    for (revision, before, after) in [
        (None, r#"{"tools":[],"cacheScope":"public"}"#, r#"{"tools":[],"cacheScope":"private"}"#),
        (
            None,
            r#"{"cacheScope" : null ,"tools":[{"name":"x"}]}"#,
            r#"{"cacheScope" : "private" ,"tools":[]}"#,
        ),
        (None, r#"{"tools":[],"cacheScope":"privat\u0065"}"#, r#"{"tools":[],"cacheScope":"privat\u0065"}"#),
        (None, r#"{"tools":[]}"#, r#"{"tools":[]}"#),
        (None, r#"{"ttlMs":5,"tools":[] }"#, r#"{"ttlMs":5,"tools":[] ,"cacheScope":"private"}"#),
        (modern, r#"{"tools":[]}"#, r#"{"tools":[],"cacheScope":"private"}"#),
        (modern, r#"{"contents":[],"cacheScope":"public"}"#, r#"{"contents":[],"cacheScope":"public"}"#),
    ] {
        let wrap = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        assert_eq!(filtered(&wrap(before), revision).0, wrap(after));
    }
}

#[test]
fn what_is_no_list_passes_byte_for_byte() {
    for body in [
        "",
        "   ",
        "https://example.com/messages",
        "\"x\"",
        r#"{"result":{"content":[{"type":"text","text":"half \ud83d"}],"structuredContent":{"tools":[{"name":"x"}],"a":1,"a":2}}}"#,
        r#"{"result":{"capabilities":{"tools":{}},"tools":{"name":"x"}}}"#,
        r#"{"params":{"tools":[{"name":"x"}]},"method":"m"}"#,
        r#"{"tools":[{"name":"x"}]}"#,
        r#"{"id":1,"error":{"code":-32602,"message":"x"}}"#,
    ] {
        let filtered =
            filter_list(body.as_bytes(), Some(Revision::R20260728), &mut |_: &Target| false).unwrap();
        let answers = filtered.answers.clone();
        assert_eq!(filtered, Filtered { answers, ..Filtered::default() }, "{body}");
    }
}

#[test]
fn it_is_known_which_requests_are_answered() {
    for (body, answered) in [
        (r#"{"id":1,"error":{"code":-32602,"message":"x"}}"#, vec!["1"]),
        (r#"{"result":{"id":2},"id":"a\"b"}"#, vec![r#""a\"b""#]),
        (r#"[{"id":1,"result":{}},{"id":2,"method":"ping"},{"id":3,"result":{}}]"#, vec!["1", "3"]),
        (r#"{"result":{"id":2}}"#, vec![]),
        (r#"{"method":"notifications/message","params":{"id":1}}"#, vec![]),
    ] {
        let filtered =
            filter_list(body.as_bytes(), Some(Revision::R20250326), &mut |_: &Target| true).unwrap();
        let ids: Vec<_> = filtered.answers.into_iter().map(|at| &body[at]).collect();
        assert_eq!(ids, answered, "{body}");
    }
}

#[test]
fn an_answer_that_readers_may_understand_differently_is_refused() {
    for body in [
        r#"{"result":{"tools":[]},"result":{"tools":[{"name":"x"}]}}"#,
        r#"{"result":{"tools":[],"tools":[{"name":"x"}]}}"#,
        r#"{"result":{"tools":[{"name":"a","name":"x"}]}}"#,
        r#"{"result":{"tools":[{"name":"a","n\u0061me":"x"}]}}"#,
    ] {
        assert_eq!(refused(body), "a repeated key", "{body}");
    }
    for body in [
        r#"{"Result":{"tools":[{"name":"x"}]}}"#,
        r#"{"result":{"toolſ":[{"name":"x"}]}}"#,
        r#"{"result":{"resourcetemplates":[]}}"#,
        r#"{"result":{"tools":[{"name":"a","Name":"x"}]}}"#,
    ] {
        assert_eq!(refused(body), "a key that differs from a known one in letter case only", "{body}");
    }
    for body in
        ["{", r#"{"result":{"tools":[]}} x"#, r#"{"result":{"tools":[NaN]}}"#, "{\u{feff}}", "\u{feff}{}"]
    {
        refused(body);
    }
    assert_eq!(refused(r#"[[{"result":{"tools":[{"name":"x"}]}}]]"#), "an array in an array");
    // Two readers may make two keys of it, or one that is known.
    assert_eq!(refused(r#"{"result":{"tools":[],"tools\ud800":[]}}"#), "a lone surrogate in a key");
}

/// Values that a list or its surroundings may hold.
fn values() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(json!(null)), any::<i32>().prop_map(Value::from), ".{0,4}".prop_map(Value::from)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|m| json!(m)),
        ]
    })
}

fn elements() -> impl Strategy<Value = Value> {
    let named = ("[ax][b-d]", values()).prop_map(|(name, other)| json!({"name": name, "other": other}));
    prop_oneof![8 => named, 1 => values()]
}

proptest! {
    #[test]
    fn the_result_is_what_filtering_the_tree_gives_and_filtering_again_changes_nothing(
        tools in prop::collection::vec(elements(), 0..8),
        extra in prop::collection::btree_map("[d-z]{1,3}", values(), 0..4),
        pretty in any::<bool>(), modern in any::<bool>(),
    ) {
        let revision = modern.then_some(Revision::R20260728);
        let mut tree = json!({"jsonrpc": "2.0", "id": 1, "result": extra});
        tree["result"]["tools"] = json!(tools);
        let body = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) }.unwrap();
        let (out, report) = filtered(&body, revision);
        let seen = |v: &Value| v["name"].as_str().is_some_and(|n| !n.starts_with('x'));
        let kept: Vec<Value> = tools.iter().filter(|v| seen(v)).cloned().collect();
        prop_assert_eq!(report.kept as usize, kept.len());
        prop_assert_eq!((report.removed + report.unreadable) as usize, tools.len() - kept.len());
        tree["result"]["tools"] = json!(kept);
        if modern {
            tree["result"]["cacheScope"] = json!("private");
        }
        prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), tree);
        let again = filter_list(out.as_bytes(), revision, &mut |t: &Target| !t.name().starts_with('x')).unwrap();
        prop_assert_eq!(again.body, None);
    }
}
