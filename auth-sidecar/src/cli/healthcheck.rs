//! `healthcheck`: is the server ready? For containers, which have no other program to ask with.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use wicketgate_auth::admin_client::{Admin, Question};

use super::output::print;
use super::{Failure, Outcome, failed, load, wait_for};

/// Containers read 1 as "unhealthy" and reserve 2.
const NOT_READY: u8 = 1;

#[derive(Args)]
pub(super) struct Healthcheck {
    /// The configuration (YAML) that the server runs with.
    #[arg(long, value_name = "FILE", required_unless_present = "address")]
    config: Option<PathBuf>,
    /// Its admin listener in plain HTTP, where the configuration is not at hand.
    #[arg(long, value_name = "IP:PORT", conflicts_with = "config")]
    address: Option<SocketAddr>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Healthcheck) -> Outcome {
    let admin = match (command.address, &command.config) {
        (Some(address), _) => Admin::at(address),
        (None, Some(config)) => Admin::of(&load(config)?).map_err(not_ready)?,
        (None, None) => return Err(failed("say --config or --address")),
    };
    let answer = wait_for(admin.ask(&Question::get("/readyz")))?.map_err(not_ready)?;
    print(&if command.json { answer.to_string() } else { "ready".to_owned() })
}

fn not_ready(error: impl std::fmt::Display) -> Failure {
    Failure { code: NOT_READY, message: error.to_string() }
}
