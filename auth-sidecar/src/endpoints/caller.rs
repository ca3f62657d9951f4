//! Whose address is it? The peer's, or the one that the proxies in front vouch for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use std::convert::Infallible;
use std::sync::Arc;

use crate::app::Context;
use crate::idp::throttle;

/// The address that limits count for.
pub(super) struct Caller(pub(super) IpAddr);

impl FromRequestParts<Arc<Context>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, &parts.headers, context.config.trusted_hops))
    }
}

// === impl Caller ===

impl Caller {
    /// The caller of a request that came through so many proxies that are believed.
    pub(super) fn of(extensions: &Extensions, headers: &HeaderMap, hops: usize) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        // No peer cannot happen; all such callers then share one limit.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        Self(vouched_for(&forwarded.collect::<Vec<_>>().join(","), hops).unwrap_or(peer))
    }

    /// The network that limits count for: whoever has one IPv6 address has its /64.
    pub(super) fn network(&self) -> IpAddr {
        throttle::network(self.0)
    }
}

/// The entry that the outermost trusted proxy appended: the `hops`-th from the right. Everything left of it is the
/// caller's own claim.
fn vouched_for(forwarded: &str, hops: usize) -> Option<IpAddr> {
    let index = hops.checked_sub(1)?;
    forwarded.rsplit(',').nth(index)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_trusted_proxy_appended_counts() {
        assert_eq!(vouched_for("1.1.1.1, 2.2.2.2", 0), None);
        assert_eq!(vouched_for("1.1.1.1, 2.2.2.2", 1), "2.2.2.2".parse().ok());
        assert_eq!(vouched_for("1.1.1.1, 2.2.2.2", 2), "1.1.1.1".parse().ok());
        assert_eq!(vouched_for("2.2.2.2", 2), None);
        assert_eq!(vouched_for("nonsense", 1), None);
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let network = |address: &str| Caller(address.parse().unwrap()).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
