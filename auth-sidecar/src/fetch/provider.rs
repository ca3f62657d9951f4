//! How do we speak to a provider of identity? The operator named it, so it may be in our own network; but nothing that
//! it says leads us elsewhere there. Short answers, soon, without redirects, proxies and cookies.

use std::sync::{Arc, OnceLock};

use reqwest::{Client, RequestBuilder, header};
use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::{Host, Url, form_urlencoded};

use super::client::confined;
use super::{FetchError, Fetched, LONGEST, PublicAddresses, receive};
use crate::config::{FetchPolicy, is_loopback};
use crate::telemetry::spans;

/// Questions at a time; more wait, within the same limit.
const MOST_AT_ONCE: usize = 16;

/// Speaks to the providers of the configuration.
pub(crate) struct ProviderHttp {
    /// Made when it is first needed: most servers have no providers.
    http: OnceLock<Option<Client>>,
    ca: Option<Vec<u8>>,
    /// Hosts that the operator named: they need not be public.
    named: Arc<[String]>,
    places: Semaphore,
}

// === impl ProviderHttp ===

impl ProviderHttp {
    /// `bases` are the URLs that the operator named.
    pub(crate) fn new<'a>(policy: &FetchPolicy, bases: impl Iterator<Item = &'a Url>) -> Self {
        let hosts = bases.filter_map(Url::host_str).map(ToOwned::to_owned);
        let named: Vec<String> = policy.private_hosts.iter().cloned().chain(hosts).collect();
        Self {
            http: OnceLock::new(),
            ca: policy.ca.clone(),
            named: named.into(),
            places: Semaphore::new(MOST_AT_ONCE),
        }
    }

    /// The JSON at `url`, for the bearer of a token where there is one.
    pub(crate) async fn get(
        &self,
        url: &Url,
        bearer: Option<&str>,
        accept: &str,
        most: usize,
    ) -> Result<Fetched, FetchError> {
        let http = self.client_for(url)?;
        let request = http.get(url.clone()).header(header::ACCEPT, accept);
        let request = match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        self.send(request, most).instrument(spans::fetch("GET", url)).await
    }

    /// The JSON that answers a form; `basic` are id and secret of the client, where they go into the header.
    pub(crate) async fn post(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
        most: usize,
    ) -> Result<Fetched, FetchError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client_for(url)?
            .post(url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let request = match basic {
            // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
            Some((id, secret)) => request.basic_auth(encoded(id), Some(encoded(secret))),
            None => request,
        };
        self.send(request, most).instrument(spans::fetch("POST", url)).await
    }

    fn client_for(&self, url: &Url) -> Result<&Client, FetchError> {
        if !self.may_name(url) {
            return Err(FetchError::Unreachable);
        }
        self.http.get_or_init(|| self.client()).as_ref().ok_or(FetchError::Unreachable)
    }

    /// https; http only to this machine, for development. No resolver is asked for an address that stands in the URL.
    fn may_name(&self, url: &Url) -> bool {
        let named = url.host_str().is_some_and(|host| self.named.iter().any(|one| one == host));
        match url.scheme() {
            "https" => named || matches!(url.host(), Some(Host::Domain(_))),
            "http" => named && is_loopback(url),
            _ => false,
        }
    }

    fn client(&self) -> Option<Client> {
        let resolver = PublicAddresses { private_hosts: Arc::clone(&self.named) };
        let builder = confined(self.ca.as_deref()).dns_resolver(resolver);
        let http = builder.build();
        if let Err(error) = &http {
            tracing::error!(event = "no_provider_can_be_asked", %error);
        }
        http.ok()
    }

    async fn send(&self, request: RequestBuilder, most: usize) -> Result<Fetched, FetchError> {
        let answered = async {
            let _place = self.places.acquire().await.map_err(|_| FetchError::Unreachable)?;
            let response = request.send().await.map_err(|error| {
                tracing::warn!(event = "provider_unreachable", error = %error.without_url());
                FetchError::Unreachable
            })?;
            receive(response, most).await
        };
        tokio::time::timeout(LONGEST, answered).await.unwrap_or(Err(FetchError::Unreachable))
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_named_may_be_private_and_nothing_else() {
        let bases =
            ["https://10.1.2.3:8443/realm", "http://127.0.0.1:9/x"].map(|url| Url::parse(url).unwrap());
        let http = ProviderHttp::new(&FetchPolicy::default(), bases.iter());
        for (url, wanted) in [
            ("https://10.1.2.3:8443/realm/token", true),
            ("https://idp.example/token", true),
            ("http://127.0.0.1:9/token", true),
            ("https://10.1.2.4/token", false),
            ("https://169.254.169.254/token", false),
            ("http://10.1.2.3/token", false),
            ("http://idp.example/token", false),
            ("http://localhost/token", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(http.may_name(&Url::parse(url).unwrap()), wanted, "{url}");
        }
    }
}
