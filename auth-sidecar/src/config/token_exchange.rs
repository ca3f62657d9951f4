//! Which client may turn a token for one resource server into one for another (RFC 8693)? Whom the operator lists, for what
//! stands there, and nobody else.

use serde::Deserialize;

use super::{ConfigError, Resources};
use crate::oauth::client::{Client, GrantType};

/// What one client may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The id of the client.
    pub client: String,
    /// An audience that the token must have: a resource server.
    pub from: String,
    /// The audience of the token that it gets: another resource server.
    pub to: String,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExchange {
    client: String,
    from: String,
    to: String,
}

pub(super) fn compile(
    raw: Vec<RawExchange>,
    clients: &[Client],
    resources: &Resources,
) -> Result<Vec<Exchange>, ConfigError> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (index, RawExchange { client, from, to }) in raw.into_iter().enumerate() {
        let at = |key: &str, why: &str| ConfigError::new(format!("token_exchange[{index}]{key}"), why);
        let may = |known: &Client| known.id == client && known.may(GrantType::TokenExchange);
        if !clients.iter().any(may) {
            return Err(at(".client", "is not among `clients`, or has no such grant type"));
        }
        for (key, url) in [(".from", &from), (".to", &to)] {
            if resources.exactly(url).is_none() {
                return Err(at(key, "is not among `resources`"));
            }
        }
        if from == to {
            return Err(at(".to", "must be another one"));
        }
        let exchange = Exchange { client, from, to };
        if exchanges.contains(&exchange) {
            return Err(at("", "is listed twice"));
        }
        exchanges.push(exchange);
    }
    let is_idle = |client: &Client| {
        client.may(GrantType::TokenExchange) && !exchanges.iter().any(|one| one.client == client.id)
    };
    match clients.iter().position(is_idle) {
        Some(index) => {
            let why = "a client that exchanges tokens must be in `token_exchange`";
            Err(ConfigError::new(format!("clients[{index}].grant_types"), why))
        }
        None => Ok(exchanges),
    }
}

/// As which client the gateway exchanges tokens: one that may.
pub(super) fn gateway(client: Option<String>, exchanges: &[Exchange]) -> Result<Option<String>, ConfigError> {
    match client {
        Some(client) if !exchanges.iter().any(|one| one.client == client) => {
            Err(ConfigError::new("gateway_client", "is not a client of `token_exchange`"))
        }
        client => Ok(client),
    }
}
