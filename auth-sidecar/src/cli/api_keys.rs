//! `api-key`: credentials of service accounts and clients that do not go through OAuth.

use clap::Subcommand;
use serde_json::json;
use wicketgate_auth::admin_client::Question;

use super::{Asked, Outcome, output};

#[derive(Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Print all keys, without their secrets.
    List(Asked),
    /// Make a key; it is printed this once.
    Create(Box<Wanted>),
    /// Give a key a new secret, printed this once.
    Rotate {
        #[command(flatten)]
        asked: Asked,
        /// For so many seconds the old secret works, too.
        #[arg(long, default_value_t = 0)]
        overlap: u64,
        /// The key.
        id: String,
    },
    /// End a key.
    Revoke {
        #[command(flatten)]
        asked: Asked,
        /// The key.
        id: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Wanted {
    #[command(flatten)]
    asked: Asked,
    /// What people call it.
    #[arg(long)]
    name: String,
    /// The client whose key it is.
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "service_account",
        required_unless_present = "service_account"
    )]
    client: Option<String>,
    /// Or the name of a service account.
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// A resource server that it opens; may repeat.
    #[arg(long, value_name = "URL", required = true)]
    resource: Vec<String>,
    /// A scope; may repeat.
    #[arg(long)]
    scope: Vec<String>,
    /// A group of the service account; may repeat.
    #[arg(long)]
    group: Vec<String>,
    /// A role of the service account; may repeat.
    #[arg(long)]
    role: Vec<String>,
    /// The organization of the service account.
    #[arg(long)]
    org: Option<String>,
    /// Seconds until it ends; left out: `lifetimes.api_key`.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

const PATH: &str = "/v1/api-keys";
const COLUMNS: [&str; 6] = ["id", "name", "service_account", "client_id", "expires_at", "last_used_at"];

pub(super) fn run(command: &ApiKeyCommand) -> Outcome {
    match command {
        ApiKeyCommand::List(asked) => {
            output::list(asked, "api_keys", &asked.ask_list(PATH, "api_keys")?, &COLUMNS)
        }
        ApiKeyCommand::Create(wanted) => {
            let body = json!({
                "name": wanted.name, "client_id": wanted.client, "service_account": wanted.service_account,
                "resources": wanted.resource, "scopes": wanted.scope, "groups": wanted.group, "roles": wanted.role,
                "org": wanted.org, "expires_in": wanted.expires_in,
            });
            output::thing(&wanted.asked, &wanted.asked.ask(&Question::post(PATH, body))?)
        }
        ApiKeyCommand::Rotate { asked, overlap, id } => {
            let path = format!("{PATH}/{}/rotate", output::encoded(id));
            output::thing(asked, &asked.ask(&Question::post(&path, json!({ "overlap": overlap })))?)
        }
        ApiKeyCommand::Revoke { asked, id } => {
            asked.ask(&Question::delete(&format!("{PATH}/{}", output::encoded(id))))?;
            output::done(asked, &format!("key {id} has ended"))
        }
    }
}
