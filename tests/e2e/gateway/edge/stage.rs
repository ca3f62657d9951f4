//! What do the tests of the edge share? An Envoy that is drawn from one policy, without an authorization server: whoever comes may
//! do everything, so that what is seen is Envoy's doing.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::envoy::{Envoy, substitute};
use wicketgate_e2e::{files, layout, ports};

use super::super::stage::{self as gateway, DEADLINE, Raw, eventually};

/// One drawn Envoy.
pub(super) struct Edge {
    pub(super) envoy: Envoy,
    pub(super) state: PathBuf,
    pub(super) port: u16,
    admin: u16,
}

/// What is drawn: the policy in its parts.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// Members of `edge.listen` besides the address, YAML in flow, each with a comma before it.
    pub(super) listen: String,
    /// Members of `edge`, lines indented by two.
    pub(super) edge: String,
    /// Entries of `servers`.
    pub(super) servers: String,
    /// Whether Envoy watches a folder.
    pub(super) xds: bool,
    /// `hold_headers`.
    pub(super) hold: bool,
    /// What of the drawn file is changed before Envoy is started with it: texts that are there, and those in their place.
    pub(super) edits: Vec<(&'static str, String)>,
}

/// The second number of the version of the Envoy that is tested with, 40 of 1.40.0: what it lacks is refused by
/// `render --envoy-version`, and cannot be tried.
pub(super) fn envoy_minor() -> u32 {
    let output = Command::new(layout::obtain("envoy").unwrap()).arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split('/').find_map(|part| part.strip_prefix("1."));
    version.and_then(|rest| rest.split('.').next()?.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// An entry of `servers` that lets everybody in: its name, path, where it lives (YAML in flow), and more lines.
pub(super) fn server(name: &str, path: &str, upstream: &str, more: &[&str]) -> String {
    let more: String = more.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "  - name: {name}\n    url: http://127.0.0.1:@PORT@{path}\n    upstream: {upstream}\n{more}    rules:\n      - {{id: all, \
         allow: {{who: anonymous, methods: [\"*\"], tools: [\"*\"], resources: [\"*\"], prompts: [\"*\"]}}}}\n"
    )
}

// === impl Drawn ===

impl Drawn {
    pub(super) fn of(servers: &str) -> Self {
        Self {
            listen: String::new(),
            edge: String::new(),
            servers: servers.to_owned(),
            xds: false,
            hold: true,
            edits: Vec::new(),
        }
    }

    /// Each request to a server, or to the authorization server, is a connection of its own: none is sent into one that closes.
    pub(super) fn each_met_anew(mut self) -> Self {
        let kept = "common_http_protocol_options: {idle_timeout: 4s}";
        self.edits.push((kept, kept.replace("4s}", "4s, max_requests_per_connection: 1}")));
        self
    }

    fn policy(&self) -> String {
        let Self { listen, edge, servers, hold, .. } = self;
        format!(
            "version: 1\nhold_headers: {hold}\nedge:\n  listen: {{address: \"127.0.0.1:@PORT@\"{listen}}}\n  admin: \
             \"127.0.0.1:@ADMIN@\"\n  files: {{filter: \"@STATE@/filter.yaml\", audit: \"@STATE@/audit.jsonl\", access: \
             \"@STATE@/access.log\"}}\n{edge}servers:\n{servers}"
        )
    }
}

// === impl Edge ===

impl Edge {
    /// Draws it and starts it; returns when it takes requests.
    pub(super) async fn start(name: &str, drawn: &Drawn) -> Self {
        let (port, admin) = (ports::free().unwrap(), ports::free().unwrap());
        let state = layout::root().join("target/worlds").join(format!("edge-{name}-{port}"));
        let _ = std::fs::remove_dir_all(&state);
        files::create_directory(&state).unwrap();
        Self::start_in(state, [port, admin], drawn).await
    }

    /// The same in a folder that is there already, on these ports.
    pub(super) async fn start_in(state: PathBuf, [port, admin]: [u16; 2], drawn: &Drawn) -> Self {
        let binary = layout::obtain("envoy").unwrap();
        draw(&state, [port, admin], drawn);
        render_filter(&state);
        if !drawn.edits.is_empty() {
            let file = state.join("envoy.yaml");
            let edits: Vec<_> = drawn.edits.iter().map(|(old, new)| (*old, new.clone())).collect();
            let text = substitute(&files::read(&file).unwrap(), &edits).unwrap();
            files::write_private(&file, &text).unwrap();
        }
        let mut envoy = Envoy::drawn(&binary, &state, admin, 2).unwrap();
        let ready = format!("{}/ready", envoy.admin());
        let http = Http::new().unwrap();
        wicketgate_e2e::world::wait_for("Envoy", Some(&mut envoy.service), || async {
            let answer = http.get(&ready, &[]).await.map_err(|failure| failure.0)?;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await
        .unwrap();
        Self { envoy, state, port, admin }
    }

    /// Draws something else into the same place; Envoy sees it if it watches the folder.
    pub(super) fn redraw(&self, drawn: &Drawn) {
        draw(&self.state, [self.port, self.admin], drawn);
    }

    /// A request in plain HTTP, on a connection of its own.
    pub(super) async fn send(&self, line: &str, fields: &[(&str, &str)], body: &str) -> Raw {
        let bytes = request(line, &format!("127.0.0.1:{}", self.port), fields, body);
        gateway::answer_of(self.port, &bytes).await.unwrap_or_else(|| panic!("no answer to {line}"))
    }

    /// A call of a tool at this path.
    pub(super) async fn call(&self, path: &str, fields: &[(&str, &str)]) -> Raw {
        self.send(&format!("POST {path}"), fields, &call().to_string()).await
    }

    /// One counter or gauge; zero where there is none.
    pub(super) async fn stat(&self, name: &str) -> u64 {
        self.envoy.stat(name).await.unwrap().unwrap_or_default()
    }

    /// Waits until a counter or gauge is as it should be.
    pub(super) async fn until(&self, name: &str, right: impl Fn(u64) -> bool) {
        eventually(name, DEADLINE, || async {
            let value = self.stat(name).await;
            if right(value) { Ok(()) } else { Err(value.to_string()) }
        })
        .await;
    }

    /// Stops it and removes what it left: for a test that passed.
    pub(super) async fn discard(mut self) {
        self.envoy.service.stop().await;
        let _ = std::fs::remove_dir_all(self.state);
    }
}

/// A request in bytes, closing afterwards.
pub(super) fn request(line: &str, host: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head =
        format!("{line} HTTP/1.1\r\nconnection: close\r\naccept: application/json, text/event-stream\r\n");
    if !fields.iter().any(|(name, _)| *name == "host") {
        head.push_str(&format!("host: {host}\r\n"));
    }
    fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    if !body.is_empty() {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// A call of a tool.
pub(super) fn call() -> Value {
    gateway::tool_call(5, "get_note", &json!({"id": "ideas"}))
}

/// Has the filter's configuration written for the policy of this folder.
pub(super) fn render_filter(state: &std::path::Path) {
    let rendered = Command::new(layout::binary("wicketgate").unwrap())
        .arg("render")
        .arg(state.join("policy.yaml"))
        .args(["--to", "ecds", "--out"])
        .arg(state.join("filter.yaml"))
        .arg("--wasm")
        .arg(layout::filter_module().unwrap())
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", said(&rendered));
}

/// Writes the policy of `drawn` and has it drawn.
pub(super) fn draw(state: &std::path::Path, ports: [u16; 2], drawn: &Drawn) {
    let output = try_to_draw(state, ports, drawn);
    assert!(output.status.success(), "{}", said(&output));
}

/// The same, whatever comes of it.
pub(super) fn try_to_draw(state: &std::path::Path, [port, admin]: [u16; 2], drawn: &Drawn) -> Output {
    let policy = drawn
        .policy()
        .replace("@PORT@", &port.to_string())
        .replace("@ADMIN@", &admin.to_string())
        .replace("@STATE@", state.to_str().unwrap());
    files::write_private(&state.join("policy.yaml"), &policy).unwrap();
    let mut command = Command::new(layout::binary("wicketgate").unwrap());
    command.args(["render", "envoy"]).arg(state.join("policy.yaml"));
    if drawn.xds {
        command.arg("--xds").arg(state);
    } else {
        command.arg("--out").arg(state.join("envoy.yaml"));
    }
    command.output().unwrap()
}

/// Routes in which somebody switched the filter off for the one of this name.
pub(super) fn without_filter(routes: &str, name: &str) -> String {
    let off = "typed_per_filter_config: {wicketgate: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}";
    let place = format!("- name: {name}\n");
    assert_eq!(routes.matches(&place).count(), 1, "{routes}");
    let line = routes.lines().find(|line| line.ends_with(place.trim_end())).unwrap();
    let indent = " ".repeat(line.find('-').unwrap() + 2);
    routes.replace(&place, &format!("{place}{indent}{off}\n"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
