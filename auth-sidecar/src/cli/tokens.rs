//! `token`: what is this token, and an end to it. Tokens come on standard input.

use clap::Subcommand;
use serde_json::{Value, json};
use wicketgate_auth::admin_client::Question;

use super::output::{self, read_line};
use super::{Asked, Outcome, failed};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Read a token from standard input (one line) and print what it is and what it came from.
    Inspect(Asked),
    /// End the grant of a token, and with it all tokens of that grant. The token is read from standard input (one line).
    Revoke {
        #[command(flatten)]
        asked: Asked,
        /// End this grant; no token is read then.
        #[arg(long, value_name = "GRANT_ID")]
        grant: Option<String>,
    },
}

pub(super) fn run(command: &TokenCommand) -> Outcome {
    match command {
        TokenCommand::Inspect(asked) => output::thing(asked, &inspect(asked)?),
        TokenCommand::Revoke { asked, grant } => {
            let grant = match grant {
                Some(grant) => grant.clone(),
                None => grant_of(&inspect(asked)?)?,
            };
            asked.ask(&Question::delete(&format!("/v1/grants/{}", output::encoded(&grant))))?;
            output::done(asked, &format!("grant {grant} has ended"))
        }
    }
}

fn inspect(asked: &Asked) -> Outcome<Value> {
    let token = read_line()?;
    asked.ask(&Question::post("/v1/tokens/inspect", json!({ "token": *token })))
}

fn grant_of(inspected: &Value) -> Outcome<String> {
    let grant = inspected.pointer("/grant/grant_id").and_then(Value::as_str).map(ToOwned::to_owned);
    grant.ok_or_else(|| failed("nothing is known of this token: it has expired, or was not issued here"))
}
