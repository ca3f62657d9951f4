//! What happens when the policy is edited? It is compiled and written again; a bad edit is told and changes nothing.
//!
//! The files are read five times a second: a policy is small, and this sees every way in which editors, `kubectl` and
//! scripts replace files, also across the symbolic links of a mounted ConfigMap.

use super::{Rendering, write};
use crate::args::Render;
use crate::document::{Fault, Policy, named_by, read};
use crate::outcome::{Outcome, Refusal, Unusable, warnings_text};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(200);

/// One who watches.
struct Watch<'a> {
    policy: &'a Path,
    form: &'a Rendering,
    out: &'a Path,
    status: PathBuf,
    /// Of the policy in force.
    digest: String,
    /// Whether the last edit was bad.
    refusing: bool,
    as_json: bool,
}

/// Stays until the process is ended. The first rendering of `digest` has just been written to `out`.
pub(crate) fn stay(
    arguments: &Render,
    form: &Rendering,
    out: &Path,
    digest: &str,
    as_json: bool,
) -> Result<Outcome, Unusable> {
    let mut name = out.as_os_str().to_owned();
    name.push(".status.json");
    let mut watch = Watch {
        policy: &arguments.file,
        form,
        out,
        status: PathBuf::from(name),
        digest: digest.to_owned(),
        refusing: false,
        as_json,
    };
    watch.tell("current", &[], &format!("{}: written, digest {digest}", out.display()))?;
    // Not the text that was just rendered: an edit in between must not be missed.
    let (mut seen, mut beside) = (None, Vec::new());
    loop {
        let now = Files::read(arguments.file.as_path(), &beside);
        if seen.as_ref() != Some(&now) {
            let policy = now.policy.as_deref();
            beside = policy.map_or_else(|_| Vec::new(), |text| named_by(watch.policy, text));
            // Read once more, because it may name others now; before it is taken, so that no edit is missed.
            let now = Files::read(arguments.file.as_path(), &beside);
            watch.take(&now.policy)?;
            seen = Some(now);
        }
        std::thread::sleep(PERIOD);
    }
}

/// What the policy and the files that it names hold, whose content stands in what is rendered.
#[derive(PartialEq, Eq)]
struct Files {
    policy: Result<String, String>,
    beside: Vec<Result<String, String>>,
}

// === impl Files ===

impl Files {
    fn read(policy: &Path, beside: &[PathBuf]) -> Self {
        let text = |file: &Path| read(file).map_err(|why| why.0);
        Self { policy: text(policy), beside: beside.iter().map(|file| text(file)).collect() }
    }
}

// === impl Watch ===

impl Watch<'_> {
    /// Takes what the file holds now.
    fn take(&mut self, text: &Result<String, String>) -> Result<(), Unusable> {
        let policy = match text {
            Ok(text) => match Policy::from_text(self.policy, text) {
                Ok(policy) => policy,
                Err(refusal) => return self.refuse(&refusal),
            },
            Err(why) => return self.keep(why, &[json!({"message": why})]),
        };
        let digest = policy.compiled.guard.digest.clone();
        if digest == self.digest {
            let line = format!("{}: current again, digest {digest}", self.out.display());
            let was_refusing = std::mem::take(&mut self.refusing);
            return self.tell("current", &[], if was_refusing { &line } else { "" });
        }
        match self.form.text(&policy) {
            Ok(text) => write::replace(self.out, &text)?,
            Err(Fault::Refused(refusal)) => return self.refuse(&refusal),
            Err(Fault::Unusable(why)) => return self.keep(&why.0, &[json!({"message": why.0})]),
        }
        eprint!("{}", warnings_text(&policy.document, &policy.compiled.warnings));
        self.digest = digest;
        self.refusing = false;
        let line = format!("{}: written, digest {}", self.out.display(), self.digest);
        self.tell("current", &[], &line)
    }

    fn refuse(&mut self, refusal: &Refusal) -> Result<(), Unusable> {
        self.keep(refusal.to_text().trim_end(), &refusal.errors_json())
    }

    fn keep(&mut self, why: &str, errors: &[Value]) -> Result<(), Unusable> {
        let line = format!("{why}\n{}: kept, digest {}", self.out.display(), self.digest);
        self.refusing = true;
        self.tell("refused", errors, &line)
    }

    /// Writes the status file, and `line` (if there is one) for people, or the status for programs.
    fn tell(&self, state: &str, errors: &[Value], line: &str) -> Result<(), Unusable> {
        let status = json!({"state": state, "digest": self.digest, "errors": errors});
        write::replace(&self.status, &format!("{status}\n"))?;
        // A reader that has gone away does not stop the watch.
        let _ = match (line.is_empty(), self.as_json) {
            (true, _) => Ok(()),
            (false, true) => writeln!(std::io::stdout(), "{status}"),
            (false, false) => writeln!(std::io::stderr(), "{line}"),
        };
        Ok(())
    }
}
