//! How does a command reach the server that has the store open? Over the admin listener, in plain HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::config::Config;

const LONGEST: Duration = Duration::from_secs(30);
const LARGEST_ANSWER: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is not known: the listener's port is chosen by the system.
    #[error("listen.admin has port 0 and no addresses_file says which one it became: {0}")]
    Address(String),
    /// Nobody answers there.
    #[error("no server answers on its admin listener {0}: {1}")]
    Unreachable(SocketAddr, String),
    /// The server refused.
    #[error("the server answered {0}: {1}")]
    Refused(StatusCode, String),
}

/// Where the admin listener of the server with this configuration is.
///
/// # Errors
/// [`AdminError::Address`].
pub fn address(config: &Config) -> Result<SocketAddr, AdminError> {
    if config.listen.admin.port() != 0 {
        return Ok(config.listen.admin);
    }
    let unknown = |why: &str| AdminError::Address(why.to_owned());
    let file = config.addresses_file.as_ref().ok_or_else(|| unknown("it is not configured"))?;
    let text = std::fs::read_to_string(file).map_err(|error| unknown(&error.to_string()))?;
    let addresses: Value = serde_json::from_str(&text).map_err(|error| unknown(&error.to_string()))?;
    let admin = addresses.get("admin").and_then(Value::as_str).and_then(|text| text.parse().ok());
    admin.ok_or_else(|| unknown("it does not name one"))
}

/// Asks the server: `GET` without a body, else `POST` of JSON.
///
/// # Errors
/// [`AdminError`].
pub async fn ask(address: SocketAddr, path: &str, body: Option<&Value>) -> Result<Value, AdminError> {
    let unreachable = |why: String| AdminError::Unreachable(address, why);
    let answered = tokio::time::timeout(LONGEST, send(address, path, body)).await;
    let response = answered.map_err(|_| unreachable("no answer in time".into()))?.map_err(unreachable)?;
    let status = response.status();
    let read = axum::body::to_bytes(response.into_body(), LARGEST_ANSWER).await;
    let bytes = read.map_err(|error| unreachable(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let why = answer.get("error_description").and_then(Value::as_str).unwrap_or_default();
    Err(AdminError::Refused(status, why.to_owned()))
}

async fn send(address: SocketAddr, path: &str, body: Option<&Value>) -> Result<Response<Body>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let task = tokio::spawn(connection);
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.map(Value::to_string).unwrap_or_default()))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string());
    // The connection ends when its answer has been read.
    drop(task);
    response.map(|response| response.map(Body::new))
}
