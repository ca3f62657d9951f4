//! Cases kept as data: what a request body is read as, and how a bad one is refused.

use serde::Deserialize;
use wicketgate_core::mcp::jsonrpc::{self, MessageKind};
use wicketgate_core::mcp::versions::Revision;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    note: String,
    body: String,
    revision: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Expect {
    Denied {
        denied: String,
        id: Option<String>,
        detail: Option<String>,
    },
    Read {
        kind: String,
        id: Option<String>,
        method: String,
        targets: Vec<(String, String)>,
        arguments: Option<String>,
        meta_version: Option<String>,
        requested_version: Option<String>,
    },
}

#[test]
fn every_case_reads_as_its_line_says() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("corpus/jsonrpc.json")).unwrap();
    assert!(cases.len() > 100, "the corpus is whole");
    for case in cases {
        let revision = case.revision.as_deref().map(|text| Revision::parse(text).unwrap());
        let read = jsonrpc::read(case.body.as_bytes(), revision);
        let note = format!("{}: {}", case.note, case.body);
        match case.expect {
            Expect::Denied { denied, id, detail } => {
                let refused = read.expect_err(&note);
                assert_eq!(refused.denial.reason(), denied, "{note}");
                assert_eq!(refused.id.map(|id| id.to_string()), id, "{note}");
                if detail.is_some() {
                    assert_eq!(refused.denial.detail(), detail.as_deref(), "{note}");
                }
            }
            Expect::Read { kind, id, method, targets, arguments, meta_version, requested_version } => {
                let message = read.unwrap_or_else(|refused| panic!("{note}: {refused:?}"));
                assert_eq!(spelt(message.kind), kind, "{note}");
                assert_eq!(message.id.map(|id| id.to_string()), id, "{note}");
                assert_eq!(message.operation.method, method, "{note}");
                let named = message.operation.targets.iter();
                let named: Vec<_> = named.map(|t| (t.kind().to_owned(), t.name().to_owned())).collect();
                assert_eq!(named, targets, "{note}");
                assert_eq!(message.meta_version, meta_version, "{note}");
                assert_eq!(message.requested_version, requested_version, "{note}");
                if let Some(arguments) = arguments {
                    assert_eq!(case.body.get(message.arguments.unwrap()), Some(arguments.as_str()), "{note}");
                }
            }
        }
    }
}

fn spelt(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Request => "request",
        MessageKind::Notification => "notification",
        MessageKind::Response => "response",
    }
}
