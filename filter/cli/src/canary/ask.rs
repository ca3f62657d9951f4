//! How is a gateway asked? As any client would: no redirect followed, no proxy, bounded in time and size.

use crate::args::Canary;
use crate::outcome::Unusable;
use reqwest::blocking::Client;
use reqwest::{Certificate, Url, redirect};
use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

/// What the filter answers is shorter; of what is longer the beginning tells as much.
const MOST: u64 = 16 * 1024;
const PING: &str = r#"{"jsonrpc":"2.0","id":"wicketgate-canary","method":"ping"}"#;

/// A gateway, and how it is reached.
pub(super) struct Gateway {
    http: Client,
    url: Url,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// At most [`MOST`] bytes; empty where it is no JSON.
    pub(super) body: Vec<u8>,
}

// === impl Gateway ===

impl Gateway {
    /// # Errors
    /// What cannot be used: no URL, no certificates, no client.
    pub(super) fn new(arguments: &Canary) -> Result<Self, Unusable> {
        let url = Url::parse(&arguments.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
        // What stands there instead may hold a password.
        let wanted = "canary: needs a URL of http or https, without a name before the host";
        let url = url.ok_or_else(|| Unusable(wanted.to_owned()))?;
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("wicketgate-canary/", env!("CARGO_PKG_VERSION")))
            .timeout(Duration::from_secs(arguments.timeout));
        if let Some(file) = &arguments.roots {
            let wrong = |why: &dyn std::fmt::Display| Unusable(format!("{}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|why| wrong(&why))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|why| wrong(&why))?;
            if roots.is_empty() {
                return Err(wrong(&"holds no certificate"));
            }
            client = client.tls_certs_merge(roots);
        }
        let http = client.build().map_err(|why| Unusable(bottom(&why)))?;
        Ok(Self { http, url })
    }

    /// Sends a `ping` with these fields besides.
    ///
    /// # Errors
    /// No answer came.
    pub(super) fn ask(&self, fields: &[(&str, &str)]) -> Result<Answer, Unusable> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let failed = |why: &dyn Error| Unusable(format!("{}: no answer: {}", self.url, bottom(why)));
        let response = request.body(PING).send().map_err(|why| failed(&why))?;
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        // A server that is not guarded may answer with a stream that does not end.
        if response.headers().get("content-type").is_some_and(|is| is == "application/json") {
            response.take(MOST).read_to_end(&mut body).map_err(|why| failed(&why))?;
        }
        Ok(Answer { status, body })
    }
}

/// The innermost reason, which says what happened.
fn bottom(why: &dyn Error) -> String {
    let mut why = why;
    while let Some(inner) = why.source() {
        why = inner;
    }
    why.to_string()
}
