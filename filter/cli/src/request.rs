//! What does a request file ask? From JSON to a server, a principal and an operation.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::outcome::Unusable;
use serde::Deserialize;
use serde_json::{Map, Value};
use wicketgate_core::guard::Guard;
use wicketgate_core::head::PeerCertificate;
use wicketgate_core::identity::certificate::{CertificateName, ClientCertificates};
use wicketgate_core::identity::network::address_of;
use wicketgate_core::identity::origin::Origin;
use wicketgate_core::identity::principal::{Identity, Principal};
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::server::Server;
use wicketgate_core::time::Timestamp;

/// The request file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) server: Option<String>,
    url: Option<String>,
    pub(crate) principal: Option<Asking>,
    method: Option<String>,
    tool: Option<String>,
    prompt: Option<String>,
    resource: Option<String>,
    template: Option<String>,
    task: Option<String>,
    arguments: Option<Map<String, Value>>,
    message: Option<Map<String, Value>>,
    address: Option<String>,
    origin: Option<String>,
    bytes: Option<u64>,
    read_only: Option<bool>,
    after: Option<Vec<String>>,
    /// Names of the certificate of the connection, as rules write them.
    pub(crate) certificate: Option<Vec<String>>,
    /// What a Rego policy may read besides.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Seconds since 1970; now if absent.
    pub(crate) time: Option<u64>,
}

/// What stands around a request.
#[derive(Debug)]
pub(crate) struct Around {
    /// Where it comes from.
    pub(crate) address: Option<String>,
    /// The page that asks.
    pub(crate) origin: Option<Origin>,
    /// How long its body is.
    pub(crate) bytes: u64,
    /// Whether the server lists the tool as one that changes nothing.
    pub(crate) read_only: bool,
    /// Tools that were called before.
    pub(crate) after: Vec<String>,
}

/// Who asks.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Asking {
    Word(String),
    Claims(Claims),
}

/// What a verified token would say. The issuer may be left out where the server accepts one only.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    issuer: Option<String>,
    #[serde(default)]
    subject: String,
    client_id: Option<String>,
    #[serde(default)]
    scopes: Words,
    #[serde(default)]
    groups: Words,
    #[serde(default)]
    roles: Words,
    organization: Option<String>,
}

/// A list, or one text with spaces.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Line(String),
}

// === impl Request ===

impl Request {
    /// Reads `text`: an object as the help shows it, or a bare JSON-RPC message.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        let wrong = |e: serde_json::Error| Unusable(format!("the request is not understood: {e}"));
        let object: Map<String, Value> = serde_json::from_str(text).map_err(wrong)?;
        if object.contains_key("jsonrpc") {
            return Ok(Self { message: Some(object), ..Self::default() });
        }
        serde_json::from_value(Value::Object(object)).map_err(wrong)
    }

    /// The server asked: by name, by URL, or the only one.
    pub(crate) fn server<'a>(&self, guard: &'a Guard) -> Result<&'a Server, Unusable> {
        let names = || guard.servers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(name) = &self.server {
            return guard
                .server(name)
                .ok_or_else(|| Unusable(format!("no server `{name}`; there are: {}", names())));
        }
        if let Some(url) = &self.url {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = if path.is_empty() { "/" } else { path };
            return guard
                .route(authority, path)
                .ok_or_else(|| Unusable(format!("no server is at {url}; there are: {}", names())));
        }
        match guard.servers.as_slice() {
            [only] => Ok(only),
            _ => {
                Err(Unusable(format!("which server? name one with --server or in the request: {}", names())))
            }
        }
    }

    /// What stands around it; where nothing is said, nothing that would refuse.
    pub(crate) fn around(&self) -> Result<Around, Unusable> {
        let origin = self.origin.as_deref().map(Origin::parse).transpose();
        if let Some(address) = self.address.as_deref()
            && address_of(Some(address)).is_none()
        {
            return Err(Unusable(format!("`{address}` is no IP address")));
        }
        Ok(Around {
            address: self.address.clone(),
            origin: origin.map_err(|why| Unusable(format!("the origin: {why}")))?,
            bytes: self.bytes.unwrap_or_default(),
            read_only: self.read_only.unwrap_or_default(),
            after: self.after.clone().unwrap_or_default(),
        })
    }

    /// The method and the things that it names.
    pub(crate) fn operation(&self) -> Result<Operation, Unusable> {
        if let Some(message) = &self.message {
            if self.method.is_some() || !self.targets().is_empty() {
                return Err(Unusable("the request has a message as well as a method or a target".to_owned()));
            }
            return operation_of(message);
        }
        let method = self
            .method
            .clone()
            .ok_or_else(|| Unusable("the request has no method and no message".to_owned()))?;
        Ok(Operation { method, targets: self.targets() })
    }

    /// The certificate of the connection, which counts at `server`.
    pub(crate) fn certificate(&self, server: &Server) -> Result<Option<PeerCertificate>, Unusable> {
        let Some(names) = &self.certificate else { return Ok(None) };
        if server.certificates == ClientCertificates::Ignored {
            return Err(Unusable(format!(
                "certificates mean nothing to `{}`: it has no `client_certificates`",
                server.name
            )));
        }
        let parse = |text: &String| {
            CertificateName::parse(text)
                .map_err(|(why, _)| Unusable(format!("the certificate: `{text}` {why}")))
        };
        let names: Vec<CertificateName> = names.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(CertificateName::certificate(&names))
    }

    /// The arguments of the call, as JSON.
    pub(crate) fn arguments(&self) -> Result<String, Unusable> {
        let of_message = self.message.as_ref().and_then(|m| m.get("params")?.get("arguments"));
        match (&self.arguments, of_message) {
            (Some(_), _) if self.message.is_some() => {
                Err(Unusable("the request has a message as well as arguments".to_owned()))
            }
            (Some(arguments), _) => Ok(Value::Object(arguments.clone()).to_string()),
            (None, Some(Value::Object(arguments))) => Ok(Value::Object(arguments.clone()).to_string()),
            (None, None | Some(Value::Null)) => Ok("{}".to_owned()),
            (None, Some(_)) => Err(Unusable("the arguments of the message are no object".to_owned())),
        }
    }

    fn targets(&self) -> Vec<Target> {
        let named = [
            self.tool.clone().map(Target::Tool),
            self.prompt.clone().map(Target::Prompt),
            self.resource.clone().map(Target::Resource),
            self.template.clone().map(Target::Template),
            self.task.clone().map(Target::Task),
        ];
        named.into_iter().flatten().collect()
    }
}

// === impl Asking ===

impl Asking {
    /// Reads what stands after `--as`.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        if text == "anonymous" {
            return Ok(Self::Word(text.to_owned()));
        }
        let claims = serde_json::from_str(text).map_err(|e| {
            Unusable(format!("--as is `anonymous` or an object such as {{\"subject\": \"alice\"}}: {e}"))
        })?;
        Ok(Self::Claims(claims))
    }

    /// The principal, as one whose token was verified for `server`, on a connection with this certificate.
    pub(crate) fn principal(
        self,
        certificate: Option<PeerCertificate>,
        guard: &Guard,
        server: &Server,
    ) -> Result<Principal, Unusable> {
        let claims = match self {
            Self::Word(word) if word == "anonymous" => {
                let alone = certificate.filter(|_| server.certificates == ClientCertificates::Alone);
                return Ok(alone.map_or(Principal::Anonymous, |shown| Principal::Certified(Arc::new(shown))));
            }
            Self::Word(word) => {
                return Err(Unusable(format!("`{word}` is nobody; write \"anonymous\" or an object")));
            }
            Self::Claims(claims) => claims,
        };
        let accepted: Vec<&str> = guard.issuers_of(server).map(|i| i.issuer.as_str()).collect();
        let issuer = match (&claims.issuer, accepted.as_slice()) {
            (Some(issuer), known) if known.contains(&issuer.as_str()) => issuer.clone(),
            (None, [only]) => (*only).to_owned(),
            (Some(issuer), known) => {
                let known = known.join(", ");
                return Err(Unusable(format!(
                    "tokens of {issuer} are refused by this server; it accepts: {known}"
                )));
            }
            (None, known) => {
                let known = known.join(", ");
                return Err(Unusable(format!("which issuer? the principal needs one of: {known}")));
            }
        };
        let mut scopes = claims.scopes.list();
        scopes.sort();
        scopes.dedup();
        Ok(Principal::Authenticated(Arc::new(Identity {
            issuer,
            subject: claims.subject,
            client: claims.client_id,
            scopes,
            groups: claims.groups.list(),
            roles: claims.roles.list(),
            organization: claims.organization,
            grant: None,
            grant_client: None,
            key: None,
            certificate,
            issued: None,
            expires: Timestamp::from_nanos(u64::MAX),
        })))
    }
}

// === impl Words ===

impl Words {
    fn list(self) -> Vec<String> {
        match self {
            Self::List(list) => list,
            Self::Line(line) => line.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// What a JSON-RPC message asks, by the names of mcp.md 1.2. Traffic is read far more strictly; this is for people.
fn operation_of(message: &Map<String, Value>) -> Result<Operation, Unusable> {
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        let is_answer = message.contains_key("result") || message.contains_key("error");
        return if is_answer {
            Ok(Operation::bare(Operation::ANSWER))
        } else {
            Err(Unusable("the message has no method".to_owned()))
        };
    };
    let params = message.get("params").unwrap_or(&Value::Null);
    let text = |pointer: &str| params.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let listened = || params.pointer("/notifications/resourceSubscriptions").and_then(Value::as_array);
    let targets: Vec<Target> = match method {
        "tools/call" => text("/name").map(Target::Tool).into_iter().collect(),
        "prompts/get" => text("/name").map(Target::Prompt).into_iter().collect(),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            text("/uri").map(Target::Resource).into_iter().collect()
        }
        "completion/complete" => {
            let uri = text("/ref/uri")
                .map(|u| if u.contains('{') { Target::Template(u) } else { Target::Resource(u) });
            text("/ref/name").map(Target::Prompt).into_iter().chain(uri).collect()
        }
        "tasks/get" | "tasks/cancel" | "tasks/result" | "tasks/update" => {
            text("/taskId").map(Target::Task).into_iter().collect()
        }
        "subscriptions/listen" => listened()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|u| Target::Resource(u.to_owned()))
            .collect(),
        _ => Vec::new(),
    };
    Ok(Operation { method: method.to_owned(), targets })
}
