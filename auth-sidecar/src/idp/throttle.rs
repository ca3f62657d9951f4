//! May this sign-in be tried at all? Failed attempts per account and per address, counted in the store.
//!
//! An attempt is counted before the password is looked at, so that parallel guesses cannot slip through; a success
//! takes its own count back.

use std::net::{IpAddr, Ipv6Addr};

use crate::clock::UnixTime;
use crate::config::LoginLimits;
use crate::store::{Store, StoreError};

/// Too many attempts.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

/// Counts an attempt.
///
/// # Errors
/// The store's; the inner result says whether the attempt may go on.
pub async fn admit(
    store: &Store,
    limits: &LoginLimits,
    name: &str,
    address: IpAddr,
    now: UnixTime,
) -> Result<Result<(), TooMany>, StoreError> {
    let until = now.plus(limits.window);
    // The narrowest first: what it refuses must not use up the owner's own attempts from elsewhere.
    for (key, limit) in [
        (both(name, address), limits.per_account_and_address),
        (of_address(address), limits.per_address),
        (of_account(name), limits.per_account),
    ] {
        if store.count(&key, until, now).await? > limit {
            return Ok(Err(TooMany));
        }
    }
    Ok(Ok(()))
}

/// Forgets the failures of this account from this address. Of what else was counted, this attempt alone is taken back:
/// else whoever has an account could go on trying others.
///
/// # Errors
/// The store's.
pub async fn succeeded(store: &Store, name: &str, address: IpAddr, now: UnixTime) -> Result<(), StoreError> {
    store.reset_count(&both(name, address)).await?;
    store.uncount(&of_address(address), now).await?;
    store.uncount(&of_account(name), now).await
}

/// Takes an attempt back at which the password was not looked at.
///
/// # Errors
/// The store's.
pub async fn untried(store: &Store, name: &str, address: IpAddr, now: UnixTime) -> Result<(), StoreError> {
    for key in [both(name, address), of_address(address), of_account(name)] {
        store.uncount(&key, now).await?;
    }
    Ok(())
}

/// Forgets all failures of this account, and those from this address where one is named.
///
/// # Errors
/// The store's.
pub async fn forgive(store: &Store, name: &str, address: Option<IpAddr>) -> Result<(), StoreError> {
    store.reset_count(&of_account(name)).await?;
    if let Some(address) = address {
        store.reset_count(&both(name, address)).await?;
        store.reset_count(&of_address(address)).await?;
    }
    Ok(())
}

/// The network that limits count for: whoever has one IPv6 address has its /64, and an IPv4 address is one however it is written.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn of_account(name: &str) -> String {
    format!("login account {name}")
}

fn of_address(address: IpAddr) -> String {
    format!("login address {}", network(address))
}

fn both(name: &str, address: IpAddr) -> String {
    format!("login both {} {name}", network(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address() {
        for (one, other, is_same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let [one, other] = [one, other].map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(of_address(one) == of_address(other), is_same, "{one} {other}");
            assert_eq!(both("alice", one) == both("alice", other), is_same, "{one} {other}");
        }
    }
}
