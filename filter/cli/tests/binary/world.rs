//! Where does each test run the binary? In a folder of its own.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const POLICY: &str = r#"version: 1
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
pub(crate) struct World(pub(crate) PathBuf);

impl World {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let world = Self(folder);
        world.write("policy.yaml", POLICY);
        world
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.0.join(name), text).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
        command.args(arguments).current_dir(&self.0).env_remove("WICKETGATE_URL");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
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
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}
