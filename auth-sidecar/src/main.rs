//! The `wicketgate-auth` binary: its commands stand in `cli`.
//!
//! Exit codes: 0 ok, 1 refused configuration, or not ready (`healthcheck`), 2 usage or anything else.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do when even this cannot be written.
            drop(writeln!(std::io::stderr(), "wicketgate-auth: {}", failure.message));
            ExitCode::from(failure.code)
        }
    }
}
