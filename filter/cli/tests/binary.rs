//! Does the binary do what its help says? Every command, flag and exit code, on files of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const POLICY: &str = r#"version: 1
hold_headers: true
issuers:
  - issuer: ${WICKETGATE_URL:-http://127.0.0.1:8080}
    algorithms: [ES256]
    jwks: {cluster: auth_internal, path: /v1/jwks}
servers:
  - name: sample
    url: ${WICKETGATE_URL:-http://127.0.0.1:8080}/mcp
    limits:
      tools: [{names: ["run_*"], rate: 10/m}]
    rules:
      - id: readers
        allow: {who: {scopes: [mcp:read]}, tools: ["search_*"], resources: ["notes://*"], prompts: [daily]}
      - id: never
        deny: {who: any, tools: [search_all]}
"#;

/// A folder of its own for each test, removed at its end.
struct World(PathBuf);

impl World {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let world = Self(folder);
        world.write("policy.yaml", POLICY);
        world
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.0.join(name), text).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(arguments).current_dir(&self.0).env_remove("WICKETGATE_URL");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

#[test]
fn every_command_helps_with_an_example() {
    let world = World::new("help");
    for command in ["check", "explain", "render", "schema"] {
        let ran = world.run(&[command, "--help"]);
        assert_eq!(ran.code, Some(0));
        assert!(
            ran.out.contains(&format!("wicketgate {command}")) && ran.out.contains("Example"),
            "{}",
            ran.out
        );
    }
    let ran = world.run(&["--help"]);
    assert!(ran.out.contains("Exit codes:") && ran.out.contains("${NAME:-default}"), "{}", ran.out);
    assert_eq!(world.run(&["--version"]).code, Some(0));
    for wrong in
        [&["nothing"][..], &[], &["check"], &["render", "policy.yaml"], &["check", "policy.yaml", "--what"]]
    {
        assert_eq!(world.run(wrong).code, Some(2), "{wrong:?}");
    }
}

#[test]
fn check_says_what_a_sound_policy_protects() {
    let world = World::new("check");
    let ran = world.run(&["check", "policy.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("sample: http://127.0.0.1:8080/mcp, 2 rules"), "{}", ran.out);
    let ran = world.run(&["check", "policy.yaml", "--json"]);
    let said = ran.json();
    assert_eq!(said["ok"], json!(true));
    assert_eq!(said["servers"][0]["issuers"], json!(["http://127.0.0.1:8080"]));
    assert_eq!(said["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn warnings_are_told_and_do_not_refuse() {
    let world = World::new("warnings");
    world.write("w.yaml", &POLICY.replace("http://127.0.0.1:8080}/mcp", "http://mcp.example.com}/mcp"));
    let ran = world.run(&["check", "w.yaml"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.starts_with("w.yaml:9:10: warning: servers[0].url: plain http beyond"), "{}", ran.err);
    let said = world.run(&["check", "w.yaml", "--json"]).json();
    assert_eq!(
        (&said["warnings"][0]["line"], &said["warnings"][0]["path"]),
        (&json!(9), &json!("servers[0].url"))
    );
}

#[test]
fn the_environment_fills_references() {
    let world = World::new("environment");
    let mut command = world.command(&["check", "policy.yaml", "--json"]);
    let ran: Ran = command.env("WICKETGATE_URL", "http://localhost:1").output().unwrap().into();
    assert_eq!(ran.json()["servers"][0]["url"], json!("http://localhost:1/mcp"));
    world.write(
        "unset.yaml",
        &POLICY.replace("${WICKETGATE_URL:-http://127.0.0.1:8080}", "${WICKETGATE_NOT_SET}"),
    );
    let ran = world.run(&["check", "unset.yaml"]);
    assert_eq!(ran.code, Some(1));
    let expected = "unset.yaml:4:13: issuers[0].issuer: the environment variable WICKETGATE_NOT_SET is not set, and has \
                    no default here\n";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
}

/// `tests/refusals/*.yaml`: a policy, with what must be said of it in its first comments (`# error: …`).
#[test]
fn refusals_name_line_and_column() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# error: ")).collect();
        assert!(!expected.is_empty(), "{}", path.display());
        let world = World::new(path.file_stem().unwrap().to_str().unwrap());
        let ran = world.write("policy.yaml", &text).run(&["check", "policy.yaml"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", path.display());
        let said: Vec<&str> = ran.err.lines().filter_map(|l| l.strip_prefix("policy.yaml:")).collect();
        let (last, errors) = said.split_last().unwrap();
        assert_eq!(errors, expected, "{}", path.display());
        assert!(last.starts_with(" refused, "), "{last}");
        let errors =
            world.run(&["check", "policy.yaml", "--json"]).json()["errors"].as_array().unwrap().len();
        assert_eq!(errors, expected.len());
        cases += 1;
    }
    assert!(cases >= 8, "{cases}");
}

#[test]
fn files_that_cannot_be_read_or_written_are_code_2() {
    let world = World::new("files");
    world.write("binary.yaml", "").write("request.json", "{");
    std::fs::write(world.0.join("binary.yaml"), [0xff, 0xfe, 0xfd]).unwrap();
    for arguments in [
        &["check", "absent.yaml"][..],
        &["check", "."],
        &["check", "binary.yaml"],
        &["explain", "policy.yaml", "--request", "absent.json", "--as", "anonymous"],
        &["explain", "policy.yaml", "--request", "request.json", "--as", "anonymous"],
        &["render", "policy.yaml", "--to", "ecds"],
        &["render", "policy.yaml", "--to", "json", "--out", "no/such/folder.json"],
        &["render", "policy.yaml", "--to", "json", "--watch"],
        &["render", "absent.yaml", "--to", "json"],
    ] {
        let ran = world.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
    let said = world.run(&["check", "absent.yaml", "--json"]);
    assert_eq!((said.code, &said.json()["ok"]), (Some(2), &json!(false)));
}

#[test]
fn explain_tells_the_verdict_the_rule_and_every_rule_considered() {
    let world = World::new("explain");
    world.write(
        "r.json",
        r#"{"server": "sample", "principal": {"subject": "a", "scopes": ["mcp:read"]}, "method": "tools/call", "tool": "search_x"}"#,
    );
    let ran = world.run(&["explain", "policy.yaml", "--request", "r.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let expected = "sample: tools/call tool search_x\nverdict: allow, by the rule readers\nanswer: forwarded\n\
                    -> readers (allow): matches search_x\n   never (deny): does not match: other methods or targets\n";
    assert_eq!(ran.out, expected);
    // request, --as, verdict, rule, answer
    for (request, who, verdict, rule, answer) in [
        (
            r#"{"method":"tools/call","tool":"search_x"}"#,
            "{}",
            "challenge",
            json!("readers"),
            "insufficient_scope",
        ),
        (
            r#"{"method":"tools/call","tool":"search_all"}"#,
            r#"{"scopes":"mcp:read x"}"#,
            "deny",
            json!("never"),
            "not_allowed",
        ),
        (
            r#"{"method":"tools/call","tool":"other"}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "deny",
            json!(null),
            "not_allowed",
        ),
        (r#"{"method":"tools/call","tool":"other"}"#, "anonymous", "deny", json!(null), "missing_credential"),
        (r#"{"method":"x/y"}"#, r#"{"scopes":["mcp:read"]}"#, "deny", json!(null), "unknown_method"),
        (r#"{"method":"ping"}"#, r#"{"scopes":["mcp:read"]}"#, "allow", json!("readers"), "forwarded"),
        (
            r#"{"url":"http://127.0.0.1:8080/mcp","method":"resources/read","resource":"NOTES://a"}"#,
            r#"{"issuer":"http://127.0.0.1:8080","client_id":"c","groups":["g"],"roles":[],"scopes":["mcp:read"]}"#,
            "allow",
            json!("readers"),
            "forwarded",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"daily"}}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "allow",
            json!("readers"),
            "forwarded",
        ),
        (
            r#"{"message":{"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"notes://{id}"}}}}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "allow",
            json!("readers"),
            "forwarded",
        ),
        (
            r#"{"method":"resources/read","resource":"notes://a%2fb"}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "deny",
            json!(null),
            "not_allowed",
        ),
    ] {
        let ran =
            world.run_with(&["explain", "policy.yaml", "--request", "-", "--as", who, "--json"], request);
        assert_eq!(ran.code, Some(0), "{request}: {}", ran.out);
        let said = ran.json();
        assert_eq!(
            (&said["verdict"], &said["rule"], &said["answer"]),
            (&json!(verdict), &rule, &json!(answer)),
            "{request} {who}: {said}"
        );
        assert_eq!(said["considered"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn explain_can_be_a_test_of_a_policy() {
    let world = World::new("expect");
    world.write("r.json", r#"{"principal": "anonymous", "method": "tools/call", "tool": "x"}"#);
    for (expected, code) in [("deny", 0), ("allow", 1), ("challenge", 1)] {
        let ran = world.run(&["explain", "policy.yaml", "--request", "r.json", "--expect", expected]);
        assert_eq!(ran.code, Some(code), "{expected}");
    }
    assert_eq!(
        world.run(&["explain", "policy.yaml", "--request", "r.json", "--expect", "maybe"]).code,
        Some(2)
    );
}

#[test]
fn a_request_that_is_not_understood_is_code_2_and_says_what_is() {
    let world = World::new("request");
    for (request, arguments, expected) in [
        ("{}", &["--as", "anonymous"][..], "no method"),
        (r#"{"method":"ping"}"#, &[], "who asks?"),
        (r#"{"method":"ping","principal":"bob"}"#, &[], "`bob` is nobody"),
        (r#"{"method":"ping"}"#, &["--as", "bob"], "--as is `anonymous` or an object"),
        (r#"{"method":"ping","tols":"x"}"#, &["--as", "anonymous"], "unknown field `tols`"),
        (
            r#"{"method":"ping"}"#,
            &["--as", "anonymous", "--server", "other"],
            "no server `other`; there are: sample",
        ),
        (r#"{"method":"ping","url":"http://127.0.0.1/x"}"#, &["--as", "anonymous"], "no server is at"),
        (r#"{"method":"ping"}"#, &["--as", r#"{"issuer":"https://evil"}"#], "are refused by this server"),
        (r#"{"method":"ping","message":{"method":"ping"}}"#, &["--as", "anonymous"], "as well as"),
    ] {
        let ran =
            world.run_with(&[&["explain", "policy.yaml", "--request", "-"], arguments].concat(), request);
        assert_eq!(ran.code, Some(2), "{request}");
        assert!(ran.err.contains(expected), "{request}: {}", ran.err);
    }
}

#[test]
fn render_writes_what_envoy_takes() {
    let world = World::new("render");
    let ran = world.run(&["render", "policy.yaml", "--to", "ecds", "--wasm", "f.wasm", "--out", "e.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let response: Value = serde_json::from_str(&world.read("e.json")).unwrap();
    let resource = &response["resources"][0];
    assert_eq!(resource["@type"], json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"));
    assert_eq!(resource["name"], json!("wicketgate"));
    let config = &resource["typed_config"]["config"];
    assert_eq!(config["failure_policy"], json!("FAIL_RELOAD"));
    assert_eq!(config["allow_on_headers_stop_iteration"], json!(true));
    assert_eq!(config["vm_config"]["vm_id"], json!("wicketgate"));
    assert_eq!(
        config["vm_config"]["code"]["local"]["filename"],
        json!(world.0.join("f.wasm").to_str().unwrap())
    );
    let allowed = &config["vm_config"]["capability_restriction_config"]["allowed_capabilities"];
    assert!(allowed.get("random_get").is_some() && allowed.get("proxy_on_request_trailers").is_some());
    // What the filter is given compiles to the version that Envoy is told.
    let given = config["configuration"]["value"].as_str().unwrap();
    let compiled = wicketgate_core::config::compile(given.as_bytes()).unwrap();
    assert_eq!(response["version_info"], json!(compiled.guard.digest));
    let plain = world.run(&["render", "policy.yaml", "--to", "json"]);
    assert_eq!(wicketgate_core::config::compile(plain.out.as_bytes()).unwrap().guard, compiled.guard);
}

#[test]
fn yaml_that_is_rendered_says_the_same_as_json() {
    let world = World::new("yaml");
    world.write(
        "policy.yaml",
        &POLICY.replace("hold_headers: true", "hold_headers: false").replace("daily", "\"on\""),
    );
    for (form, wasm) in [
        ("ecds", "/f.wasm"),
        ("envoy-filter", "/f.wasm"),
        ("wasmplugin", "oci://r.example/w:1"),
        ("json", ""),
    ] {
        for name in ["o.yaml", "o.json"] {
            let ran = world.run(&["render", "policy.yaml", "--to", form, "--wasm", wasm, "--out", name]);
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        }
        let yaml: Value = serde_saphyr::from_str(&world.read("o.yaml")).unwrap();
        let json: Value = serde_json::from_str(&world.read("o.json")).unwrap();
        assert_eq!(yaml, json, "{form}");
    }
    let plugin: Value =
        serde_json::from_str(&world.run(&["render", "policy.yaml", "--to", "json"]).out).unwrap();
    assert_eq!(plugin["servers"][0]["rules"][0]["allow"]["prompts"], json!(["on"]));
}

#[test]
fn a_wasm_plugin_cannot_hold_headers() {
    let world = World::new("istio");
    let ran = world.run(&["render", "policy.yaml", "--to", "wasmplugin", "--wasm", "oci://r.example/w:1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(
        ran.err.starts_with("policy.yaml:2:15: hold_headers: a WasmPlugin cannot hold headers back"),
        "{}",
        ran.err
    );
    world.write("policy.yaml", &POLICY.replace("hold_headers: true", "hold_headers: false"));
    let ran = world.run(&["render", "policy.yaml", "--to", "wasmplugin", "--wasm", "oci://r.example/w:1"]);
    let plugin: Value = serde_saphyr::from_str(&ran.out).unwrap();
    assert_eq!(plugin["spec"]["phase"], json!("AUTHZ"));
    assert_eq!(plugin["spec"]["pluginConfig"]["servers"][0]["name"], json!("sample"));
}

#[test]
fn a_refused_policy_leaves_what_was_written() {
    let world = World::new("keep");
    world.write("o.json", "before");
    world.write("policy.yaml", &POLICY.replace("ES256", "HS256"));
    let ran = world.run(&["render", "policy.yaml", "--to", "json", "--out", "o.json"]);
    assert_eq!((ran.code, world.read("o.json").as_str()), (Some(1), "before"));
}

/// A process of ours, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn watching_takes_good_edits_and_keeps_the_last_good_one() {
    let world = World::new("watch");
    let arguments = ["render", "policy.yaml", "--to", "json", "--out", "o.json", "--watch"];
    let child = world.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(child);
    let status = || serde_json::from_str::<Value>(&world.read("o.json.status.json")).unwrap_or_default();
    until(|| status()["state"] == json!("current"));
    let first = status()["digest"].clone();
    let before = world.read("o.json");

    world.write("policy.yaml", &POLICY.replace("10/m", "10/minute"));
    until(|| status()["state"] == json!("refused"));
    assert_eq!((status()["digest"].clone(), world.read("o.json")), (first.clone(), before.clone()));
    assert_eq!(status()["errors"][0]["path"], json!("servers[0].limits.tools[0].rate"));
    assert_eq!(status()["errors"][0]["line"], json!(11));

    std::fs::remove_file(world.0.join("policy.yaml")).unwrap();
    until(|| status()["errors"][0]["path"] == json!(null));
    assert_eq!(world.read("o.json"), before);

    world.write("policy.yaml", &POLICY.replace("10/m", "20/m"));
    until(|| status()["state"] == json!("current") && status()["digest"] != first);
    assert!(world.read("o.json").contains("20/m"));
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}
