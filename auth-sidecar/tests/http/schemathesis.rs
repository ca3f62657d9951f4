//! Do the APIs keep to their descriptions whatever is asked? As schemathesis finds out, from the descriptions alone:
//! `tests/schemathesis` has its settings. `EXAMPLES` says how many requests to each operation, `SEED` which ones.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::external_issuers::Scene;
use crate::world::client::Client;
use crate::world::{ADMIN_TOKEN, RESOURCE, World};

/// The program, where there is one; it asks the same whatever the store is.
fn program() -> Option<PathBuf> {
    if std::env::var_os("WICKETGATE_TEST_STORE").is_some() {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/obtain/python-venv.sh");
    let ran = Command::new(script).stdin(Stdio::null()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !ran.status.success() {
        eprintln!("left out: {}", said(&ran.stderr));
        return None;
    }
    Some(Path::new(&said(&ran.stdout)).with_file_name("schemathesis"))
}

fn given(variable: &str, otherwise: &str) -> String {
    std::env::var(variable).ok().filter(|given| !given.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// What is there to be asked about, by the names of parameters and properties.
async fn live(world: &World) -> Value {
    let client = Client::public(world).await;
    let tokens = client.tokens(world).await;
    let wanted = json!({"name": "report", "service_account": "reporter", "resources": [RESOURCE]});
    let keys = world.http.post(format!("{}/v1/api-keys", world.admin)).bearer_auth(ADMIN_TOKEN);
    let key: Value = keys.json(&wanted).send().await.unwrap().json().await.unwrap();
    json!({
        "client_id": client.id, "grant_id": tokens.decoded().1["grant_id"], "sub": "alice", "key_id": key["id"],
        "token": tokens.access, "resource": RESOURCE, "resources": [RESOURCE], "scopes": ["mcp:read"], "path": "mcp",
        "id": "x", "host": "127.0.0.1:8080"
    })
}

/// Asks all that this document describes.
fn keeps_to(program: &Path, (document, base): (&str, &str), live: &Value, more: &[String]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (settings, folder) = (root.join("tests/schemathesis"), tempfile::tempdir().unwrap());
    let mut command = Command::new(program);
    command.arg("--config-file").arg(settings.join("schemathesis.toml")).arg("run");
    command.arg(root.join("openapi").join(document)).args(["--url", base, "--no-color"]);
    command.args(["--max-examples", &given("EXAMPLES", "5"), "--seed", &given("SEED", "1")]);
    command.args(["--request-timeout", "30", "--warnings", "off"]).args(more);
    if std::env::var_os("EXAMPLES").is_none() {
        // Requests that follow one another take ids out of answers, which are others in each run: not for a test that must
        // say the same each time. `make openapi` has them.
        command.args(["--phases", "examples,coverage,fuzzing"]);
    }
    // What it writes beside it is not for keeping.
    command.current_dir(folder.path()).stdin(Stdio::null()).env("NO_PROXY", "*");
    command.env("SCHEMATHESIS_HOOKS", settings.join("hooks.py")).env("WICKETGATE_LIVE", live.to_string());
    let ran = block_in_place(|| command.output().unwrap());
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    println!("{said}");
    assert!(ran.status.success(), "{document}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_internal_api_keeps_to_its_description() {
    let Some(program) = program() else { return };
    let scene = Scene::of_keys(", jwks_uri: BASE/jwks").await;
    let live = live(&scene.world).await;
    keeps_to(&program, ("internal-v1.yaml", &scene.world.internal), &live, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_keeps_to_its_description() {
    let Some(program) = program() else { return };
    let world = World::start_with(|yaml| yaml + "admin: {token: {file: FOLDER/admin.token}}\n").await;
    let live = live(&world).await;
    let token = ["--header".to_owned(), format!("Authorization: Bearer {ADMIN_TOKEN}")];
    keeps_to(&program, ("admin-v1.yaml", &world.admin), &live, &token);
}
