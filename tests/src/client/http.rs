//! How is one HTTP request sent? As it was asked for: no redirects followed, no proxy, no cookies, no TLS (everything
//! is on loopback).

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::Value;

use crate::Result;
use crate::client::events::EventStream;
use crate::failure::Context as _;

/// An HTTP client; cloning shares its connections.
#[derive(Clone, Debug)]
pub struct Http(Client);

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// Header fields to send, in order.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

// === impl Http ===

impl Http {
    /// A client with its own connections.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> Result<Self> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()
            .context(|| "cannot make an HTTP client".to_owned())?;
        Ok(Self(client))
    }

    /// Any request, answered whole within two minutes.
    ///
    /// # Errors
    /// No answer came.
    pub async fn send(&self, method: &str, url: &str, fields: Fields<'_>, body: Vec<u8>) -> Result<Answer> {
        let request = self.request(method, url, fields, body)?.timeout(Duration::from_secs(120));
        let response = request.send().await.context(|| format!("no answer to {method} {url}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.context(|| format!("the answer to {method} {url} broke off"))?;
        Ok(Answer { status, headers, body: body.to_vec() })
    }

    /// GET.
    ///
    /// # Errors
    /// No answer came.
    pub async fn get(&self, url: &str, fields: Fields<'_>) -> Result<Answer> {
        self.send("GET", url, fields, Vec::new()).await
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// No answer came.
    pub async fn post_json(&self, url: &str, fields: Fields<'_>, body: &Value) -> Result<Answer> {
        let mut fields = fields.to_vec();
        fields.push(("content-type", "application/json"));
        self.send("POST", url, &fields, body.to_string().into_bytes()).await
    }

    /// POST of a form.
    ///
    /// # Errors
    /// No answer came.
    pub async fn post_form(
        &self,
        url: &str,
        fields: Fields<'_>,
        form: &[(String, String)],
    ) -> Result<Answer> {
        let mut fields = fields.to_vec();
        fields.push(("content-type", "application/x-www-form-urlencoded"));
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send("POST", url, &fields, body.into_bytes()).await
    }

    /// Any request whose answer is read as it arrives, without a time limit; the answer's head is there already.
    ///
    /// # Errors
    /// No answer came.
    pub async fn open(
        &self,
        method: &str,
        url: &str,
        fields: Fields<'_>,
        body: Vec<u8>,
    ) -> Result<EventStream> {
        let request = self.request(method, url, fields, body)?;
        let response: Response = request.send().await.context(|| format!("no answer to {method} {url}"))?;
        Ok(EventStream::new(response))
    }

    fn request(&self, method: &str, url: &str, fields: Fields<'_>, body: Vec<u8>) -> Result<RequestBuilder> {
        let method = Method::from_bytes(method.as_bytes()).context(|| format!("no such method: {method}"))?;
        let mut request = self.0.request(method, url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Ok(if body.is_empty() { request } else { request.body(body) })
    }
}

// === impl Answer ===

impl Answer {
    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .context(|| format!("not JSON (status {}): {}", self.status, self.text()))
    }

    /// The first value of a header field, `None` when absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All JSON-RPC messages of the body: the one of a JSON body, or those of the events.
    ///
    /// # Errors
    /// The body is neither.
    pub fn messages(&self) -> Result<Vec<Value>> {
        if !self.header("content-type").unwrap_or_default().starts_with("text/event-stream") {
            return Ok(vec![self.json()?]);
        }
        let mut messages = Vec::new();
        for event in super::events::parse(&self.text()).0 {
            messages.extend(event.message()?);
        }
        Ok(messages)
    }
}
