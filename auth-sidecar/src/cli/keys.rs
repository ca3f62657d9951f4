//! `key`: the signing keys.

use clap::Subcommand;
use serde_json::{Value, json};
use wicketgate_auth::admin_client::Question;

use super::{Asked, Outcome, output};

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Print the signing keys and where they stand in their lives.
    List(Asked),
    /// Make new signing keys. They sign once they have been published long enough (`signing.publish_before`).
    Rotate {
        #[command(flatten)]
        asked: Asked,
        /// Sign with the new keys from now on: for keys that somebody else may have.
        #[arg(long)]
        now: bool,
    },
}

pub(super) fn run(command: &KeyCommand) -> Outcome {
    let (asked, answer) = match command {
        KeyCommand::List(asked) => (asked, asked.ask(&Question::get("/v1/keys"))?),
        KeyCommand::Rotate { asked, now } => {
            (asked, asked.ask(&Question::post("/v1/keys/rotate", json!({ "now": now })))?)
        }
    };
    let keys = answer.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    output::list(asked, "keys", keys, &["kid", "algorithm", "state", "since", "activates_at", "forgotten_at"])
}
