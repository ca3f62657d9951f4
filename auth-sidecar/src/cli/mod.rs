//! What can be done on the command line? One file for each group of commands; those that ask a running server do so over its
//! admin listener, because the embedded store admits one process.

mod api_keys;
mod check;
mod clients;
mod healthcheck;
mod keys;
mod output;
mod secrets;
mod serve;
mod store;
mod tokens;
mod users;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use serde_json::Value;
use wicketgate_auth::admin_client::{Admin, Question};
use wicketgate_auth::config::Config;

/// The OAuth 2.1 authorization server that stands beside the gateway.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew.
    Serve {
        /// The configuration (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read the configuration and the secrets it refers to, and print what would be served; no secrets.
    Check(Asked),
    /// The signing keys of a running server.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// The clients of a running server.
    #[command(subcommand)]
    Client(clients::ClientCommand),
    /// What users of a running server granted, and an end to it.
    #[command(subcommand)]
    User(users::UserCommand),
    /// Single tokens of a running server.
    #[command(subcommand)]
    Token(tokens::TokenCommand),
    /// The API keys of a running server.
    #[command(subcommand)]
    ApiKey(api_keys::ApiKeyCommand),
    /// The store: a backup, a move to another one, another version.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Whether a running server is ready: exit code 0 or 1, for probes of containers.
    Healthcheck(healthcheck::Healthcheck),
    /// Read a password from standard input (one line) and print its Argon2id hash for `password_hash`.
    HashPassword,
    /// Print a fresh key for `data_key`.
    GenerateKey,
}

/// What nearly every command takes.
#[derive(clap::Args)]
struct Asked {
    /// The configuration (YAML); of a running server, the one that it runs with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Why a command did not do it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// For standard error.
    pub(crate) message: String,
}

type Outcome<T = ()> = Result<T, Failure>;

const REFUSED: u8 = 1;
const FAILED: u8 = 2;

/// Does what the command line says.
pub(crate) fn run() -> Outcome {
    match Arguments::parse().command {
        Command::Serve { config } => serve::serve(&config),
        Command::Check(asked) => check::check(&asked),
        Command::Key(command) => keys::run(&command),
        Command::Client(command) => clients::run(&command),
        Command::User(command) => users::run(&command),
        Command::Token(command) => tokens::run(&command),
        Command::ApiKey(command) => api_keys::run(&command),
        Command::Store(command) => store::run(&command),
        Command::Healthcheck(command) => healthcheck::run(&command),
        Command::HashPassword => secrets::hash_password(),
        Command::GenerateKey => secrets::generate_key(),
    }
}

fn load(path: &Path) -> Outcome<Config> {
    Config::load(path)
        .map_err(|error| Failure { code: REFUSED, message: format!("{}: {error}", path.display()) })
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure { code: FAILED, message: error.to_string() }
}

// === impl Asked ===

impl Asked {
    /// What the running server answers.
    fn ask(&self, question: &Question<'_>) -> Outcome<Value> {
        let admin = Admin::of(&load(&self.config)?).map_err(failed)?;
        wait_for(admin.ask(question)).and_then(|answer| answer.map_err(failed))
    }

    /// All parts of the list of this name.
    fn ask_list(&self, path: &str, name: &str) -> Outcome<Vec<Value>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let part = format!("{path}?limit=100&after={}", output::encoded(&after));
            let answer = self.ask(&Question::get(&part))?;
            all.extend(answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default());
            match answer.get("next").and_then(Value::as_str) {
                Some(next) => next.clone_into(&mut after),
                None => return Ok(all),
            }
        }
    }
}

fn wait_for<F: Future>(future: F) -> Outcome<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    Ok(runtime.block_on(future))
}
