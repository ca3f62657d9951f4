use proptest::prelude::*;

use super::*;
use crate::mcp::operation::Target;

#[test]
fn arguments_are_given_as_the_bytes_where_they_stand() {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments" : {"a": "\u0041"} ,"name":"t"}}"#;
    let message = read(body, None).unwrap();
    assert_eq!(&body[message.arguments.unwrap()], br#"{"a": "\u0041"}"#);
    let absent = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":null,"name":"t"}}"#;
    assert_eq!(read(absent, None).unwrap().arguments, None);
}

#[test]
fn subscriptions_are_bounded() {
    for key in ["resourceSubscriptions", "taskIds"] {
        let body = |n: usize| {
            let ids = vec!["\"a:1\""; n].join(",");
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"{key}":[{ids}]}}}}}}"#
            )
        };
        let targets = read(body(MAX_SUBSCRIPTIONS).as_bytes(), None).unwrap().operation.targets;
        assert_eq!(targets.len(), MAX_SUBSCRIPTIONS);
        assert!(targets.iter().all(|t| (t.kind() == "task") == (key == "taskIds")), "{key}");
        let refused = read(body(MAX_SUBSCRIPTIONS + 1).as_bytes(), None).unwrap_err();
        assert_eq!(refused.denial, Denial::InvalidParams("too many resourceSubscriptions or taskIds"));
    }
}

#[test]
fn whether_a_task_may_be_the_answer_is_declared() {
    let read = |capabilities: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"_meta":{{"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
        );
        read(body.as_bytes(), None)
    };
    let takes = |capabilities: &str| read(capabilities).unwrap().takes_tasks;
    assert!(takes(r#"{"extensions":{"other":{},"io.modelcontextprotocol/tasks":{}}}"#));
    for none in [
        "{}",
        r#"{"extensions":{}}"#,
        r#"{"extensions":{"io.modelcontextprotocol/taskss":{}}}"#,
        r#"{"io.modelcontextprotocol/tasks":{}}"#,
    ] {
        assert!(!takes(none), "{none}");
    }
    for misshapen in ["7", "[]", "null", r#"[{"io.modelcontextprotocol/tasks":{}}]"#] {
        for capabilities in [misshapen.to_owned(), format!(r#"{{"extensions":{misshapen}}}"#)] {
            let denial = read(&capabilities).unwrap_err().denial;
            assert!(matches!(denial, Denial::InvalidParams(_)), "{capabilities}: {denial:?}");
        }
    }
}

#[test]
fn too_deep_a_body_is_refused_with_the_id_that_came_before() {
    let deep = "[".repeat(70);
    let body = format!(r#"{{"jsonrpc":"2.0","id":"x","method":"ping","params":{{"a":{deep}"#);
    let refused = read(body.as_bytes(), None).unwrap_err();
    assert_eq!(refused.denial, Denial::InvalidRequest("nested too deeply"));
    assert_eq!(refused.id.unwrap().as_json(), "\"x\"");
}

proptest! {
    /// House invariant 5 rests on this: what a rule judged is what any other reader of the same bytes sees.
    #[test]
    fn serde_json_reads_the_same_method_and_names(
        method in prop_oneof![Just("tools/call"), Just("tools\\/call"), Just("prompts/get"), Just("resources/read")],
        key in prop_oneof![Just("name"), Just("uri"), Just("n\\u0061me"), Just("Name")],
        second in prop_oneof![Just("name"), Just("uri"), Just("x"), Just("ur\\u0069")],
        name in r#"([a-zé]|\\u00[0-7][0-9a-f]|\\n){0,5}"#,
        at in any::<prop::sample::Index>(), byte in any::<u8>(), mutate in any::<bool>(),
    ) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{key}":"{name}","{second}":"z"}}}}"#);
        let mut body = text.into_bytes();
        if mutate {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(message) = read(&body, None) {
            let theirs: serde_json::Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(theirs["method"].as_str(), Some(message.operation.method.as_str()));
            for target in &message.operation.targets {
                let key = if matches!(target, Target::Resource(_)) { "uri" } else { "name" };
                prop_assert_eq!(theirs["params"][key].as_str(), Some(target.name()));
            }
        }
    }
}
