//! Does Envoy take settings beside each other? Of any two that may stand together, some policy here has both;
//! `--mode validate` on each. One setting alone, with all its values: `variants`.

use wicketgate_e2e::layout;

use super::stage::{Drawn, draw, envoy_minor, server};
use super::variants::faults;

const CERTIFICATES: &str = "certificates: [{chain: a.crt, key: a.key}, {chain: b.crt, key: b.key}]";
const TLS: &str = "tls: {roots: ca.pem, revoked: crl.pem, names: [\"*.internal\"], server_name: a.internal, chain: o.crt, key: o.key}";
const CLIENTS: &str = "clients: {roots: ca.pem, revoked: crl.pem, names: [a.example]}";

/// A server that is not reached in TLS.
const PLAIN: &str = "connect: 100ms";

/// Where a setting stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// A member of `edge.listen`.
    Listen,
    /// A member of `edge`.
    Edge,
    /// A member of the server's `upstream`.
    Upstream,
    /// A member of the server.
    Server,
    /// `hold_headers`, and whether Envoy watches files: what is said decides.
    Way,
}

/// What can be set in one of several ways, the first of which is most often not at all.
struct Setting {
    place: Place,
    ways: Vec<String>,
}

fn settings(minor: u32) -> Vec<Setting> {
    let set = |place, ways: &[&str]| Setting {
        place,
        ways: [""].iter().chain(ways).map(|way| (*way).to_owned()).collect(),
    };
    let listen_tls = |more: &str| format!("tls: {{{CERTIFICATES}{more}}}");
    let mut transports = vec![
        listen_tls(", minimum: \"1.3\""),
        listen_tls(&format!(", {CLIENTS}")),
        listen_tls(", http3: true"),
    ];
    // What `render --envoy-version` refuses for older ones.
    if minor >= 40 {
        transports.push(listen_tls(&format!(", http3: true, {CLIENTS}")));
    }
    let transports: Vec<_> = transports.iter().map(String::as_str).collect();
    let traces = format!("traces: {{collector: \"otel.internal:4318\", {TLS}, sample: 5}}");
    let traces: Vec<_> = if minor >= 38 { vec![traces.as_str()] } else { Vec::new() };
    vec![
        set(Place::Listen, &transports),
        set(Place::Listen, &["trusted_hops: 2"]),
        set(Place::Listen, &["proxy_protocol: true"]),
        set(
            Place::Edge,
            &["limits: {connections: 9, streams: 9, buffer: 64MiB, memory: 1GiB, oauth: {rate: 1/s}}"],
        ),
        set(Place::Edge, &["times: {headers: 1s, request: 2s, silence: 3s, connection: 4s, drain: 5s}"]),
        set(
            Place::Edge,
            &[
                "authorization_server: {public: \"127.0.0.1:9000\", internal: \"127.0.0.1:9001\"}",
                &format!(
                    "authorization_server: {{public: \"a.internal:9000\", internal: \"[::1]:9001\", {TLS}}}"
                ),
            ],
        ),
        set(Place::Edge, &traces),
        set(Place::Edge, &[&format!("clusters: [{{name: idp, address: \"idp.internal:443\", {TLS}}}]")]),
        set(Place::Edge, &["canary: {server: other, every: 30s}"]),
        set(Place::Edge, &["egress: {hosts: [\"*.internal\", a.internal]}"]),
        set(Place::Server, &["match: {hosts: [\"a.example\", \"[::1]\"], path: /notes}"]),
        set(Place::Server, &["origins: [\"https://app.example.com\"]"]),
        set(Place::Server, &["credential: {static: {file: a.key, header: x-api-key}}"]),
        set(Place::Server, &["limits: {request_bytes: 64KiB, principal: {rate: 600/m, burst: 100}}"]),
        set(
            Place::Upstream,
            &[
                "addresses: [\"a.internal:443\", \"b.internal:443\"], balancing: random",
                "addresses: [\"a.internal:443\", \"b.internal:443\"], affinity: session",
                "addresses: [\"a.internal:443\", \"b.internal:443\"], affinity: source, balancing: ring_hash",
            ],
        ),
        Setting { place: Place::Upstream, ways: vec![PLAIN.to_owned(), TLS.to_owned()] },
        set(Place::Upstream, &["protocol: http2"]),
        set(
            Place::Upstream,
            &["health: {}", "health: {path: /healthz, every: 1s, timeout: 500ms, ill: 1, well: 1}"],
        ),
        set(Place::Upstream, &["ejection: {failures: 3}"]),
        set(Place::Upstream, &["retries: 2"]),
        set(Place::Upstream, &["connections: 1, idle: 1s, silence: 9s"]),
        set(Place::Upstream, &["path: /other, host: keep"]),
        set(Place::Upstream, &["params: [Region]"]),
        set(Place::Way, &["dispatch", "buffered"]),
        set(Place::Way, &["watched"]),
    ]
}

/// For each setting, which of its ways.
type Choice = Vec<usize>;

/// What cannot be drawn together, by what either way holds; the compiler says so, each with a sentence
/// (`filter/cli/tests/refusals`).
const EXCLUDED: [(&str, &str); 6] = [
    ("canary", "proxy_protocol"),
    ("canary", "clients:"),
    ("http3: true", "proxy_protocol"),
    ("egress", PLAIN),
    ("dispatch", "buffered"),
    ("dispatch", "affinity: session"),
];

fn excluded(one: &str, other: &str) -> bool {
    let both = |one: &str, other: &str| {
        EXCLUDED.iter().any(|(first, second)| one.contains(first) && other.contains(second))
    };
    both(one, other) || both(other, one)
}

/// Policies that have every two ways of two settings together which are not excluded: whoever brings most that no
/// policy had yet is chosen next, setting by setting.
fn choices(settings: &[Setting]) -> Vec<Choice> {
    let way = |setting: usize, way: usize| settings[setting].ways[way].as_str();
    let mut open: Vec<[(usize, usize); 2]> = Vec::new();
    for first in 0..settings.len() {
        for second in first + 1..settings.len() {
            for one in 0..settings[first].ways.len() {
                for other in 0..settings[second].ways.len() {
                    if !excluded(way(first, one), way(second, other)) {
                        open.push([(first, one), (second, other)]);
                    }
                }
            }
        }
    }
    let mut chosen = Vec::new();
    while let Some(seed) = open.first().copied() {
        let mut taken: Vec<Option<usize>> = vec![None; settings.len()];
        seed.iter().for_each(|(setting, way)| taken[*setting] = Some(*way));
        for setting in 0..settings.len() {
            if taken[setting].is_some() {
                continue;
            }
            let has = |taken: &[Option<usize>], (at, way): (usize, usize)| taken[at] == Some(way);
            let worth = |candidate: usize| {
                let mut with = taken.clone();
                with[setting] = Some(candidate);
                open.iter().filter(|pair| pair.iter().all(|one| has(&with, *one))).count()
            };
            let fits = |candidate: &usize| {
                let others = taken.iter().enumerate().filter_map(|(at, way)| Some((at, (*way)?)));
                others.into_iter().all(|(at, other)| !excluded(way(setting, *candidate), way(at, other)))
            };
            taken[setting] = (0..settings[setting].ways.len()).filter(fits).max_by_key(|one| worth(*one));
        }
        let choice: Choice = taken.into_iter().map(Option::unwrap).collect();
        open.retain(|pair| !pair.iter().all(|(setting, way)| choice[*setting] == *way));
        chosen.push(choice);
    }
    chosen
}

fn drawn(settings: &[Setting], choice: &Choice) -> Drawn {
    let of = |place: Place| -> Vec<&str> {
        let all = settings.iter().zip(choice);
        all.filter(|(setting, _)| setting.place == place)
            .map(|(setting, way)| setting.ways[*way].as_str())
            .filter(|text| !text.is_empty())
            .collect()
    };
    let ways = of(Place::Way);
    let mut upstream = of(Place::Upstream).join(", ");
    if !upstream.contains("addresses:") {
        upstream = format!("address: \"a.internal:443\", {upstream}");
    }
    let mut lines = of(Place::Server);
    // Parameters are for pages.
    if upstream.contains("params:") && !lines.iter().any(|line| line.starts_with("origins:")) {
        lines.push("origins: [\"https://app.example.com\"]");
    }
    if ways.contains(&"dispatch") {
        upstream.push_str(
            ", branches: [{name: heavy, upstream: {address: \"c.internal:443\", tls: {roots: ca.pem}}}]",
        );
        lines.push("dispatch: [{tools: [\"run_*\"], branch: heavy, begins: 1s}, {methods: [\"prompts/*\"], ends: 5s}]");
    }
    let other = server("other", "/other", &format!("{{address: \"d.internal:443\", {TLS}}}"), &[]);
    // The canary asks where nobody gets in without a token.
    let other = other.replace("who: anonymous", "who: any");
    let issuers = "issuers:\n  - {issuer: \"https://idp.internal\", algorithms: [ES256], jwks: {cluster: auth_internal, path: /v1/jwks}}\n";
    let edge: String = of(Place::Edge).iter().map(|member| format!("  {member}\n")).collect();
    Drawn {
        listen: of(Place::Listen).iter().map(|member| format!(", {member}")).collect(),
        edge: edge + issuers,
        hold: !ways.contains(&"buffered"),
        xds: ways.contains(&"watched"),
        ..Drawn::of(&format!("{}{other}", server("notes", "/notes", &format!("{{{upstream}}}"), &lines)))
    }
}

#[test]
fn envoy_takes_any_two_settings_together() {
    let envoy = layout::obtain("envoy").unwrap();
    let settings = settings(envoy_minor());
    let choices = choices(&settings);
    for choice in &choices {
        let drawn = drawn(&settings, choice);
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), [18_080, 18_081], &drawn);
        assert_eq!(faults(&envoy, folder.path()), None, "of {}: {drawn:?}", choices.len());
    }
}
