//! How is a client or a suite that is a program of its own run, and what did it say? They print one JSON object per
//! finished step and end with 0 only if all went well.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;
use wicketgate_e2e::layout;
use wicketgate_e2e::process::last_lines;
use wicketgate_e2e::world::World;

/// The finished steps, in order.
#[derive(Debug)]
pub(crate) struct Steps(Vec<Value>);

// === impl Steps ===

impl Steps {
    /// The only step of this name.
    pub(crate) fn one(&self, name: &str) -> &Value {
        let found = self.all(name);
        assert_eq!(found.len(), 1, "the step `{name}` was to come once: {self:#?}");
        found[0]
    }

    /// Every step of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&Value> {
        self.0.iter().filter(|step| step["step"] == name).collect()
    }
}

/// A script of `tests/` (`python/client.py`) under this interpreter.
pub(crate) fn script(interpreter: impl AsRef<Path>, path: &str) -> Command {
    let mut command = Command::new(interpreter.as_ref());
    command.arg(layout::root().join("tests").join(path));
    command
}

/// Runs the program to its end; its steps and its other words stay in `NAME.steps` and `NAME.log` of the world's state.
pub(crate) async fn run(world: &World, name: &str, mut command: Command, limit: Duration) -> Steps {
    let (steps, log) = (record(world, name, "steps"), record(world, name, "log"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&steps).unwrap())
        .stderr(File::create(&log).unwrap())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let ended = timeout(limit, child.wait()).await;
    if ended.is_err() {
        // With what it started itself.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
    let words = format!("its steps:\n{}and its log:\n{}", last_lines(&steps, 20), last_lines(&log, 20));
    assert!(ended.is_ok(), "{name} was not done within {limit:?}; {words}");
    let status = ended.unwrap().unwrap();
    assert!(status.success(), "{name} failed ({status}); {words}");
    let lines = std::fs::read_to_string(&steps).unwrap();
    Steps(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Installs the npm packages of these folders of `tests/`, as their lock files say; instant when they are there.
pub(crate) async fn install_node_packages(folders: &[&str]) {
    let tests = layout::root().join("tests");
    let folders = folders.iter().map(|folder| tests.join(folder));
    let status = Command::new(tests.join("node/install.sh")).args(folders).status().await.unwrap();
    assert!(status.success(), "npm packages are missing; the reason stands above");
}

fn record(world: &World, name: &str, kind: &str) -> PathBuf {
    world.state.join(format!("{name}.{kind}"))
}
