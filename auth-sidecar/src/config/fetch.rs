//! What may be fetched that strangers publish? Client ID Metadata Documents and the keys of clients.

use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;

/// Clients whose id is the URL of their metadata document.
#[derive(Clone, Debug)]
pub struct CimdPolicy {
    /// Whether there can be such clients: anyone who publishes a document is one.
    pub enabled: bool,
    /// Documents that have to be fetched for sign-ins begun from one address, per hour; an IPv6 /64 is one address.
    pub per_address_per_hour: u32,
}

/// Where from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPolicy {
    /// Host names and addresses that may be fetched from although they are not public.
    pub private_hosts: Vec<String>,
    /// PEM certificates of authorities that are trusted besides those of the system.
    pub ca: Option<Vec<u8>>,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCimd {
    enabled: bool,
    per_address_per_hour: u32,
}

/// Mirrors the document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFetch {
    private_hosts: Vec<String>,
    ca_file: Option<PathBuf>,
}

// === impl RawCimd ===

impl Default for RawCimd {
    fn default() -> Self {
        Self { enabled: false, per_address_per_hour: 3_600 }
    }
}

impl RawCimd {
    pub(super) fn compile(self) -> CimdPolicy {
        CimdPolicy { enabled: self.enabled, per_address_per_hour: self.per_address_per_hour }
    }
}

// === impl RawFetch ===

impl RawFetch {
    pub(super) fn compile(self) -> Result<FetchPolicy, ConfigError> {
        for (index, host) in self.private_hosts.iter().enumerate() {
            // As a URL would write it: else it would never be found.
            let url = url::Url::parse(&format!("https://{host}/")).ok();
            if url.is_none_or(|url| url.host_str() != Some(host) || url.port().is_some()) {
                let path = format!("fetch.private_hosts[{index}]");
                return Err(ConfigError::new(
                    path,
                    "must be a lower-case host name or an address, without port",
                ));
            }
        }
        let ca = match &self.ca_file {
            None => None,
            Some(file) => {
                const PLACE: &str = "fetch.ca_file";
                let pem = std::fs::read(file).map_err(|error| ConfigError::unreadable(PLACE, file, error))?;
                match reqwest::Certificate::from_pem_bundle(&pem) {
                    Ok(certificates) if !certificates.is_empty() => Some(pem),
                    _ => return Err(ConfigError::new(PLACE, "holds no PEM certificate")),
                }
            }
        };
        Ok(FetchPolicy { private_hosts: self.private_hosts, ca })
    }
}
