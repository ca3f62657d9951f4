//! `healthcheck`: is the server ready? For containers, which have no other program to ask with.

mod trusting;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use reqwest::Url;
use wicketgate_auth::admin_client::{Admin, Question};

use super::output::print;
use super::{Failure, Outcome, failed, load, wait_for};

/// Containers read 1 as "unhealthy" and reserve 2.
const NOT_READY: u8 = 1;

#[derive(Args)]
pub(super) struct Healthcheck {
    /// The configuration (YAML) that the server runs with.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["address", "url"])]
    config: Option<PathBuf>,
    /// Its admin listener in plain HTTP, where the configuration is not at hand.
    #[arg(long, value_name = "IP:PORT", conflicts_with = "config")]
    address: Option<SocketAddr>,
    /// What must answer 200 in TLS, as a gateway would ask for it, instead of the admin listener; one or more.
    #[arg(long, value_name = "URL", requires = "ca", conflicts_with_all = ["config", "address"])]
    url: Vec<Url>,
    /// The authorities (PEM) to one of which the certificate there must lead; no others count.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// The name that the certificate must have, where it is not that of the URL.
    #[arg(long, value_name = "DNS", requires = "url")]
    name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Healthcheck) -> Outcome {
    let answer = match (command.address, &command.config, &command.ca) {
        (Some(address), _, _) => ready(&Admin::at(address))?,
        (None, Some(config), _) => ready(&Admin::of(&load(config)?).map_err(not_ready)?)?,
        (None, None, Some(ca)) => {
            let pem = std::fs::read(ca).map_err(|error| failed(format!("{}: {error}", ca.display())))?;
            wait_for(trusting::ask(&command.url, &pem, command.name.as_deref()))?.map_err(not_ready)?
        }
        (None, None, None) => return Err(failed("say --config, --address or --url")),
    };
    print(&if command.json { answer.to_string() } else { "ready".to_owned() })
}

fn ready(admin: &Admin) -> Outcome<serde_json::Value> {
    wait_for(admin.ask(&Question::get("/readyz")))?.map_err(not_ready)
}

fn not_ready(error: impl std::fmt::Display) -> Failure {
    Failure { code: NOT_READY, message: error.to_string() }
}
