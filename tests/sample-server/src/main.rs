//! How is the sample server started? `wicketgate-sample-server --listen 127.0.0.1:3001`; it prints one line when it
//! listens and stops on Ctrl-C or SIGTERM.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use wicketgate_sample_server::Tls;

/// A small MCP server about notes, to stand behind the gateway.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one. The MCP endpoint is /mcp on it.
    #[arg(long, default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
    /// Answer under any `Host`: in a cluster it is the name of a Service, and a policy of the network says who may ask.
    #[arg(long)]
    any_host: bool,
    /// Speak TLS, with this certificate (PEM).
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match serve(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wicketgate-sample-server: {error}");
            ExitCode::from(2)
        }
    }
}

async fn serve(arguments: &Arguments) -> Result<(), String> {
    let listen = arguments.listen;
    let router = match arguments.any_host {
        true => wicketgate_sample_server::router_for_any_host(),
        false => wicketgate_sample_server::router(),
    };
    let listener =
        TcpListener::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let pair = arguments.certificate.as_ref().zip(arguments.key.as_ref());
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let scheme = if pair.is_some() { "https" } else { "http" };
    println!("sample MCP server listening on {scheme}://{address}/mcp");
    std::io::stdout().flush().map_err(|error| error.to_string())?;

    let served = async {
        match pair {
            Some((chain, key)) => axum::serve(Tls::new(listener, chain, key)?, router).await,
            None => axum::serve(listener, router).await,
        }
        .map_err(|error| error.to_string())
    };
    // Streams may be open for minutes; a stop does not wait for them.
    tokio::select! {
        served = served => served,
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
