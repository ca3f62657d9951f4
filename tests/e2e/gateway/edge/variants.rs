//! Does Envoy take whatever can be drawn? `--mode validate` on each variant; what it does with them, the other tests say.

use std::path::Path;
use std::process::Command;

use wicketgate_e2e::{files, layout};

use super::stage::{Drawn, draw, envoy_minor, server};

const PLAIN: &str = "{address: \"127.0.0.1:3001\"}";
const CERTIFICATES: &str = "certificates: [{chain: a.crt, key: a.key}, {chain: b.crt, key: b.key}]";

fn variants() -> Vec<(&'static str, Drawn)> {
    let plain = |more: &[&str]| Drawn::of(&server("notes", "/notes", PLAIN, more));
    let upstream = |upstream: &str| Drawn::of(&server("notes", "/notes", upstream, &[]));
    let listen = |listen: &str| Drawn { listen: format!(", {listen}"), ..plain(&[]) };
    let edge = |edge: &str| Drawn { edge: format!("  {edge}\n"), ..plain(&[]) };
    let tls = "tls: {roots: ca.pem, revoked: crl.pem, names: [\"*.internal\", \"spiffe://a/b\", \"10.0.0.1\"], chain: o.crt, key: o.key}";
    vec![
        ("least", plain(&[])),
        ("pages", plain(&["origins: [\"https://app.example.com\"]"])),
        ("hosts", plain(&["match: {hosts: [\"a.example\", \"b.example:8443\", \"[::1]\"], path: /}"])),
        ("TLS", listen(&format!("tls: {{{CERTIFICATES}, minimum: \"1.3\"}}"))),
        ("HTTP/3", listen(&format!("tls: {{{CERTIFICATES}, http3: true}}"))),
        (
            "HTTP/3 with clients",
            listen(&format!("tls: {{{CERTIFICATES}, http3: true, clients: {{roots: ca.pem}}}}")),
        ),
        ("clients of any name", listen(&format!("tls: {{{CERTIFICATES}, clients: {{roots: ca.pem}}}}"))),
        (
            "clients",
            listen(&format!(
                "tls: {{{CERTIFICATES}, clients: {{roots: ca.pem, revoked: crl.pem, names: [a.example]}}}}"
            )),
        ),
        ("proxies", listen("trusted_hops: 2, proxy_protocol: true")),
        (
            "limits",
            edge("limits: {connections: 9, streams: 9, buffer: 64MiB, memory: 1GiB, oauth: {rate: 1/s}}"),
        ),
        ("times", edge("times: {headers: 1s, request: 2s, silence: 3s, connection: 4s, drain: 5s}")),
        (
            "sidecar",
            edge(&format!("authorization_server: {{public: \"a:9000\", internal: \"[::1]:9001\", {tls}}}")),
        ),
        ("secret", plain(&["credential: {static: {file: a.key, header: x-api-key, prefix: \"Key \"}}"])),
        ("traces", edge(&format!("traces: {{collector: \"otel.internal:4318\", {tls}, sample: 5}}"))),
        ("clusters", edge(&format!("clusters: [{{name: idp, address: \"idp.example.com:443\", {tls}}}]"))),
        (
            "several",
            upstream("{addresses: [\"10.0.0.1:1\", \"[::1]:2\", \"a.internal:3\"], balancing: random}"),
        ),
        ("session", upstream("{addresses: [\"10.0.0.1:1\", \"a:3\"], affinity: session, protocol: http2}")),
        (
            "source",
            upstream("{addresses: [\"10.0.0.1:1\", \"a:3\"], affinity: source, balancing: ring_hash}"),
        ),
        ("server in TLS", upstream(&format!("{{address: \"a.internal:443\", {tls}, path: /}}"))),
        (
            "watched over",
            upstream(
                "{address: \"a:1\", ejection: {}, health: {}, retries: 5, connections: 1, idle: 1s, connect: 100ms}",
            ),
        ),
        (
            "branches",
            Drawn::of(&server(
                "notes",
                "/notes",
                &format!(
                    "{{address: \"127.0.0.1:3001\", retries: 1, branches: [{{name: heavy, upstream: {{address: \"127.0.0.1:3002\", \
                     path: /heavy}}}}, {{name: far, upstream: {{addresses: [\"a.internal:443\", \"b.internal:443\"], {tls}, retries: \
                     2}}}}]}}"
                ),
                &[
                    "dispatch: [{tools: [\"run_*\"], branch: heavy, begins: 1s}, {methods: [\"prompts/*\"], branch: far}]",
                ],
            )),
        ),
        (
            "egress",
            Drawn {
                edge: "  egress: {hosts: [\"*.partner.example\"]}\n".to_owned(),
                ..upstream("{address: \"mcp.partner.example:443\", tls: {roots: ca.pem}}")
            },
        ),
        (
            "asked",
            upstream(
                "{address: \"a:1\", health: {path: /healthz, every: 1s, timeout: 500ms, ill: 1, well: 1}, host: keep}",
            ),
        ),
    ]
}

#[test]
fn envoy_takes_whatever_can_be_drawn() {
    let envoy = layout::obtain("envoy").unwrap();
    let minor = envoy_minor();
    for (name, drawn) in variants() {
        // What `render --envoy-version` refuses.
        if (name == "traces" && minor < 38) || (name == "HTTP/3 with clients" && minor < 40) {
            continue;
        }
        for xds in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let state = folder.path().to_owned();
            draw(&state, [18_080, 18_081], &Drawn { xds, ..drawn.clone() });
            assert_eq!(faults(&envoy, &state), None, "{name}, xds: {xds}");
        }
    }
}

/// What Envoy has against the configuration in this folder; that files of certificates and secrets are not there is no fault.
pub(super) fn faults(envoy: &Path, state: &Path) -> Option<String> {
    files::write_private(&state.join("filter.yaml"), "resources: []\n").unwrap();
    let output = Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warning", "--config-path"])
        .arg(state.join("envoy.yaml"))
        .current_dir(state)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Some(said);
    }
    let wrong = |line: &&str| {
        let line = line.to_lowercase();
        let absent = line.contains("invalid path") || line.contains("invalid file path a.key");
        (line.contains("rejected") && !absent) || line.contains("deprecated")
    };
    said.lines().find(wrong).map(str::to_owned)
}

/// Without `hold_headers` a buffer filter keeps what left ours.
#[test]
fn what_is_not_held_is_buffered() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_owned();
    let drawn = Drawn {
        hold: false,
        ..Drawn::of(&server("notes", "/notes", PLAIN, &["limits: {request_bytes: 64KiB}"]))
    };
    draw(&state, [18_080, 18_081], &drawn);
    let text = files::read(&state.join("envoy.yaml")).unwrap();
    let (ours, buffer, router) = (
        text.find("- name: wicketgate\n"),
        text.find("max_request_bytes: 65536\n"),
        text.find("filters.http.router\n"),
    );
    assert!(ours.is_some() && ours < buffer && buffer < router, "{text}");
}
