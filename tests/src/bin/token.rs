//! What does `make token` do? Logs in to the running product as any client would, and prints the access token alone.

use std::path::PathBuf;
use std::process::ExitCode;

use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::ready::Ready;
use wicketgate_e2e::{Failure, Result};

#[tokio::main]
async fn main() -> ExitCode {
    match token().await {
        Ok(token) => {
            println!("{token}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("make token: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn token() -> Result<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let state = PathBuf::from(variable("STATE").unwrap_or_else(|| ".run".into()));
    let ready = Ready::read(&state)?;
    let login = ready.login.ok_or_else(|| {
        Failure::new("the running product has users of your AUTH_CONFIG, whose passwords are not known here: log in with a client.")
    })?;
    let mcp = variable("MCP").unwrap_or(ready.mcp);
    let session = oauth::log_in(&Http::new()?, &mcp, &login, variable("SCOPE").as_deref()).await?;
    Ok(session.tokens.access_token)
}
