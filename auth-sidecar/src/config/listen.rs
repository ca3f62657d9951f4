//! Where do the four listeners stand, and are they met in clear or in TLS? Apart, so that a network rule can keep three of them private.

mod clients;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

pub use self::tls::ListenTls;
use self::tls::RawTls;
pub(crate) use self::tls::expiry;
use super::ConfigError;

/// The four listeners.
#[derive(Clone, Debug)]
pub struct Listen {
    /// OAuth for clients and browsers.
    pub public: Listener,
    /// The gateway's own calls.
    pub internal: Listener,
    /// Health and administration.
    pub admin: Listener,
    /// Prometheus metrics.
    pub metrics: Listener,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address to bind; port 0 lets the system choose.
    pub address: SocketAddr,
    /// How it is met in TLS; left out: in clear.
    pub tls: Option<Arc<ListenTls>>,
}

/// Mirrors the document.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListen {
    public: RawListener,
    internal: RawListener,
    admin: RawListener,
    metrics: RawListener,
}

/// An address, or one with more to say. Deserialized by hand: a derived choice of the two would name no place of a mistake.
#[derive(Debug)]
struct RawListener(RawPlace);

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlace {
    address: SocketAddr,
    tls: Option<RawTls>,
}

struct ListenerVisitor;

// === impl Listen ===

impl Listen {
    /// Each with its name in the document.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &Listener); 4] {
        [
            ("public", &self.public),
            ("internal", &self.internal),
            ("admin", &self.admin),
            ("metrics", &self.metrics),
        ]
    }

    /// Whether the two have the same addresses, and are met in TLS at the same ones. Certificates may differ.
    #[must_use]
    pub fn is_same_place_as(&self, other: &Self) -> bool {
        let place = |listener: &Listener| (listener.address, listener.tls.is_some());
        self.all().iter().zip(other.all()).all(|((_, one), (_, other))| place(one) == place(other))
    }
}

// === impl Listener ===

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.tls {
            None => write!(f, "{}", self.address),
            Some(tls) => write!(f, "{} ({tls})", self.address),
        }
    }
}

// === impl RawListen ===

impl RawListen {
    pub(super) fn compile(self) -> Result<Listen, ConfigError> {
        let listen = Listen {
            public: self.public.compile("public")?,
            internal: self.internal.compile("internal")?,
            admin: self.admin.compile("admin")?,
            metrics: self.metrics.compile("metrics")?,
        };
        if listen.admin.tls.as_ref().is_some_and(|tls| tls.asks_clients()) {
            return Err(ConfigError::new(
                "listen.admin.tls.clients",
                "is for the other listeners: probes and the commands of this program have no certificate to show; \
                 `admin.token` says who may administer",
            ));
        }
        Ok(listen)
    }
}

// === impl RawListener ===

impl RawListener {
    fn compile(self, name: &str) -> Result<Listener, ConfigError> {
        let RawPlace { address, tls } = self.0;
        let tls = tls.map(|files| ListenTls::read(format!("listen.{name}.tls"), files).map(Arc::new));
        Ok(Listener { address, tls: tls.transpose()? })
    }
}

impl<'de> Deserialize<'de> for RawListener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenerVisitor).map(Self)
    }
}

// === impl ListenerVisitor ===

impl<'de> Visitor<'de> for ListenerVisitor {
    type Value = RawPlace;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IP:PORT or {address: IP:PORT, tls: {certificate: FILE, key: FILE}}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawPlace, E> {
        let address =
            text.parse().map_err(|_| E::custom(format!("`{text}` is no address: write IP:PORT")))?;
        Ok(RawPlace { address, tls: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPlace, A::Error> {
        RawPlace::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests;
