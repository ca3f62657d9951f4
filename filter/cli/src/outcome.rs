//! How does a command end, and what does it print? One place for text, JSON and exit codes.

use crate::document::{Document, Fault, Spot};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use wicketgate_core::config::{ConfigError, ConfigWarning};

/// What a command has to say at its end.
pub(crate) enum Outcome {
    /// Printed as it is, also with `--json`.
    Text(String),
    /// A result for people and for programs.
    Said {
        /// Standard output without `--json`.
        text: String,
        /// Standard output with `--json`.
        json: Value,
        /// Whether the exit code is 0, else 1.
        good: bool,
    },
    /// A policy that does not compile: exit code 1.
    Refused(Refusal),
    /// Exit code 2.
    Unusable(Unusable),
}

/// Everything wrong with a policy, with its places.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) file: PathBuf,
    pub(crate) errors: Vec<(Spot, ConfigError)>,
}

/// Wrong usage, or a file that cannot be read or written. One sentence.
#[derive(Debug)]
pub(crate) struct Unusable(pub(crate) String);

// === impl Outcome ===

impl Outcome {
    /// Prints it and gives the exit code.
    pub(crate) fn report(self, as_json: bool) -> ExitCode {
        let (out, err, code) = match self {
            Self::Text(text) => (text, String::new(), 0),
            Self::Said { json, good, .. } if as_json => (line(&json), String::new(), u8::from(!good)),
            Self::Said { text, good, .. } => (text, String::new(), u8::from(!good)),
            Self::Refused(refusal) if as_json => (line(&refusal.to_json()), String::new(), 1),
            Self::Refused(refusal) => (String::new(), refusal.to_text(), 1),
            Self::Unusable(why) if as_json => (line(&json!({"ok": false, "error": why.0})), String::new(), 2),
            Self::Unusable(why) => (String::new(), format!("wicketgate: {}\n", why.0), 2),
        };
        // A reader that has gone away needs no message.
        let _ = std::io::stderr().write_all(err.as_bytes());
        let _ = std::io::stdout().write_all(out.as_bytes());
        ExitCode::from(code)
    }
}

impl From<Unusable> for Outcome {
    fn from(why: Unusable) -> Self {
        Self::Unusable(why)
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unusable(why) => Self::Unusable(why),
            Fault::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// `FILE:LINE:COL: path: message (did you mean …?)`, one line for each.
    pub(crate) fn to_text(&self) -> String {
        let file = self.file.display();
        let mut lines: String =
            self.errors.iter().map(|(at, e)| format!("{file}:{}:{}: {e}\n", at.line, at.column)).collect();
        let count = self.errors.len();
        lines.push_str(&format!("{file}: refused, {count} error{}\n", if count == 1 { "" } else { "s" }));
        lines
    }

    /// `{ok: false, file, errors: [{path, line, column, message, suggestion?}]}`.
    pub(crate) fn to_json(&self) -> Value {
        json!({"ok": false, "file": self.file.display().to_string(), "errors": self.errors_json()})
    }

    pub(crate) fn errors_json(&self) -> Vec<Value> {
        let one = |(at, e): &(Spot, ConfigError)| {
            let mut error =
                json!({"path": e.path, "line": at.line, "column": at.column, "message": e.message});
            if let (Some(members), Some(suggestion)) = (error.as_object_mut(), &e.suggestion) {
                members.insert("suggestion".to_owned(), suggestion.as_str().into());
            }
            error
        };
        self.errors.iter().map(one).collect()
    }
}

/// `FILE:LINE:COL: warning: path: message`, one line for each.
pub(crate) fn warnings_text(document: &Document, warnings: &[ConfigWarning]) -> String {
    let line = |w: &ConfigWarning| {
        let at = document.spot(&w.path);
        format!("{}:{}:{}: warning: {w}\n", document.file.display(), at.line, at.column)
    };
    warnings.iter().map(line).collect()
}

/// The same as `[{path, line, column, message}]`.
pub(crate) fn warnings_json(document: &Document, warnings: &[ConfigWarning]) -> Vec<Value> {
    let one = |w: &ConfigWarning| {
        let at = document.spot(&w.path);
        json!({"path": w.path, "line": at.line, "column": at.column, "message": w.message})
    };
    warnings.iter().map(one).collect()
}

fn line(json: &Value) -> String {
    format!("{json}\n")
}
