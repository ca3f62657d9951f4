//! The binary as people start it.
#![expect(clippy::unwrap_used, reason = "what these tests stand on fails by panicking")]

#[path = "command_line/listeners.rs"]
mod listeners;
#[path = "command_line/stores.rs"]
mod stores;
#[path = "command_line/traces.rs"]
mod traces;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use wicketgate_auth::idp::password;

const DEADLINE: Duration = Duration::from_secs(30);

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wicketgate-auth"))
}

fn run(arguments: &[&str], input: &str) -> Output {
    let piped = || Stdio::piped();
    let mut child = binary().args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Writes a configuration with a key and a user into `folder`.
fn configure(folder: &Path) -> PathBuf {
    std::fs::write(folder.join("data.key"), run(&["generate-key"], "").stdout).unwrap();
    std::fs::write(folder.join("alice.password"), "wonderland\n").unwrap();
    let config = r"
issuer: http://127.0.0.1:8080
listen: {public: 127.0.0.1:0, internal: 127.0.0.1:0, admin: 127.0.0.1:0, metrics: 127.0.0.1:0}
addresses_file: FOLDER/run/addresses.json
store: {embedded: {path: FOLDER/run/auth.redb}}
resources: [{url: 'http://127.0.0.1:8080/mcp', scopes: [mcp:read]}]
data_key: {file: FOLDER/data.key}
users: [{name: alice, password: {file: FOLDER/alice.password}}]
";
    let path = folder.join("auth.yaml");
    std::fs::write(&path, config.replace("FOLDER", folder.to_str().unwrap())).unwrap();
    path
}

fn poll<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

/// Ends what a failed test would leave behind.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn serve_until_listening(folder: &Path, config: &Path) -> Served {
    listening(folder, binary().args(["serve", "--config", config.to_str().unwrap()]))
}

fn listening(folder: &Path, command: &mut Command) -> Served {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let (served, file) = (Served(command.stderr(log).spawn().unwrap()), folder.join("run/addresses.json"));
    poll("the addresses file", || file.exists().then_some(()));
    served
}

fn terminate(served: &mut Served) {
    let pid = served.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = poll("the end", || served.0.try_wait().unwrap());
    assert!(status.success(), "{status:?}");
}

#[test]
fn check_says_what_would_be_served_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let output = run(&["check", "--config", path.to_str().unwrap(), "--json"], "");
    assert!(output.status.success(), "{output:?}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["issuer"], &shown["listen"]["public"]),
        (&"http://127.0.0.1:8080".into(), &"127.0.0.1:0".into())
    );
    let output = run(&["check", "--config", path.to_str().unwrap()], "");
    assert!(text(&output.stdout).starts_with("ok\n") && !text(&output.stdout).contains("wonderland"));
}

#[test]
fn the_environment_overrides_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let check = |value: &str| {
        let mut command = binary();
        command.args(["check", "--config", path.to_str().unwrap(), "--json"]);
        command.env("WICKETGATE_AUTH__LISTEN__PUBLIC", value).output().unwrap()
    };
    let shown: serde_json::Value = serde_json::from_slice(&check("127.0.0.1:9").stdout).unwrap();
    assert_eq!(shown["listen"]["public"], "127.0.0.1:9");
    let output = check("nowhere");
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("listen.public: ") && message.contains("set by WICKETGATE_AUTH__"), "{message}");
}

#[test]
fn a_refused_configuration_names_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let broken = std::fs::read_to_string(&path).unwrap().replace("name: alice", "nam: alice");
    std::fs::write(&path, broken).unwrap();
    for command in ["check", "serve"] {
        let output = run(&[command, "--config", path.to_str().unwrap()], "");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("users[0]"), "{output:?}");
    }
    assert!(!folder.path().join("run").exists(), "a bad input changes nothing");
    assert_eq!(run(&["check", "--config", "nowhere.yaml"], "").status.code(), Some(1));
    assert_eq!(run(&["check"], "").status.code(), Some(2));
}

#[test]
fn a_printed_hash_lets_its_password_in() {
    let output = run(&["hash-password"], "wonderland\n");
    let phc = text(&output.stdout).trim().to_owned();
    assert!(password::matches("wonderland", &phc, &mut password::Workspace::default()));
    assert_eq!(run(&["hash-password"], "\n").status.code(), Some(2));
}

#[test]
fn another_data_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let mut served = serve_until_listening(folder.path(), &path);
    terminate(&mut served);
    std::fs::write(folder.path().join("data.key"), run(&["generate-key"], "").stdout).unwrap();
    let output = run(&["serve", "--config", path.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("another data_key"), "{output:?}");
}

#[test]
fn serve_listens_refuses_a_second_one_and_ends_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = configure(folder.path());
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut served =
        Served(binary().args(["serve", "--config", path.to_str().unwrap()]).stderr(log).spawn().unwrap());
    let file = folder.path().join("run/addresses.json");
    let addresses: serde_json::Value =
        poll("the addresses file", || serde_json::from_slice(&std::fs::read(&file).ok()?).ok());
    for listener in ["public", "internal", "admin", "metrics"] {
        std::net::TcpStream::connect(addresses.get(listener).unwrap().as_str().unwrap()).unwrap();
    }

    let second = run(&["serve", "--config", path.to_str().unwrap()], "");
    assert_eq!(second.status.code(), Some(2));
    assert!(text(&second.stderr).contains("in use by another process"), "{second:?}");

    terminate(&mut served);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string(), "{line}");
    }
    assert!(log.contains("\"event\":\"listening\"") && !log.contains("wonderland"), "{log}");
}

#[test]
fn a_running_server_reads_its_configuration_anew() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path());
    let [audit, moved] = ["audit.jsonl", "audit.jsonl.1"].map(|name| folder.path().join(name));
    let text = std::fs::read_to_string(&config).unwrap();
    let text = format!("{text}audit: {{file: {}}}\n", audit.display());
    std::fs::write(&config, &text).unwrap();
    let mut served = serve_until_listening(folder.path(), &config);
    let reload = |text: &str, wanted: &str| {
        std::fs::write(&config, text).unwrap();
        std::fs::rename(&audit, &moved).unwrap();
        let pid = served.0.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        let recorded = || std::fs::read_to_string(&audit).ok().filter(|text| text.contains(wanted));
        poll(wanted, recorded)
    };
    let recorded = reload(&text.replace("name: alice", "nam: alice"), "\"event\":\"config_refused\"");
    assert!(recorded.contains("users[0]"), "{recorded}");
    let recorded = reload(&text.replace("name: alice", "name: bob"), "\"event\":\"config_reloaded\"");
    assert_eq!(recorded.lines().count(), 1, "{recorded}");
    assert!(std::fs::read_to_string(&moved).unwrap().contains("config_refused"));
    terminate(&mut served);
}

#[test]
fn keys_of_a_running_server_are_listed_and_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path());
    let config_path = config.to_str().unwrap();
    let nobody = run(&["key", "list", "--config", config_path], "");
    assert_eq!(nobody.status.code(), Some(2), "no server runs");
    assert!(text(&nobody.stderr).contains("listen.admin"), "{}", text(&nobody.stderr));

    let mut served = serve_until_listening(folder.path(), &config);
    let keys = |arguments: &[&str]| {
        let output = run(&[arguments, &["--config", config_path, "--json"]].concat(), "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let keys = answer.get("keys").unwrap().as_array().unwrap().clone();
        keys.iter().map(|key| key.get("state").unwrap().as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(keys(&["key", "list"]), ["active", "active"]);
    assert_eq!(keys(&["key", "rotate"]), ["active", "active", "next", "next"]);
    assert_eq!(keys(&["key", "rotate", "--now"]), ["retired", "retired", "active", "active"]);
    let shown = run(&["key", "list", "--config", config_path], "");
    let shown = text(&shown.stdout);
    assert!(shown.starts_with("KID ") && shown.lines().count() == 5, "{shown}");
    terminate(&mut served);
}

/// A running server and its configuration.
struct Server {
    folder: tempfile::TempDir,
    config: PathBuf,
    _served: Served,
}

impl Server {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = configure(folder.path());
        std::fs::write(folder.path().join("admin.token"), "a-token-of-some-length\n").unwrap();
        let yaml = std::fs::read_to_string(&config).unwrap() + more;
        std::fs::write(&config, yaml.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        let served = serve_until_listening(folder.path(), &config);
        Self { folder, config, _served: served }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        run(&[arguments, &["--config", self.config.to_str().unwrap()]].concat(), input)
    }

    /// What a command prints as JSON.
    fn json(&self, arguments: &[&str], input: &str) -> serde_json::Value {
        let output = self.run(&[arguments, &["--json"]].concat(), input);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a command prints for people.
    fn shown(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What a command says that is refused.
    fn refused(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        text(&output.stderr)
    }

    fn address(&self, listener: &str) -> String {
        let file = std::fs::read(self.folder.path().join("run/addresses.json")).unwrap();
        let addresses: serde_json::Value = serde_json::from_slice(&file).unwrap();
        addresses.get(listener).unwrap().as_str().unwrap().to_owned()
    }

    /// An access token of this client in its own name.
    fn token(&self, id: &str, secret: &str) -> String {
        let url = format!("http://{}/token", self.address("public"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.post(url).basic_auth(id, Some(secret));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            request.body("grant_type=client_credentials").send().await.unwrap().text().await.unwrap()
        });
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer.get("access_token").unwrap().as_str().unwrap().to_owned()
    }
}

#[test]
fn clients_are_made_shown_and_deleted() {
    let server = Server::start("");
    let create =
        ["client", "create", "--id", "app", "--name", "An app", "--redirect-uri", "https://app.example/cb"];
    let made = server.json(&create, "");
    let secret = made["client_secret"].as_str().unwrap();
    assert!(secret.starts_with("ms_") && made["client"]["client_id"] == "app", "{made}");
    let taken = server.refused(&create, "");
    assert!(taken.contains("409") && taken.contains("this id is taken"), "{taken}");
    let wrong = server.refused(&["client", "create", "--redirect-uri", "http://app.example/cb"], "");
    assert!(wrong.contains("client.redirect_uris[0]") && wrong.contains("loopback"), "{wrong}");

    let listed = server.shown(&["client", "list"], "");
    assert!(listed.starts_with("CLIENT_ID  SOURCE") && listed.contains("\napp        operator"), "{listed}");
    assert_eq!(server.json(&["client", "list"], "")["clients"][0], made["client"]);
    let shown = server.shown(&["client", "show", "app"], "");
    assert!(shown.contains("https://app.example/cb") && !shown.contains(secret), "{shown}");
    let rotated = server.shown(&["client", "rotate-secret", "app"], "");
    assert!(rotated.contains("client_secret          ms_") && !rotated.contains(secret), "{rotated}");
    server.shown(&["client", "revoke", "app"], "");
    server.shown(&["client", "delete", "app"], "");
    for command in ["show", "delete", "rotate-secret"] {
        let gone = server.refused(&["client", command, "app"], "");
        assert!(gone.contains("there is no client of this id"), "{command}: {gone}");
    }
}

#[test]
fn tokens_and_users_are_looked_up_and_ended() {
    let server = Server::start("admin: {token: {file: FOLDER/admin.token}}\n");
    let create =
        ["client", "create", "--id", "job", "--grant-type", "client_credentials", "--scope", "mcp:read"];
    let made = server.json(&create, "");
    let token = server.token("job", made["client_secret"].as_str().unwrap());
    let inspected = server.json(&["token", "inspect"], &token);
    assert_eq!((&inspected["active"], &inspected["claims"]["sub"]), (&true.into(), &"job".into()));
    let shown = server.shown(&["token", "inspect"], &format!("{token}\n"));
    assert!(shown.contains("grant.client_id        job") && !shown.contains(&token), "{shown}");
    let ended = server.shown(&["token", "revoke"], &token);
    assert!(ended.contains(inspected["grant"]["grant_id"].as_str().unwrap()), "{ended}");
    assert_eq!(server.json(&["token", "inspect"], &token)["active"], false);
    let unknown = server.refused(&["token", "revoke"], &token);
    assert!(unknown.contains("nothing is known of this token") && !unknown.contains(&token), "{unknown}");
    let unknown = server.refused(&["token", "revoke", "--grant", "AAAAAAAAAAAAAAAAAAAAAA"], "");
    assert!(unknown.contains("there is no grant of this id"), "{unknown}");

    assert_eq!(
        server.json(&["user", "grants", "https://idp.example/x?y#7/8"], "")["grants"],
        serde_json::json!([])
    );
    for command in [["user", "revoke", "alice"], ["user", "reset-throttle", "alice"]] {
        assert_eq!(server.json(&command, ""), serde_json::json!({}), "{command:?}");
    }
    std::fs::write(server.folder.path().join("admin.token"), "another-token-of-some-length").unwrap();
    let stranger = server.refused(&["user", "grants", "alice"], "");
    assert!(stranger.contains("refuses our admin.token"), "{stranger}");
}

#[test]
fn every_command_says_what_it_does() {
    for command in [
        "key list",
        "key rotate",
        "client list",
        "client show",
        "client create",
        "client rotate-secret",
        "client revoke",
        "client delete",
        "user grants",
        "user revoke",
        "user reset-throttle",
        "token inspect",
        "token revoke",
        "healthcheck",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = run(&arguments, "");
        let said = text(&output.stdout);
        assert!(
            output.status.success() && said.contains("--json") && said.contains("--config"),
            "{command}: {said}"
        );
        assert!(!said.starts_with("Usage"), "{command}: {said}");
    }
}
