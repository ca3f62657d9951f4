//! The HTTP client with which we read what others say: nothing of the environment, of an earlier answer or of who asked us goes along,
//! and no answer leads anywhere.

use reqwest::{Client, ClientBuilder, redirect};

use super::authorities::trusted;

/// Without redirects, proxies, referrers and kept connections; `ca` (PEM) is trusted besides the system's authorities.
pub(crate) fn confined(ca: Option<&[u8]>) -> ClientBuilder {
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .pool_max_idle_per_host(0)
        .user_agent("wicketgate-auth");
    trusted(builder, ca)
}
