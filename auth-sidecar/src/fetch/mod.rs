//! How do we read what a stranger publishes? Over https alone, from public addresses alone, a little of it, and soon.
//!
//! The URL is a stranger's choice, so it may aim at our own network (SSRF). Names are resolved here, every address that
//! comes out is judged, and the connection goes to exactly these: a second answer of the DNS has no use. No redirect is
//! followed, no proxy of the environment used, nothing but a GET without credentials sent.

mod address;
mod authorities;
pub(crate) mod cache;
pub(crate) mod client;
mod places;
pub(crate) mod provider;
pub(crate) mod turns;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, StatusCode, header};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::time::Instant;
use tracing::Instrument as _;
use url::{Host, Url};

pub(crate) use self::authorities::trusted;
use self::client::confined;
use self::places::Places;
use self::turns::Turns;
use crate::config::FetchPolicy;
use crate::telemetry::spans;

/// From the look-up of the name to the last byte; and as long for a place and one's turn before.
const LONGEST: Duration = Duration::from_secs(5);
/// What is fetched counts as fresh for so long where the answer does not say.
const USUAL_FRESHNESS: Duration = Duration::from_secs(10 * 60);
/// Bounds on what an answer may say.
const FRESHNESS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

/// Fetches JSON documents of strangers.
pub(crate) struct Fetcher {
    /// Made when it is first needed: most servers never fetch anything, and then need no certificate authorities.
    http: OnceLock<Option<Client>>,
    ca: Option<Vec<u8>>,
    private_hosts: Arc<[String]>,
    turns: Turns,
    places: Places,
    longest: Duration,
}

/// Nobody else fetches the same until this is dropped.
pub(crate) struct Turn {
    url: Url,
    waits_until: Instant,
    _turn: OwnedMutexGuard<()>,
    _share: Option<OwnedSemaphorePermit>,
}

/// A document.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// JSON, as its content type says; not parsed yet.
    pub(crate) body: Vec<u8>,
    /// How long it need not be fetched again.
    pub(crate) fresh_for: Duration,
}

/// Why there is no document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// Its place cannot be reached now.
    #[error("it cannot be fetched")]
    Unreachable,
    /// Its place is one we do not connect to. For who asked the two are one answer: which names exist in our network is nobody's
    /// business. For our own records they are not.
    #[error("it cannot be fetched")]
    NotPublic,
    /// Too much is being fetched at this moment. That is nothing to remember of its place.
    #[error("it cannot be fetched now")]
    Busy,
    /// What is there cannot be used.
    #[error("{0}")]
    Refused(&'static str),
}

/// Resolves names to public addresses or not at all.
struct PublicAddresses {
    private_hosts: Arc<[String]>,
}

#[derive(Debug, thiserror::Error)]
#[error("the name has an address that is not public")]
struct NotPublic;

// === impl Fetcher ===

impl Fetcher {
    pub(crate) fn new(policy: &FetchPolicy) -> Self {
        if !policy.private_hosts.is_empty() {
            let hosts = policy.private_hosts.join(" ");
            tracing::warn!(
                event = "private_hosts_may_be_asked",
                hosts,
                "clients can make this server ask them"
            );
        }
        Self {
            http: OnceLock::new(),
            ca: policy.ca.clone(),
            private_hosts: policy.private_hosts.clone().into(),
            turns: Turns::new(),
            places: Places::new(),
            longest: LONGEST,
        }
    }

    /// None when it cannot be made: then nothing can be fetched.
    fn client(&self) -> Option<Client> {
        let resolver = PublicAddresses { private_hosts: Arc::clone(&self.private_hosts) };
        let builder = confined(self.ca.as_deref()).https_only(true).dns_resolver(resolver);
        let http = builder.build();
        if let Err(error) = &http {
            tracing::error!(event = "nothing_can_be_fetched", error = %cause(error));
        }
        http.ok()
    }

    /// Waits until nobody else fetches what is at `url`: what he learned is known then. `network` is the one that asks, where it may
    /// be anybody's: it waits for what it has under way itself before others could wait for it.
    pub(crate) async fn turn(&self, url: &Url, network: Option<IpAddr>) -> Result<Turn, FetchError> {
        let waits_until = Instant::now() + self.longest;
        let waited = async {
            let share = match network {
                Some(network) => Some(self.places.for_network(network).await.ok_or(FetchError::Busy)?),
                None => None,
            };
            let turn = self.turns.of(url.as_str()).await;
            Ok(Turn { url: url.clone(), waits_until, _turn: turn, _share: share })
        };
        tokio::time::timeout_at(waits_until, waited).await.unwrap_or(Err(FetchError::Busy))
    }

    /// The JSON document whose turn it is, of at most `most` bytes.
    pub(crate) async fn json(&self, turn: &Turn, most: usize) -> Result<Fetched, FetchError> {
        let url = &turn.url;
        if !self.may_name(url) {
            return Err(FetchError::NotPublic);
        }
        let place = self.places.at_host(url.host_str().unwrap_or_default());
        let place = tokio::time::timeout_at(turn.waits_until, place).await.ok().flatten();
        let _place = place.ok_or(FetchError::Busy)?;
        let fetched = self.fetch(url, most).instrument(spans::fetch("GET", url));
        tokio::time::timeout(self.longest, fetched).await.unwrap_or(Err(FetchError::Unreachable))
    }

    /// Whether anything would be asked at all. No resolver is asked for an address that stands in the URL itself, so
    /// such a URL is judged here.
    pub(crate) fn may_name(&self, url: &Url) -> bool {
        let named = url.host_str().is_some_and(|host| self.private_hosts.iter().any(|one| one == host));
        url.scheme() == "https" && (named || matches!(url.host(), Some(Host::Domain(_))))
    }

    async fn fetch(&self, url: &Url, most: usize) -> Result<Fetched, FetchError> {
        let http = self.http.get_or_init(|| self.client()).as_ref().ok_or(FetchError::Unreachable)?;
        let request = http.get(url.clone()).header(header::ACCEPT, "application/json");
        let response = request.send().await.map_err(|error| {
            tracing::debug!(event = "fetch_failed", error = %cause(&error));
            match bottom(&error).is::<NotPublic>() {
                true => FetchError::NotPublic,
                false => FetchError::Unreachable,
            }
        })?;
        receive(response, most).await
    }
}

// === impl PublicAddresses ===

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private_hosts.iter().any(|host| host == name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !private && !found.iter().all(|found| address::is_public(found.ip())) {
                return Err(NotPublic.into());
            }
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// What lies at the bottom of an error; the layers above only say that there is one.
fn bottom(error: &reqwest::Error) -> &(dyn std::error::Error + 'static) {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

fn cause(error: &reqwest::Error) -> String {
    bottom(error).to_string()
}

/// Reads an answer of at most `most` bytes; one that announces more, or goes on for longer, is not read on.
async fn receive(mut response: Response, most: usize) -> Result<Fetched, FetchError> {
    judge_head(&response, most)?;
    let fresh_for = freshness(&response);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Unreachable)? {
        if body.len().saturating_add(chunk.len()) > most {
            return Err(FetchError::Refused("it is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { body, fresh_for })
}

fn judge_head(response: &Response, most: usize) -> Result<(), FetchError> {
    match response.status() {
        StatusCode::OK => {}
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(FetchError::Unreachable);
        }
        status if status.is_redirection() => return Err(FetchError::Refused("its URL redirects")),
        _ => return Err(FetchError::Refused("it is not there")),
    }
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence != "application/json" && !(essence.starts_with("application/") && essence.ends_with("+json")) {
        return Err(FetchError::Refused("its content type is not JSON"));
    }
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(FetchError::Refused("it is too large"));
    }
    Ok(())
}

/// `Cache-Control` (RFC 9111 section 5.2.2) within our bounds: what may not be kept is kept for a minute, so that one
/// sign-in does not fetch it five times.
fn freshness(response: &Response) -> Duration {
    let lines = response.headers().get_all(header::CACHE_CONTROL).iter();
    let text: Vec<&str> = lines.filter_map(|value| value.to_str().ok()).collect();
    freshness_of(&text.join(","))
}

fn freshness_of(cache_control: &str) -> Duration {
    let mut freshness = USUAL_FRESHNESS;
    for directive in cache_control.split(',').map(|directive| directive.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            None if directive == "no-store" || directive == "no-cache" => return *FRESHNESS.start(),
            Some(("max-age", seconds)) => {
                let seconds = seconds.trim_matches('"').parse().map_or(Duration::ZERO, Duration::from_secs);
                freshness = seconds;
            }
            _ => {}
        }
    }
    freshness.clamp(*FRESHNESS.start(), *FRESHNESS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_kept_within_bounds() {
        for (text, seconds) in [
            ("", 600),
            ("max-age=300", 300),
            ("public, Max-Age=\"7200\"", 7200),
            ("max-age=5", 60),
            ("max-age=99999999", 86_400),
            ("max-age=x", 60),
            ("no-store", 60),
            ("max-age=3600, no-cache", 60),
        ] {
            assert_eq!(freshness_of(text).as_secs(), seconds, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_not_public_is_not_named() {
        let fetcher = Fetcher::new(&FetchPolicy { private_hosts: vec!["10.1.2.3".into()], ca: None });
        for (url, wanted) in [
            ("https://client.example/c.json", true),
            ("https://10.1.2.3/c.json", true),
            ("http://client.example/c.json", false),
            ("https://8.8.8.8/c.json", false),
            ("https://127.0.0.1/c.json", false),
            ("https://2130706433/c.json", false),
            ("https://0x7f.1/c.json", false),
            ("https://[::1]/c.json", false),
            ("https://[::ffff:127.0.0.1]/c.json", false),
        ] {
            assert_eq!(fetcher.may_name(&Url::parse(url).unwrap()), wanted, "{url}");
        }
    }

    #[tokio::test]
    async fn a_host_that_says_nothing_is_given_up() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("https://{}/c.json", silent.local_addr().unwrap())).unwrap();
        let policy = FetchPolicy { private_hosts: vec!["127.0.0.1".into()], ca: None };
        let fetcher = Fetcher { longest: Duration::from_millis(50), ..Fetcher::new(&policy) };
        let turn = fetcher.turn(&url, None).await.unwrap();
        assert_eq!(fetcher.json(&turn, 1).await.unwrap_err(), FetchError::Unreachable);
        assert!(fetcher.places.are_all_free(), "its place is free again");
    }

    /// Of one network, many networks or one host, nobody takes all places: these never answer, and nobody gives them up.
    #[tokio::test]
    async fn who_names_silent_places_keeps_nobody_else_waiting() {
        let named = ["127.0.0.1", "localhost"];
        let policy = FetchPolicy { private_hosts: named.map(ToOwned::to_owned).into(), ca: None };
        let longest = Duration::from_secs(60 * 60);
        let fetcher = Arc::new(Fetcher { longest, ..Fetcher::new(&policy) });
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ask = |host: &str, path: usize, at: &tokio::net::TcpListener, network: u8| {
            let url = format!("https://{host}:{}/{path}", at.local_addr().unwrap().port());
            let (url, fetcher) = (Url::parse(&url).unwrap(), Arc::clone(&fetcher));
            drop(tokio::spawn(async move {
                let turn = fetcher.turn(&url, Some([192, 0, 2, network].into())).await.unwrap();
                fetcher.json(&turn, 1).await
            }));
        };
        (0..3).for_each(|path| ask("127.0.0.1", path, &silent, 0));
        (3..19).for_each(|path| ask("localhost", path, &silent, 0));
        for network in 1..4 {
            let first = 100 * usize::from(network);
            (first..first + 16).for_each(|path| ask("127.0.0.1", path, &silent, network));
        }
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(silent.accept().await.unwrap());
        }
        ask("localhost", 0, &other, 4);
        let reached = tokio::time::timeout(Duration::from_secs(30), other.accept()).await;
        assert!(reached.is_ok(), "somebody else at another host");
    }

    #[tokio::test]
    async fn a_name_with_a_private_address_has_none() {
        let resolver = |private_hosts: Vec<String>| PublicAddresses { private_hosts: private_hosts.into() };
        let name = || "localhost".parse::<Name>().unwrap();
        assert!(resolver(Vec::new()).resolve(name()).await.is_err());
        assert!(resolver(vec!["localhost".into()]).resolve(name()).await.is_ok());
    }
}
