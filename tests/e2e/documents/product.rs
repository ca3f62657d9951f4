//! Does `make run` do what is said, beside another one, with each of its variables, and does Ctrl-C stop all of it and
//! nothing else?

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::ready::{Login, Ready};
use wicketgate_e2e::sidecar::{Listeners, Sidecar, User, random_text};
use wicketgate_e2e::upstream::start_sample;
use wicketgate_e2e::{files, layout, policy, ports};

use super::block::Block;
use super::shell::{Running, Shell};

/// A `make run` with a state directory of its own, as `.run` of a reader's.
struct Run {
    state: PathBuf,
    origin: String,
    shell: Shell,
    running: Running,
    ready: Ready,
}

/// The README from its first command to Ctrl-C, and at its side what it says about a server of one's own: there the
/// first run's.
pub(super) async fn first_minutes([run, call, tail, protect, call_by_hand]: [Block; 5]) {
    let mut first = Run::start("documents-run", &run.commands()).await;
    let mcp = first.ready.mcp.clone();
    let mut known = Value::Null;
    for call in [&call, &call_by_hand] {
        let answer = first.shell.run(&call.with(&[("http://127.0.0.1:8080/mcp", &mcp)])).await;
        assert!(answer.contains("incident-42"), "{answer}");
        let tail = tail.with(&[(".run/", &format!("{}/", first.state.display()))]);
        known = first.decision(&tail, &known).await;
        assert_eq!(known["operation"]["targets"][0]["name"], "search_notes", "{known}");
        assert_eq!(known["rule"], "readers", "{known}");
    }

    let (mut sample, upstream) = sample_server("documents-upstream").await;
    let own = sample.state.join("policy.yaml");
    let text = files::read(&policy::sample()).unwrap().replace("- id: readers", "- id: my-readers");
    fs::write(&own, text).unwrap();
    let protect =
        protect.with(&[("http://127.0.0.1:3001/mcp", &upstream), ("policy.yaml", own.to_str().unwrap())]);
    let mut second = Run::start("documents-run-beside", &protect).await;
    let login = second.ready.login.clone().unwrap();
    assert_eq!(second.rule_of_a_call(&login).await, "my-readers");
    assert!(!second.ready.pids.contains_key("upstream"), "{:?}", second.ready);

    first.interrupt().await;
    second.require_answers().await;
    second.interrupt().await;
    sample.service.require_alive().unwrap();
    sample.service.stop().await;
    let _ = fs::remove_dir_all(&sample.state);
}

#[tokio::test]
async fn make_run_takes_a_server_without_a_policy_and_a_configuration_of_the_sidecar() {
    let (mut sample, upstream) = sample_server("documents-own-sidecar").await;
    let port = ports::free().unwrap();
    let origin = format!("http://127.0.0.1:{port}");
    let login = Login { user: "alice".to_owned(), password: random_text(18).unwrap() };
    let user = User { login: login.clone(), groups: Vec::new(), roles: Vec::new() };
    let listeners = Listeners::free(false).unwrap();
    let sidecar =
        Sidecar::generate(&sample.state, &origin, &format!("{origin}/mcp"), listeners, &[user]).unwrap();
    let command = format!("make run UPSTREAM={upstream} AUTH_CONFIG='{}'", sidecar.configuration.display());
    let mut run = Run::start_at(port, "documents-run-own", &command).await;
    assert_eq!(run.ready.login, None);
    assert_eq!(run.rule_of_a_call(&login).await, "everybody");
    let refused = run.shell.end_of("make -s token").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("log in with a client"), "{said}");
    run.interrupt().await;
    sample.service.stop().await;
    let _ = fs::remove_dir_all(&sample.state);
}

#[tokio::test]
async fn make_run_takes_no_configuration_of_the_sidecar_that_its_envoy_could_not_reach() {
    let folder = tempfile::tempdir().unwrap();
    let origin = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let listeners = Listeners::free(false).unwrap();
    let mcp = format!("{origin}/mcp");
    let demo = User::demo(folder.path()).unwrap();
    let sidecar = Sidecar::generate(folder.path(), &origin, &mcp, listeners, &[demo]).unwrap();
    let good = fs::read_to_string(&sidecar.configuration).unwrap();
    let own = rcgen::generate_simple_self_signed(["auth.internal".to_owned()]).unwrap();
    fs::write(folder.path().join("own.pem"), own.cert.pem()).unwrap();
    fs::write(folder.path().join("own.key"), own.signing_key.serialize_pem()).unwrap();
    let (internal, admin) = (format!("\"{}\"", listeners.internal), format!("\"{}\"", listeners.admin));
    let in_tls = format!("{{address: {internal}, tls: {{certificate: ./own.pem, key: ./own.key}}}}")
        .replace("./", &format!("{}/", folder.path().display()));
    for (from, to, sentence) in [
        (&internal, in_tls.as_str(), "has `listen.internal` in TLS: what is started here"),
        (&admin, "127.0.0.1:0", "leaves a port of `listen` to chance (0)"),
        (&admin, "nowhere", "is refused:"),
    ] {
        assert!(good.contains(from));
        fs::write(&sidecar.configuration, good.replace(from, to)).unwrap();
        let refused = Sidecar::from_user(&sidecar.configuration).await.err().unwrap().to_string();
        assert!(refused.starts_with("AUTH_CONFIG=") && refused.contains(sentence), "{refused}");
    }
}

#[tokio::test]
async fn make_run_names_a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let refused = shell(port, directory.path().to_path_buf()).end_of("make run").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    let sentences: Vec<&str> = said.lines().filter(|line| line.starts_with("make run: ")).collect();
    let expected = format!(
        "make run: port {port} on 127.0.0.1 is in use: stop what listens there, or choose another one, as in `make run \
         PORT={}`.",
        port + 1
    );
    assert_eq!(sentences, [expected], "{said}");
    assert!(!Ready::path(directory.path()).exists());
}

// === impl Run ===

impl Run {
    async fn start(name: &str, command: &str) -> Self {
        Self::start_at(ports::free().unwrap(), name, command).await
    }

    async fn start_at(port: u16, name: &str, command: &str) -> Self {
        let state = fresh(&format!("{name}-{port}"));
        let shell = shell(port, state.clone());
        let mut running = shell.start(command, state.join("make.log"));
        let ready = running.until("ready.json", async || Ready::read(&state).ok()).await;
        let origin = format!("http://127.0.0.1:{port}");
        assert_eq!(ready.mcp, format!("{origin}/mcp"));
        let run = Self { state, origin, shell, running, ready };
        run.require_answers().await;
        let said = run.running.said();
        assert!(
            said.contains(&run.ready.mcp) && said.contains("$(make -s token PROFILE=debug STATE="),
            "{said}"
        );
        run
    }

    async fn require_answers(&self) {
        // Not by its status, which each worker gives of itself: one of them may have no keys yet.
        assert_eq!(Http::new().unwrap().get(&self.ready.mcp, &[]).await.unwrap().status, 401);
    }

    /// The decision on a call that the commands show with its completion, as soon as they do and it is not the one
    /// that is known: Envoy writes records a little later.
    async fn decision(&mut self, commands: &str, known: &Value) -> Value {
        let shell = self.shell.clone();
        let shown = async || {
            let text = shell.run(commands).await;
            let records: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let call = records.iter().find(|one| one["operation"]["method"] == "tools/call")?;
            let of_call = |kind: &str| {
                records
                    .iter()
                    .filter(|one| one["request_id"] == call["request_id"] && one["record"] == kind)
                    .count()
            };
            let whole = of_call("decision") == 1 && of_call("completion") == 1;
            (whole && call["request_id"] != known["request_id"]).then(|| call.clone())
        };
        self.running.until("both records of the call are shown", shown).await
    }

    async fn rule_of_a_call(&mut self, login: &Login) -> String {
        let http = Http::new().unwrap();
        let token = oauth::log_in(&http, &self.ready.mcp, login, None).await.unwrap().tokens.access_token;
        let mut client = McpClient::modern(http, &self.ready.mcp, Some(&token));
        client.call_tool("search_notes", json!({"query": "report"})).await.unwrap();
        let tail = format!("tail -n 2 '{}'", self.state.join("audit.jsonl").display());
        self.decision(&tail, &Value::Null).await["rule"].as_str().unwrap().to_owned()
    }

    /// Ctrl-C: all of it ends, and `ready.json` goes.
    async fn interrupt(self) {
        assert!(self.ready.pids.len() >= 4, "{:?}", self.ready);
        assert!(self.ready.pids.values().all(|pid| lives(*pid)), "{:?}", self.ready);
        self.running.interrupt().await;
        for (name, pid) in &self.ready.pids {
            assert!(!lives(*pid), "Ctrl-C leaves {name} behind");
        }
        assert!(!Ready::path(&self.state).exists());
        assert!(Http::new().unwrap().get(&self.origin, &[]).await.is_err(), "nobody listens any more");
        let _ = fs::remove_dir_all(&self.state);
    }
}

/// A sample server that is there already.
struct Sample {
    service: wicketgate_e2e::process::Service,
    state: PathBuf,
}

async fn sample_server(name: &str) -> (Sample, String) {
    let port = ports::free().unwrap();
    let state = fresh(&format!("{name}-{port}"));
    let (mut service, upstream) = start_sample(port, &state).unwrap();
    wicketgate_e2e::world::wait_for("the sample server", Some(&mut service), || async {
        upstream.require_reachable().await.map_err(|failure| failure.0)
    })
    .await
    .unwrap();
    (Sample { service, state }, format!("http://127.0.0.1:{port}/mcp"))
}

/// A terminal in the repository, as of somebody who has set these variables for good.
fn shell(port: u16, state: PathBuf) -> Shell {
    Shell::at("").export("PROFILE", "debug").export("PORT", port.to_string()).export("STATE", state)
}

fn fresh(name: &str) -> PathBuf {
    let state = layout::root().join("target/worlds").join(name);
    let _ = fs::remove_dir_all(&state);
    files::create_directory(&state).unwrap();
    state
}

fn lives(pid: u32) -> bool {
    Pid::from_raw(i32::try_from(pid).unwrap()).is_some_and(|pid| test_kill_process(pid).is_ok())
}
