//! `user`: what somebody granted, an end to all of it, and another try at signing in.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde_json::json;
use wicketgate_auth::admin_client::Question;

use super::{Asked, Outcome, output};

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Print what a user granted and what still lives.
    Grants(Named),
    /// Withdraw all that a user granted until now, and sign them out everywhere.
    Revoke(Named),
    /// Forget failed sign-ins of a local user, who may then try again.
    ResetThrottle {
        #[command(flatten)]
        named: Named,
        /// An address whose failed sign-ins are forgotten, too.
        #[arg(long, value_name = "IP")]
        address: Option<IpAddr>,
    },
}

#[derive(Args)]
pub(super) struct Named {
    /// `sub` of tokens: the name of a local user, else `<issuer>#<subject>` of their provider.
    sub: String,
    #[command(flatten)]
    asked: Asked,
}

pub(super) fn run(command: &UserCommand) -> Outcome {
    match command {
        UserCommand::Grants(named) => {
            let grants = named.asked.ask_list(&named.path("grants"), "grants")?;
            let columns = ["grant_id", "client_id", "scope", "created_at", "used_at"];
            output::list(&named.asked, "grants", &grants, &columns)
        }
        UserCommand::Revoke(named) => {
            named.asked.ask(&Question::post(&named.path("revoke"), json!({})))?;
            output::done(&named.asked, "all that this user granted is withdrawn, and they are signed out")
        }
        UserCommand::ResetThrottle { named, address } => {
            let body = address.map_or_else(|| json!({}), |address| json!({ "address": address }));
            named.asked.ask(&Question::post(&named.path("reset-throttle"), body))?;
            output::done(&named.asked, "failed sign-ins are forgotten")
        }
    }
}

// === impl Named ===

impl Named {
    fn path(&self, what: &str) -> String {
        format!("/v1/users/{}/{what}", output::encoded(&self.sub))
    }
}
