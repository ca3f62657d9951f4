//! On whose request does something happen? Known for as long as the request is being answered, so that what decides need not
//! be told in order to write it down.

use std::net::IpAddr;

tokio::task_local! {
    static CURRENT: Origin;
}

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The peer, or whom the trusted proxies vouch for.
    pub(crate) address: Option<IpAddr>,
    /// The name that the proxy gave the request, or one of ours.
    pub(crate) request_id: Option<String>,
}

// === impl Origin ===

impl Origin {
    /// Does something on behalf of this request.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// That of the request that is being answered; nobody's where there is none.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }
}
