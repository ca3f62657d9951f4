//! How is a command of a document run as its reader would run it?

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use wicketgate_e2e::layout;

/// What has not ended or is not ready by then never will; the first run on a machine fetches packages.
const LIMIT: Duration = Duration::from_secs(400);
const BETWEEN_PROBES: Duration = Duration::from_millis(100);
/// What `make test` and `cargo test` put into the environment, and a reader's terminal does not have.
const OURS: [&str; 13] = [
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "CARGO",
    "PROFILE",
    "UPSTREAM",
    "POLICY",
    "PORT",
    "AUTH_CONFIG",
    "STATE",
    "SCOPE",
    "MCP",
];

/// A terminal: a directory, and variables on top of the environment. The binaries of this build are on its PATH.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    directory: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

/// Commands that go on until they are interrupted.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    group: Pid,
    log: PathBuf,
}

// === impl Shell ===

impl Shell {
    /// In this directory: absolute, or from the root of the repository.
    pub(crate) fn at(directory: impl AsRef<Path>) -> Self {
        let binaries = layout::binary("wicketgate").unwrap().parent().unwrap().to_owned();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(binaries).chain(std::env::split_paths(&inherited));
        let path = std::env::join_paths(path).unwrap();
        Self { directory: layout::root().join(directory), variables: vec![("PATH", path)] }
    }

    /// With a variable exported.
    pub(crate) fn export(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs the commands to their end, which must be a good one; returns what they printed.
    pub(crate) async fn run(&self, commands: &str) -> String {
        let Output { status, stdout, stderr } = self.end_of(commands).await;
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{status}:\n{commands}\nIt printed:\n{stdout}\nand said:\n{stderr}");
        stdout.into_owned()
    }

    /// Runs the commands to their end, whatever that is.
    pub(crate) async fn end_of(&self, commands: &str) -> Output {
        let child = self.command(commands).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let group = group(&child);
        let Ok(output) = timeout(LIMIT, child.wait_with_output()).await else {
            let _ = kill_process_group(group, Signal::KILL);
            panic!("not done within {LIMIT:?}:\n{commands}");
        };
        output.unwrap()
    }

    /// Starts commands that do not end; all that they print goes to `log`.
    pub(crate) fn start(&self, commands: &str, log: PathBuf) -> Running {
        let file = File::create(&log).unwrap();
        let both = file.try_clone().unwrap();
        let child = self.command(commands).stdout(file).stderr(both).spawn().unwrap();
        Running { group: group(&child), child, log }
    }

    fn command(&self, commands: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            // As a terminal does: Ctrl-C reaches all of it.
            .process_group(0);
        let of_cargo =
            |name: &str| ["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_"].iter().any(|p| name.starts_with(p));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| OURS.contains(&name) || of_cargo(name)) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

// === impl Running ===

impl Running {
    /// Asks again and again until the probe finds something; fails when the commands end before.
    pub(crate) async fn until<T>(&mut self, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended ({status}) before {what}:\n{}", self.said());
            }
            assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}\n{}", self.said());
            sleep(BETWEEN_PROBES).await;
        }
    }

    /// Ctrl-C, and what came of it.
    pub(crate) async fn interrupt(mut self) -> ExitStatus {
        kill_process_group(self.group, Signal::INT).unwrap();
        let ended = timeout(LIMIT, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("Ctrl-C does not end it:\n{}", self.said())).unwrap()
    }

    /// All that it printed so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    /// Of a test that failed: the commands still stop what they started.
    fn drop(&mut self) {
        if self.child.id().is_some() {
            let _ = kill_process_group(self.group, Signal::INT);
        }
    }
}

/// The child leads a group of its own.
fn group(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap()
}
