//! How is a child started, watched and stopped? Each has a log file; only children that we started are ever signalled,
//! each by its own pid.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::failure::Context as _;
use crate::{Failure, Result};

/// How long a child may take to stop by itself before it is killed.
const GRACE: Duration = Duration::from_secs(8);
/// How many lines of its log are shown when a child died.
const LAST_LINES: usize = 12;

/// One running child. Dropping it kills it; [`Service::stop`] is the polite way.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    log: PathBuf,
    pid: u32,
    child: Child,
}

// === impl Service ===

impl Service {
    /// Starts the command with both outputs in `log` (which is begun anew), without input, in a process group of its
    /// own: a Ctrl-C at the terminal reaches us alone, and we stop the children in order.
    ///
    /// # Errors
    /// The program or the log file cannot be opened.
    pub fn spawn(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).context(|| format!("cannot write {}", log.display()))?;
        let both = file.try_clone().context(|| format!("cannot write {}", log.display()))?;
        let program = command.as_std().get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context(|| format!("cannot start {name} ({})", Path::new(&program).display()))?;
        let pid = child.id().ok_or_else(|| Failure::new(format!("{name} ended at once.")))?;
        Ok(Self { name, log: log.to_owned(), pid, child })
    }

    /// What it is called in messages and in `ready.json`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails when it has ended, with the last lines of its log.
    ///
    /// # Errors
    /// It has ended.
    pub fn require_alive(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.death(status)),
            Err(error) => Err(Failure::new(format!("cannot tell whether {} lives: {error}", self.name))),
        }
    }

    /// Waits until it ends by itself, and says how. Cancel-safe.
    pub async fn ended(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => self.death(status),
            Err(error) => Failure::new(format!("cannot wait for {}: {error}", self.name)),
        }
    }

    /// Asks it to stop (SIGTERM) and kills it when it has not within some seconds. Nothing happens when it has ended.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Kills it without warning, as a crash would.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    fn signal(&self, signal: Signal) {
        // `id` is None once the child was waited for: then its pid may be somebody else's.
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, signal);
        }
    }

    fn death(&self, status: ExitStatus) -> Failure {
        let lines = last_lines(&self.log, LAST_LINES);
        let log = self.log.display();
        Failure::new(format!(
            "{} ended unexpectedly ({status}); the last lines of {log}:\n{lines}",
            self.name
        ))
    }
}

/// The last `count` lines of a file, each indented; empty when it cannot be read.
#[must_use]
pub fn last_lines(path: &Path, count: usize) -> String {
    let text =
        std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.into_iter().skip(from).map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use tokio::process::Command;

    use super::Service;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_death_is_told_with_the_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut service = Service::spawn("sample", shell("echo first; echo why >&2; exit 7"), &log).unwrap();
        let told = service.ended().await.to_string();
        assert!(told.contains("sample ended unexpectedly (exit status: 7)"), "{told}");
        assert!(told.ends_with("    first\n    why\n"), "{told}");
        assert!(service.require_alive().is_err());
    }

    #[tokio::test]
    async fn stopping_is_polite_and_may_be_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let script = "trap 'echo stopped; exit 0' TERM; echo started; while :; do sleep 0.05; done";
        let mut service = Service::spawn("sample", shell(script), &log).unwrap();
        while !std::fs::read_to_string(&log).unwrap().contains("started") {
            tokio::task::yield_now().await;
        }
        service.require_alive().unwrap();
        service.stop().await;
        service.stop().await;
        assert!(std::fs::read_to_string(&log).unwrap().ends_with("stopped\n"));
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let refused =
            Service::spawn("sidecar", Command::new("/nowhere/x"), &directory.path().join("log")).unwrap_err();
        assert!(refused.to_string().starts_with("cannot start sidecar (/nowhere/x): "), "{refused}");
    }
}
