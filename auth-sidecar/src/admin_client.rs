//! How does a command reach the server that has the store open? Over the admin listener, in plain HTTP or as
//! `listen.admin.tls` says.

mod pinned;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, Error};

use crate::config::{Config, ListenTls};
use crate::secret::Opaque;

const LONGEST: Duration = Duration::from_secs(30);
/// A page of an export is the largest.
const LARGEST_ANSWER: usize = 64 << 20;

/// Why there is no answer, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is not known: the listener's port is chosen by the system.
    #[error("listen.admin has port 0 and no addresses_file says which one it became: {0}")]
    Address(String),
    /// Nobody answers there.
    #[error(
        "no server answers at listen.admin ({0}): {1}; start it with `wicketgate-auth serve` and this configuration"
    )]
    Unreachable(SocketAddr, String),
    /// Somebody else answers there, or the server's certificate was replaced a moment ago.
    #[error(
        "who answers at listen.admin ({0}) shows another certificate than listen.admin.tls names; one that was replaced is shown within ten seconds"
    )]
    Certificate(SocketAddr),
    /// The server wants to see another token.
    #[error("the server refuses our admin.token: it runs with another one than this configuration names")]
    Token,
    /// The server refused.
    #[error("the server answered {0}: {1}")]
    Refused(StatusCode, String),
}

/// The admin listener of a running server.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    token: Option<Opaque>,
    tls: Option<Arc<ListenTls>>,
}

/// What is asked there.
#[derive(Debug)]
pub struct Question<'a> {
    method: Method,
    /// With its query; encoded.
    path: &'a str,
    body: Option<Value>,
}

// === impl Question ===

impl<'a> Question<'a> {
    /// `GET`.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, body: None }
    }

    /// `POST` of JSON.
    #[must_use]
    pub fn post(path: &'a str, body: Value) -> Self {
        Self { method: Method::POST, path, body: Some(body) }
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete(path: &'a str) -> Self {
        Self { method: Method::DELETE, path, body: None }
    }
}

// === impl Admin ===

impl Admin {
    /// That of the server with this configuration.
    ///
    /// # Errors
    /// [`AdminError::Address`].
    pub fn of(config: &Config) -> Result<Self, AdminError> {
        let (token, tls) = (config.admin.token.clone(), config.listen.admin.tls.clone());
        Ok(Self { token, tls, ..Self::at(address(config)?) })
    }

    /// That at this address, in plain HTTP and without a token.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        // Listened on by every address of this machine, and so by this one.
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { address: SocketAddr::new(ip, address.port()), token: None, tls: None }
    }

    /// What the server answers; null where it has nothing to say.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn ask(&self, question: &Question<'_>) -> Result<Value, AdminError> {
        let unreachable = |why: String| AdminError::Unreachable(self.address, why);
        let answered = tokio::time::timeout(LONGEST, self.send(question)).await;
        let response = answered.map_err(|_| unreachable("no answer in time".into()))??;
        let status = response.status();
        let read = axum::body::to_bytes(response.into_body(), LARGEST_ANSWER).await;
        let bytes = read.map_err(|error| unreachable(error.to_string()))?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        match status {
            status if status.is_success() => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(AdminError::Token),
            status => {
                let words = answer.get("error_description").or_else(|| answer.get("status"));
                let why = words.and_then(Value::as_str).unwrap_or_default();
                Err(AdminError::Refused(status, why.to_owned()))
            }
        }
    }

    async fn send(&self, question: &Question<'_>) -> Result<Response<Body>, AdminError> {
        let unreachable = |error: std::io::Error| AdminError::Unreachable(self.address, error.to_string());
        let stream = TcpStream::connect(self.address).await.map_err(unreachable)?;
        let Some(tls) = &self.tls else { return self.send_on(stream, question).await };
        let connector = pinned::connector(tls).map_err(|error| unreachable(std::io::Error::other(error)))?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = connector.connect(name, stream).await.map_err(|error| match is_another(&error) {
            true => AdminError::Certificate(self.address),
            false => unreachable(error),
        })?;
        self.send_on(stream, question).await
    }

    async fn send_on(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        question: &Question<'_>,
    ) -> Result<Response<Body>, AdminError> {
        let asked = self.ask_on(stream, question).await;
        asked.map_err(|why| AdminError::Unreachable(self.address, why))
    }

    async fn ask_on(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        question: &Question<'_>,
    ) -> Result<Response<Body>, String> {
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        let task = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(question.method.clone())
            .uri(question.path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let body = question.body.as_ref().map(Value::to_string).unwrap_or_default();
        let request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string());
        // The connection ends when its answer has been read.
        drop(task);
        response.map(|response| response.map(Body::new))
    }
}

/// Whether a handshake ended because the certificate is not the one that is named.
fn is_another(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(error, Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)))
}

fn address(config: &Config) -> Result<SocketAddr, AdminError> {
    let configured = config.listen.admin.address;
    if configured.port() != 0 {
        return Ok(configured);
    }
    let unknown = |why: &str| AdminError::Address(why.to_owned());
    let file = config.addresses_file.as_ref().ok_or_else(|| unknown("it is not configured"))?;
    let text = std::fs::read_to_string(file).map_err(|error| unknown(&error.to_string()))?;
    let addresses: Value = serde_json::from_str(&text).map_err(|error| unknown(&error.to_string()))?;
    let admin = addresses.get("admin").and_then(Value::as_str).and_then(|text| text.parse().ok());
    admin.ok_or_else(|| unknown("it does not name one"))
}
