//! How does a client speak MCP in each era? Legacy (2025-11-25): initialize, a session, then requests. Modern
//! (2026-07-28): every request carries its own context, mirrored in headers.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a member of a JSON value gives null where there is none"
)]

use serde_json::{Value, json};

use crate::client::events::EventStream;
use crate::client::http::{Answer, Http};
use crate::failure::Context as _;
use crate::{Failure, Result};

/// The legacy revision that is spoken.
pub const LEGACY: &str = "2025-11-25";
/// The modern revision that is spoken.
pub const MODERN: &str = "2026-07-28";

/// Which way of speaking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Era {
    /// In the session of this id (absent where the server gave none).
    Legacy(Option<String>),
    /// Without a session.
    Modern,
}

/// A client of one MCP server.
#[derive(Clone, Debug)]
pub struct McpClient {
    http: Http,
    url: String,
    token: Option<String>,
    era: Era,
    next_id: u64,
}

// === impl McpClient ===

impl McpClient {
    /// A modern client; nothing is sent yet.
    #[must_use]
    pub fn modern(http: Http, url: &str, token: Option<&str>) -> Self {
        Self { http, url: url.to_owned(), token: token.map(str::to_owned), era: Era::Modern, next_id: 1 }
    }

    /// A legacy client, after initialize and notifications/initialized.
    ///
    /// # Errors
    /// One of the two was refused.
    pub async fn legacy(http: Http, url: &str, token: Option<&str>) -> Result<Self> {
        let mut client = Self { era: Era::Legacy(None), ..Self::modern(http, url, token) };
        let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client_name()});
        let answer = client.send("initialize", params).await?;
        if answer.status != 200 {
            return Err(Failure::new(format!(
                "initialize was refused ({}): {}",
                answer.status,
                answer.text()
            )));
        }
        client.era = Era::Legacy(answer.header("mcp-session-id").map(str::to_owned));
        let message = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let accepted = client.post(&message, &[]).await?;
        if accepted.status != 202 {
            return Err(Failure::new(format!("notifications/initialized answered {}", accepted.status)));
        }
        Ok(client)
    }

    /// Its era and session.
    #[must_use]
    pub fn era(&self) -> &Era {
        &self.era
    }

    /// Takes another token for what follows, as after a refresh.
    pub fn use_token(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// The same client over other connections.
    #[must_use]
    pub fn over(self, http: Http) -> Self {
        Self { http, ..self }
    }

    /// Sends a request and reads the whole answer, whatever it is.
    ///
    /// # Errors
    /// No answer came.
    pub async fn send(&mut self, method: &str, params: Value) -> Result<Answer> {
        let (message, headers) = self.request(method, params);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post(&message, &headers).await
    }

    /// Sends a request; gives its `result`.
    ///
    /// # Errors
    /// It was refused in any way; the refusal's words are kept.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.next_id;
        let answer = self.send(method, params).await?;
        if answer.status != 200 {
            return Err(Failure::new(format!("{method} answered {}: {}", answer.status, answer.text())));
        }
        let messages = answer.messages()?;
        let reply = messages.iter().find(|message| message["id"] == id);
        let reply =
            reply.ok_or_else(|| Failure::new(format!("{method} has no answer with its id: {messages:?}")))?;
        match reply.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(Failure::new(format!("{method} answered {}", reply["error"]))),
        }
    }

    /// Calls a tool; gives its result, which may itself say `isError`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_tool(&mut self, name: &str, arguments: Value) -> Result<Value> {
        self.call("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// The names of a list, in its order, such as `names("tools/list", "tools")`.
    ///
    /// # Errors
    /// As [`Self::call`], or the answer is not such a list.
    pub async fn names(&mut self, method: &str, member: &str) -> Result<Vec<String>> {
        let result = self.call(method, json!({})).await?;
        let items = result[member].as_array();
        let items = items.ok_or_else(|| Failure::new(format!("{method} holds no `{member}`: {result}")))?;
        Ok(items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect())
    }

    /// Sends a request whose answer is read as it arrives.
    ///
    /// # Errors
    /// No answer came.
    pub async fn open(&mut self, method: &str, params: Value) -> Result<EventStream> {
        let (message, mirrored) = self.request(method, params);
        let mut fields = self.fields();
        fields.push(("content-type", "application/json".into()));
        fields.extend(mirrored);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.http.open("POST", &self.url, &fields, message.to_string().into_bytes()).await
    }

    /// Opens the GET stream of a legacy session.
    ///
    /// # Errors
    /// No answer came.
    pub async fn listen(&self) -> Result<EventStream> {
        let fields = self.fields();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.http.open("GET", &self.url, &fields, Vec::new()).await
    }

    /// Ends a legacy session (DELETE).
    ///
    /// # Errors
    /// No answer came.
    pub async fn end(&self) -> Result<Answer> {
        let fields = self.fields();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.http.send("DELETE", &self.url, &fields, Vec::new()).await
    }

    /// Posts any JSON with the usual header fields and `more`.
    ///
    /// # Errors
    /// No answer came.
    pub async fn post(&self, message: &Value, more: &[(&str, &str)]) -> Result<Answer> {
        let fields = self.fields();
        let mut fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.extend_from_slice(more);
        self.http.post_json(&self.url, &fields, message).await
    }

    /// The message, and the header fields that mirror it.
    fn request(&mut self, method: &str, mut params: Value) -> (Value, Vec<(&'static str, String)>) {
        let id = self.next_id;
        self.next_id += 1;
        let mut mirrored = Vec::new();
        if self.era == Era::Modern {
            mirrored.push(("mcp-method", method.to_owned()));
            let member = if method == "resources/read" { "uri" } else { "name" };
            if let ("tools/call" | "prompts/get" | "resources/read", Some(name)) =
                (method, params[member].as_str())
            {
                mirrored.push(("mcp-name", mirror(name)));
            }
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": client_name(),
            });
            if let Some(params) = params.as_object_mut() {
                merge(params.entry("_meta").or_insert(Value::Null), meta);
            }
        }
        (json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}), mirrored)
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("accept", "application/json, text/event-stream".to_owned())];
        fields.extend(self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}"))));
        match &self.era {
            Era::Modern => fields.push(("mcp-protocol-version", MODERN.into())),
            Era::Legacy(None) => {}
            Era::Legacy(Some(session)) => {
                fields.push(("mcp-protocol-version", LEGACY.into()));
                fields.push(("mcp-session-id", session.clone()));
            }
        }
        fields
    }
}

/// A body's value as header value: as it is, or in the Base64 form of 2026-07-28 where a header cannot hold it.
fn mirror(value: &str) -> String {
    use base64::Engine as _;
    let plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && value.trim() == value;
    let sentinel = value.starts_with("=?base64?") && value.ends_with("?=");
    if plain && !sentinel {
        return value.to_owned();
    }
    format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(value))
}

/// Adds members that are not there yet.
fn merge(target: &mut Value, defaults: Value) {
    if target.is_null() {
        *target = defaults;
    } else if let (Some(target), Value::Object(defaults)) = (target.as_object_mut(), defaults) {
        for (name, value) in defaults {
            target.entry(name).or_insert(value);
        }
    }
}

fn client_name() -> Value {
    json!({"name": "wicketgate-test-client", "version": env!("CARGO_PKG_VERSION")})
}

/// Reads one JSON document of a JSON-RPC answer's `error.code`.
///
/// # Errors
/// The answer is not JSON or holds no error.
pub fn error_code(answer: &Answer) -> Result<i64> {
    let messages = answer.messages().context(|| "no JSON-RPC answer".to_owned())?;
    let code = messages.iter().find_map(|message| message["error"]["code"].as_i64());
    code.ok_or_else(|| Failure::new(format!("no JSON-RPC error: {messages:?}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{MODERN, McpClient, mirror};
    use crate::client::http::Http;

    #[test]
    fn modern_requests_mirror_what_they_name_and_keep_their_meta() {
        let mut client = McpClient::modern(Http::new().unwrap(), "http://h/mcp", Some("t"));
        let (message, mirrored) =
            client.request("tools/call", json!({"name": "x", "_meta": {"progressToken": 1}}));
        assert_eq!(message["params"]["_meta"]["progressToken"], 1);
        assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert_eq!(mirrored, [("mcp-method", "tools/call".into()), ("mcp-name", "x".into())]);
        let (_, mirrored) = client.request("resources/read", json!({"uri": "notes://ü"}));
        assert_eq!(mirrored[1], ("mcp-name", "=?base64?bm90ZXM6Ly/DvA==?=".into()));
        assert_eq!(client.request("ping", json!({})).0["id"], 3);
    }

    #[test]
    fn only_what_a_header_cannot_hold_is_encoded() {
        assert_eq!(mirror("get note"), "get note");
        assert_eq!(mirror(" x"), "=?base64?IHg=?=");
        assert_eq!(mirror("=?base64?eA==?="), "=?base64?PT9iYXNlNjQ/ZUE9PT89?=");
    }
}
