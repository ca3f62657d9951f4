//! The `wicketgate-auth` binary: `serve`, `check`, `key`, `hash-password`, `generate-key`.
//!
//! Exit codes: 0 ok, 1 refused configuration, 2 usage or anything that is not the configuration's fault.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use wicketgate_auth::admin_client;
use wicketgate_auth::app;
use wicketgate_auth::clock::SystemClock;
use wicketgate_auth::config::Config;
use wicketgate_auth::error::ServeError;
use wicketgate_auth::idp::password;
use wicketgate_auth::reload::Hangups;
use wicketgate_auth::sealing::SealingKey;
use wicketgate_auth::telemetry;
use zeroize::Zeroizing;

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
    Check {
        /// The configuration (YAML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// The signing keys of a running server: list or rotate them, over its admin listener.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Read a password from standard input (one line) and print its Argon2id hash for `password_hash`.
    HashPassword,
    /// Print a fresh key for `data_key`.
    GenerateKey,
}

#[derive(Subcommand)]
enum KeyCommand {
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

/// What every command that asks a running server takes.
#[derive(clap::Args)]
struct Asked {
    /// The configuration (YAML) that the server runs with.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const REFUSED: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve { config } => serve(&config),
        Command::Check { config, json } => check(&config, json),
        Command::Key { command: KeyCommand::List(asked) } => keys(&asked, None),
        Command::Key { command: KeyCommand::Rotate { asked, now } } => {
            keys(&asked, Some(&json!({ "now": now })))
        }
        Command::HashPassword => hash_password(),
        Command::GenerateKey => generate_key(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // Nothing is left to do when even this cannot be written.
            drop(writeln!(std::io::stderr(), "wicketgate-auth: {message}"));
            ExitCode::from(code)
        }
    }
}

fn load(path: &Path) -> Result<Config, (u8, String)> {
    Config::load(path).map_err(|error| (REFUSED, format!("{}: {error}", path.display())))
}

fn failed(error: impl std::fmt::Display) -> (u8, String) {
    (FAILED, error.to_string())
}

fn serve(path: &Path) -> Result<(), (u8, String)> {
    let config = load(path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let telemetry = telemetry::start(&config.telemetry).map_err(failed)?;
        // Before anybody can know that we run: a signal that comes right after the start must not meet the default.
        let mut stop = Stop::listen().map_err(failed)?;
        let hangups = Hangups::listen().map_err(failed)?;
        let running = app::start(config, Arc::new(SystemClock)).await.map_err(|error| match error {
            ServeError::Config(error) => (REFUSED, error.to_string()),
            other => failed(other),
        })?;
        tokio::select! {
            () = stop.told() => {}
            () = hangups.reload(&running, path) => {}
        }
        tracing::info!(event = "stopping");
        running.stop().await;
        telemetry.stop().await;
        Ok(())
    })
}

/// SIGTERM and SIGINT, listened for from its creation on.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Stop ===

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn check(path: &Path, as_json: bool) -> Result<(), (u8, String)> {
    let config = load(path)?;
    let listen = &config.listen;
    let shown = json!({
        "issuer": config.issuer.as_str(),
        "listen": {
            "public": listen.public, "internal": listen.internal, "admin": listen.admin, "metrics": listen.metrics,
        },
    });
    if as_json {
        return print(&shown.to_string());
    }
    print(&format!(
        "ok\nissuer    {}\npublic    {}\ninternal  {}\nadmin     {}\nmetrics   {}",
        config.issuer.as_str(),
        listen.public,
        listen.internal,
        listen.admin,
        listen.metrics
    ))
}

/// Lists the keys, after rotating them where that is asked for.
fn keys(asked: &Asked, rotation: Option<&Value>) -> Result<(), (u8, String)> {
    let address = admin_client::address(&load(&asked.config)?).map_err(failed)?;
    let path = if rotation.is_some() { "/v1/keys/rotate" } else { "/v1/keys" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let answer = runtime.block_on(admin_client::ask(address, path, rotation)).map_err(failed)?;
    if asked.json {
        return print(&answer.to_string());
    }
    let keys = answer.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let member = |key: &Value, name: &str| match key.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    print("KID                                          ALG    STATE    SINCE       ACTIVATES   FORGOTTEN")?;
    keys.iter().try_for_each(|key| {
        let member = |name| member(key, name);
        print(&format!(
            "{:<44} {:<6} {:<8} {:<11} {:<11} {}",
            member("kid"),
            member("algorithm"),
            member("state"),
            member("since"),
            member("activates_at"),
            member("forgotten_at")
        ))
    })
}

fn hash_password() -> Result<(), (u8, String)> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    print(&password::hash(line.trim_end_matches(['\r', '\n'])).map_err(failed)?)
}

fn generate_key() -> Result<(), (u8, String)> {
    print(&SealingKey::generate_base64().map_err(failed)?)
}

fn print(text: &str) -> Result<(), (u8, String)> {
    writeln!(std::io::stdout(), "{text}").map_err(failed)
}
