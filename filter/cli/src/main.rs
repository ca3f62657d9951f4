//! The `wicketgate` command line: the core with a keyboard. Same compiler, same decision, without Envoy.

mod args;
mod canary;
mod check;
mod document;
mod environment;
mod envoy;
mod explain;
mod outcome;
mod pins;
mod rego;
mod render;
mod request;
mod test;

use args::{Arguments, Command, Whole};
use clap::Parser;
use outcome::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.command {
        Command::Check(check) => check::run(check, arguments.json),
        Command::Explain(explain) => explain::run(explain, arguments.json),
        Command::Render(rendered) => match (&rendered.whole, &rendered.filter) {
            (Some(Whole::Envoy(envoy)), _) => envoy::run(envoy),
            (None, Some(filter)) => render::run(filter, arguments.json),
            (None, None) => Err(outcome::Unusable("render: name a policy; see --help".to_owned())),
        },
        Command::Pins(pins) => pins::run(pins),
        Command::Test(test) => test::run(test, arguments.json),
        Command::Canary(canary) => canary::run(canary),
        Command::Schema => schema(),
    };
    result.unwrap_or_else(Outcome::from).report(arguments.json)
}

fn schema() -> Result<Outcome, outcome::Unusable> {
    let text = serde_json::to_string_pretty(&wicketgate_core::config::schema())
        .map_err(|e| outcome::Unusable(format!("the schema cannot be written: {e}")))?;
    Ok(Outcome::Text(text + "\n"))
}
