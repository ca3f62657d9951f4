//! What is asked is what a policy here is told, what is answered means the same, and nobody is answered with what was said to
//! another.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::head::PeerCertificate;
use crate::identity::principal::Identity;
use crate::policy::pattern::Pattern;

fn someone(subject: &str) -> Principal {
    Principal::Authenticated(Arc::new(Identity {
        scopes: vec!["mcp:read".into()],
        roles: vec!["operator".into()],
        client: Some("c1".into()),
        ..Identity::named("https://as", subject)
    }))
}

fn shown() -> PeerCertificate {
    PeerCertificate::new(Some("spiffe://e/agent".into()), None, Some("CN=agent".into())).unwrap()
}

fn with_certificate(subject: &str) -> Principal {
    let identity = Identity { certificate: Some(shown()), ..Identity::named("https://as", subject) };
    Principal::Authenticated(Arc::new(identity))
}

fn labels(key: &str, value: &str) -> Labels {
    Labels::from([(key.to_owned(), value.to_owned())])
}

fn terms() -> Terms {
    Terms {
        server: "demo".to_owned(),
        labels: labels("env", "production"),
        tools: vec![ToolLabels {
            names: vec![Pattern::parse("run_*").unwrap()],
            labels: labels("risk", "high"),
        }],
        argument_bytes: Some(64),
        headers: vec!["x-team".to_owned()],
        source: true,
        time: true,
        remember: Duration::ZERO,
        words: BTreeSet::from(["because".to_owned()]),
        obligable: Obligable { redact: vec!["mails".to_owned()], limit: vec!["exports".to_owned()] },
    }
}

fn opa(terms: Terms) -> Opa {
    let place = Destination {
        cluster: "opa".to_owned(),
        authority: "opa".to_owned(),
        path: "/v1/data/mcp/authz/allow".to_owned(),
        timeout: Duration::from_millis(500),
    };
    Opa::new(place, terms)
}

/// A Sunday, half past nine in the evening.
const NOW: u64 = 1_795_987_800;

fn around<'a>(arguments: Option<&'a [u8]>, headers: &'a [(String, String)]) -> Circumstances<'a> {
    Circumstances {
        arguments,
        headers: Some(headers),
        source: Some("10.0.0.7:4711"),
        now: Timestamp::from_secs(NOW),
    }
}

fn of(method: &str, targets: Vec<Target>) -> Operation {
    Operation { method: method.to_owned(), targets }
}

fn call() -> Operation {
    of("tools/call", vec![Target::Tool("run_query".to_owned())])
}

fn asked(opa: &Opa, who: &Principal, arguments: &str) -> Question {
    let questions = opa.questions(who, &call(), &around(Some(arguments.as_bytes()), &[])).unwrap();
    questions.into_iter().next().unwrap()
}

#[cfg(feature = "rego")]
#[test]
fn an_opa_is_told_what_a_policy_here_is_told() {
    use crate::policy::rego::input::{Frame, Subject, principal};
    use crate::policy::rego::reads::Reads;
    let terms = terms();
    let setting = crate::policy::rego::Setting {
        server: terms.server.clone(),
        labels: terms.labels.clone(),
        tools: terms.tools.clone(),
        argument_bytes: 64,
        instructions: 100,
        obligable: Obligable::default(),
    };
    let frame = Frame::new(&setting);
    let reads = Reads { arguments: vec![vec![]], headers: terms.headers.clone(), source: true, time: true };
    let headers = [("x-team".to_owned(), "blue".to_owned())];
    let arguments = r#"{"n":12345678901234567890.50,"t":["a",null]}"#;
    let opa = opa(terms);
    for (who, method, target, subject) in [
        (someone("alice"), "tools/call", Some(Target::Tool("run_query".into())), Subject::Tool("run_query")),
        (someone("b"), "tools/call", Some(Target::Tool("get".into())), Subject::Tool("get")),
        (someone("b"), "prompts/get", Some(Target::Prompt("daily".into())), Subject::Prompt("daily")),
        (
            Principal::Anonymous,
            "resources/read",
            Some(Target::Resource("x:a".into())),
            Subject::Resource("x:a"),
        ),
        (
            Principal::Certified(Arc::new(shown())),
            "tools/call",
            Some(Target::Tool("get".into())),
            Subject::Tool("get"),
        ),
        (with_certificate("c"), "tools/call", Some(Target::Tool("get".into())), Subject::Tool("get")),
        (someone("b"), "tasks/get", Some(Target::Task("t1".into())), Subject::Task("t1")),
        (someone("b"), "logging/setLevel", None, Subject::Nothing),
    ] {
        let mut members = frame.stable(principal(&who), method, &subject, &setting);
        let here = crate::policy::rego::narrow::Circumstances {
            picked: &crate::policy::rego::Picked::default(),
            headers: Some(&headers),
            source: Some("10.0.0.7:4711"),
            now: Timestamp::from_secs(NOW),
        };
        let value = crate::policy::rego::arguments::value_of(arguments).unwrap();
        frame.add_circumstances(&mut members, &reads, value, &headers, &here);
        let told = regorus::Value::from(members);
        let operation = of(method, target.into_iter().collect());
        let questions =
            opa.questions(&who, &operation, &around(Some(arguments.as_bytes()), &headers)).unwrap();
        let [question] = questions.as_slice() else { panic!("one thing, one question") };
        let sent = crate::policy::rego::arguments::value_of(std::str::from_utf8(&question.body).unwrap());
        assert_eq!(sent.unwrap()["input"], told, "{method}");
    }
}

#[test]
fn it_is_told_no_more_than_the_terms_say() {
    let silent = Terms { argument_bytes: None, headers: Vec::new(), source: false, time: false, ..terms() };
    let opa = opa(silent);
    let headers = [("x-team".to_owned(), "blue".to_owned())];
    let questions =
        opa.questions(&someone("a"), &call(), &around(Some(br#"{"secret":"hunter2"}"#), &headers)).unwrap();
    let sent: Value = serde_json::from_slice(&questions[0].body).unwrap();
    let keys: Vec<&String> = sent["input"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["method", "principal", "server", "tool", "version"]);
    assert!(!format!("{questions:?}").contains("alice"));
}

#[test]
fn what_it_answers_means_what_a_policy_here_would_mean() {
    let opa = opa(terms());
    let question = asked(&opa, &someone("a"), "{}");
    let read = |answer: Option<&str>| {
        opa.read(&question, answer.map(str::as_bytes), &someone("a"), Timestamp::from_secs(NOW))
    };
    let challenge = Outcome::Challenge(vec!["mcp:write".to_owned()]);
    for (answer, outcome) in [
        (Some(r#"{"result": true}"#), Outcome::Allow),
        (Some(r#"{"decision_id": "x", "result": true, "metrics": {}}"#), Outcome::Allow),
        (Some(r#"{"result": false}"#), Outcome::Deny),
        (Some("{}"), Outcome::Deny),
        (Some(r#"{"warning": {"code": "api_usage_warning"}}"#), Outcome::Deny),
        (Some(r#"{"result": {"allow": true, "obligations": {"scopes": ["mcp:write"]}}}"#), challenge),
        (Some(r#"{"result": {"allow": true, "obligations": {"redact": ["mails"]}}}"#), Outcome::Allow),
        (Some(r#"{"result": {"allow": true, "obligations": {"redact": ["other"]}}}"#), Outcome::Failed),
        (Some(r#"{"result": {"allow": true, "then": 1}}"#), Outcome::Failed),
        (Some(r#"{"result": "true"}"#), Outcome::Failed),
        (Some(r#"{"result": null}"#), Outcome::Failed),
        (Some(r#"{"result": true, "result": true}"#), Outcome::Failed),
        (Some(r#"{"result": true"#), Outcome::Failed),
        (Some("true"), Outcome::Failed),
        (Some(""), Outcome::Failed),
        (None, Outcome::Failed),
    ] {
        assert_eq!(read(answer).outcome, outcome, "{answer:?}");
    }
    let ruling = read(Some(r#"{"result": {"allow": false, "reasons": ["because", "alice's secret"]}}"#));
    assert_eq!(ruling.reasons, ["because", "(computed)"], "only what the configuration has");
}

#[test]
fn an_answer_counts_for_its_question_and_for_as_long_as_is_said() {
    let opa = opa(Terms { time: false, remember: Duration::from_secs(10), ..terms() });
    let question = asked(&opa, &someone("alice"), r#"{"n":1}"#);
    let at = |seconds: u64| Timestamp::from_secs(NOW + seconds);
    assert_eq!(opa.recall(&question, at(0)), None);
    opa.read(&question, Some(br#"{"result": true}"#), &someone("alice"), at(0));
    assert_eq!(opa.recall(&question, at(9)).map(|r| r.outcome), Some(Outcome::Allow));
    assert_eq!(opa.recall(&question, at(10)), None);
    assert_eq!(opa.recall(&question, Timestamp::from_secs(NOW - 1)), None, "a clock that was set back");
    for (who, arguments) in [("bob", r#"{"n":1}"#), ("alice", r#"{"n":2}"#), ("alice", "{}")] {
        assert_eq!(opa.recall(&asked(&opa, &someone(who), arguments), at(1)), None, "{who} {arguments}");
    }
    opa.read(&question, None, &someone("alice"), at(20));
    opa.read(&question, Some(b"?"), &someone("alice"), at(20));
    assert_eq!(opa.recall(&question, at(20)), None, "a failure is not remembered");
}

#[test]
fn what_cannot_be_asked_is_denied() {
    let opa = opa(terms());
    let who = someone("a");
    let large = json!({"x": "y".repeat(100)}).to_string();
    let said = |operation: &Operation, around: &Circumstances<'_>| {
        opa.questions(&who, operation, around).map(|questions| questions.len())
    };
    assert_eq!(said(&call(), &around(None, &[])), Ok(1), "no arguments are an empty object");
    assert_eq!(said(&of("tools/list", vec![]), &around(None, &[])), Ok(0));
    assert_eq!(said(&of("acme/run", vec![]), &around(None, &[])), Ok(1));
    let resources = |n: usize| (0..n).map(|n| Target::Resource(format!("x:{n}"))).collect::<Vec<_>>();
    assert_eq!(said(&of("subscriptions/listen", resources(16)), &around(None, &[])), Ok(16));
    let many = said(&of("subscriptions/listen", resources(17)), &around(None, &[])).unwrap_err();
    assert_eq!((many.outcome, many.why), (Outcome::Failed, "too many things at once"));
    let much = said(&call(), &around(Some(large.as_bytes()), &[])).unwrap_err();
    assert_eq!((much.outcome, much.why), (Outcome::Failed, "more arguments than the policy may be given"));
    let twice = Circumstances { headers: None, ..around(None, &[]) };
    assert_eq!(said(&call(), &twice).unwrap_err().outcome, Outcome::Failed);
    assert_eq!(said(&call(), &around(Some(b"[1]"), &[])).unwrap_err().why, "an input that is no JSON");
    let no_form = of("resources/read", vec![Target::Resource("no uri".into())]);
    assert_eq!(said(&no_form, &around(None, &[])).unwrap_err().outcome, Outcome::Deny);
}
