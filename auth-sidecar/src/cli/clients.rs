//! `client`: which clients there are; new ones, other secrets, and an end.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use wicketgate_auth::admin_client::Question;

use super::{Asked, Outcome, output};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Print the clients: those of the configuration, made here, registered, or published and let in.
    List(Asked),
    /// Print one client.
    Show(Named),
    /// Make a client that never expires, and print its secret, which nobody can read again.
    Create {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        fields: Box<Fields>,
    },
    /// Give a client another secret and print it. The old one is worth nothing at once.
    RotateSecret(Named),
    /// Withdraw all that a client was granted until now. It may be granted more.
    Revoke(Named),
    /// Remove a client, and withdraw all that it was granted until now.
    Delete(Named),
}

#[derive(Args)]
pub(super) struct Named {
    /// `client_id`.
    id: String,
    #[command(flatten)]
    asked: Asked,
}

/// The fields of a new client, as the configuration names them.
#[derive(Args)]
pub(super) struct Fields {
    /// `client_id`; left out: a random one.
    #[arg(long)]
    id: Option<String>,
    /// What consent pages call it.
    #[arg(long)]
    name: Option<String>,
    /// `client_secret_basic` (the default), `client_secret_post`, or `none` for a public client.
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// Where answers may go; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where browsers may go once they are signed out; may be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// `authorization_code`, `refresh_token` (the default: both), `client_credentials`; may be repeated.
    #[arg(long = "grant-type", value_name = "GRANT")]
    grant_types: Vec<String>,
    /// The most that it may ask for; may be repeated. Left out: everything.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A resource server whose tokens it may introspect; may be repeated.
    #[arg(long, value_name = "URL")]
    introspects: Vec<String>,
    /// `jwt` or `opaque`; left out: what the resource servers want.
    #[arg(long, value_name = "FORMAT")]
    access_tokens: Option<String>,
}

pub(super) fn run(command: &ClientCommand) -> Outcome {
    match command {
        ClientCommand::List(asked) => {
            let clients = asked.ask_list("/v1/clients", "clients")?;
            output::list(asked, "clients", &clients, &["client_id", "source", "auth_method", "name"])
        }
        ClientCommand::Show(named) => {
            output::thing(&named.asked, &named.asked.ask(&Question::get(&named.path("")))?)
        }
        ClientCommand::Create { asked, fields } => {
            output::thing(asked, &asked.ask(&Question::post("/v1/clients", fields.as_json()))?)
        }
        ClientCommand::RotateSecret(named) => {
            let answer = named.asked.ask(&Question::post(&named.path("/secret"), json!({})))?;
            output::thing(&named.asked, &answer)
        }
        ClientCommand::Revoke(named) => {
            named.asked.ask(&Question::post(&named.path("/revoke"), json!({})))?;
            output::done(&named.asked, "all that it was granted is withdrawn")
        }
        ClientCommand::Delete(named) => {
            named.asked.ask(&Question::delete(&named.path("")))?;
            output::done(&named.asked, "deleted, and all that it was granted is withdrawn")
        }
    }
}

// === impl Named ===

impl Named {
    fn path(&self, below: &str) -> String {
        format!("/v1/clients/{}{below}", output::encoded(&self.id))
    }
}

// === impl Fields ===

impl Fields {
    /// What is left out is the server's to choose.
    fn as_json(&self) -> Value {
        let texts = [
            ("id", &self.id),
            ("name", &self.name),
            ("auth_method", &self.auth_method),
            ("access_tokens", &self.access_tokens),
        ];
        let lists = [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
            ("grant_types", &self.grant_types),
            ("scopes", &self.scopes),
            ("introspects", &self.introspects),
        ];
        let texts =
            texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?))));
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists = lists.map(|(name, list)| (name.to_owned(), json!(list)));
        Value::Object(texts.chain(lists).collect::<Map<_, _>>())
    }
}
