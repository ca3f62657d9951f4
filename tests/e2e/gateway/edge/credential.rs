//! Does a server get the secret that is meant for it, and never what somebody else puts in its place?

use wicketgate_e2e::files;

use super::super::recorder::Recorder;
use super::super::stage::{self as gateway, DEADLINE, eventually};
use super::stage::{Drawn, Edge, call, request, server};

/// Two servers with a secret each; the first one looks for it in a header of its own.
async fn two(name: &str) -> (Edge, [Recorder; 2]) {
    let all = [Recorder::echo().await, Recorder::echo().await];
    let folder = tempfile::tempdir().unwrap().keep();
    let at = |recorder: &Recorder| format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    let secret = |at: usize, value: &str, more: &str| {
        let file = folder.join(format!("secret-{at}"));
        files::write_private(&file, value).unwrap();
        format!("credential: {{static: {{file: \"{}\"{more}}}}}", file.display())
    };
    let servers = [
        server("keyed", "/keyed", &at(&all[0]), &[&secret(0, "one", ", header: x-api-key")]),
        server("plain", "/plain", &at(&all[1]), &[&secret(1, "two", "")]),
    ];
    let edge = Edge::start(name, &Drawn { listen: String::new(), ..Drawn::of(&servers.concat()) }).await;
    files::write_private(&edge.state.join("folder"), folder.to_str().unwrap()).unwrap();
    (edge, all)
}

/// Moves another secret into the place of a server's.
fn change(edge: &Edge, at: usize, value: &str) {
    let folder = files::read(&edge.state.join("folder")).unwrap();
    files::write_private(&std::path::Path::new(&folder).join(format!("secret-{at}")), value).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_the_secret_that_is_its_own() {
    let (edge, [keyed, plain]) = two("credential").await;
    // What a client says of itself in that place goes no further, in the head or behind the body.
    let said = [("x-api-key", "mine"), ("X-Api-Key", "mine"), ("x-wicketgate-identity", "mine")];
    assert_eq!(edge.call("/keyed", &said).await.status, 200);
    let seen = keyed.take();
    assert_eq!(seen[0].field("x-api-key"), Some("one"), "{seen:?}");
    let head = seen[0].head.to_lowercase();
    assert_eq!(head.matches("x-api-key").count(), 1, "{head}");
    assert!(!head.contains("mine") && !head.contains("authorization"), "{head}");
    let trailing = [("transfer-encoding", "chunked"), ("trailer", "x-api-key")];
    let body = call().to_string();
    let mut bytes = request("POST /keyed", &format!("127.0.0.1:{}", edge.port), &trailing, "");
    bytes.truncate(bytes.len() - 2);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\nx-api-key: mine\r\nx-after: kept\r\n\r\n", body.len());
    bytes.extend(format!("content-type: application/json\r\n\r\n{chunks}").into_bytes());
    assert_eq!(gateway::answer_of(edge.port, &bytes).await.unwrap().status, 200);
    let raw = keyed.raw();
    assert!(
        raw.contains("x-after: kept") && raw.contains("x-api-key: one") && !raw.contains("mine"),
        "{raw}"
    );

    assert_eq!(edge.call("/plain", &said).await.status, 200);
    let seen = plain.take();
    assert_eq!(seen[0].field("authorization"), Some("Bearer two"), "{seen:?}");
    assert!(!seen[0].head.contains("one"), "{seen:?}");
    for shown in ["envoy.yaml", "filter.yaml", "policy.yaml", "audit.jsonl", "access.log"] {
        let text = files::read(&edge.state.join(shown)).unwrap_or_default();
        assert!(!text.contains("Bearer two") && !text.contains("mine"), "{shown}");
    }
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_changes_without_a_restart_and_without_one_nothing_goes_on() {
    let (edge, [keyed, plain]) = two("credential-change").await;
    change(&edge, 0, "three");
    eventually("the new secret is shown", DEADLINE, || async {
        assert_eq!(edge.call("/keyed", &[]).await.status, 200);
        match keyed.take()[0].field("x-api-key") {
            Some("three") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    change(&edge, 0, "");
    eventually("nothing is shown, so nobody is asked", DEADLINE, || async {
        keyed.take();
        match edge.call("/keyed", &[]).await {
            answer if answer.status == 503 => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
    assert!(keyed.take().is_empty());
    let answer = edge.call("/keyed", &[]).await;
    assert_eq!((answer.status, answer.challenges()), (503, false), "not a reason to log in: {answer:?}");
    assert!(keyed.take().is_empty());
    assert!(edge.stat("wasmcustom.wicketgate.decisions_total.unavailable").await > 0);
    assert_eq!(edge.call("/plain", &[]).await.status, 200, "another server has its own");
    assert_eq!(plain.take().len(), 1);
    edge.discard().await;
}

/// What concerns one connection, or only us, ends here; what the client says to the server does not.
#[tokio::test(flavor = "multi_thread")]
async fn fields_of_one_hop_and_of_the_inside_end_here() {
    let (edge, [_, plain]) = two("hops").await;
    let ends = [
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eDp5"),
        ("te", "gzip"),
        ("cookie", "a=b"),
        ("dpop", "x.y.z"),
        ("x-wicketgate-subject", "root"),
        ("x-wicketgate-identity", "a.b.c"),
        ("x-envoy-original-url", "/x"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-http-method-override", "DELETE"),
    ];
    let goes_on = [("x-team", "blue"), ("accept-language", "de")];
    let answer = edge.call("/plain", &[&ends[..], &goes_on[..]].concat()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = plain.take();
    for (name, value) in ends {
        assert_eq!(seen[0].field(name), None, "{name}: {value}: {}", seen[0].head);
    }
    for (name, value) in goes_on {
        assert_eq!(seen[0].field(name), Some(value), "{}", seen[0].head);
    }
    edge.discard().await;
}
