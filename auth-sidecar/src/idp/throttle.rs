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
    let is_too_many = async |key: &str, limit: u32| -> Result<bool, StoreError> {
        Ok(store.count(key, until, now).await? > limit)
    };
    // The address before what is kept for each name: else a stranger has one more record written for every name that he makes up.
    let address_key = of_address(address);
    if is_too_many(&address_key, limits.per_address).await? {
        return Ok(Err(TooMany));
    }
    // Then the narrowest: what it refuses must not use up the owner's own attempts from elsewhere, nor those of others from here.
    if is_too_many(&both(name, address), limits.per_account_and_address).await? {
        store.uncount(&address_key, now).await?;
        return Ok(Err(TooMany));
    }
    Ok(match is_too_many(&of_account(name), limits.per_account).await? {
        true => Err(TooMany),
        false => Ok(()),
    })
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
    use std::time::Duration;

    use super::*;
    use crate::store::embedded::EmbeddedStore;

    const NOW: UnixTime = UnixTime(1_000);
    const LIMITS: LoginLimits = LoginLimits {
        per_account_and_address: 2,
        per_account: 100,
        per_address: 4,
        window: Duration::from_secs(60),
    };

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(EmbeddedStore::open(&folder.path().join("store.redb")).unwrap());
        (folder, store)
    }

    async fn is_admitted(store: &Store, name: &str, address: &str) -> bool {
        admit(store, &LIMITS, name, address.parse().unwrap(), NOW).await.unwrap().is_ok()
    }

    #[tokio::test]
    async fn an_address_that_is_refused_leaves_no_records_of_names() {
        let (_folder, store) = store();
        for name in ["a", "b", "c", "d"] {
            assert!(is_admitted(&store, name, "192.0.2.1").await, "{name}");
        }
        let kept = async || store.export(None, NOW).await.unwrap().items.len();
        let before = kept().await;
        assert_eq!(before, 9, "one for the address, two for each name");
        for name in 0..20 {
            assert!(!is_admitted(&store, &format!("invented {name}"), "192.0.2.1").await);
        }
        assert_eq!(kept().await, before);
        assert!(is_admitted(&store, "a", "192.0.2.2").await, "elsewhere the owner goes on");
    }

    #[tokio::test]
    async fn what_the_narrowest_refuses_uses_up_nothing_else() {
        let (_folder, store) = store();
        for attempt in 0..20 {
            assert_eq!(is_admitted(&store, "victim", "192.0.2.1").await, attempt < 2, "{attempt}");
        }
        for attempt in 0..3 {
            assert_eq!(is_admitted(&store, "neighbour", "192.0.2.1").await, attempt < 2, "{attempt}");
        }
        let account = of_account("victim");
        assert_eq!(
            store.count(&account, NOW.plus(LIMITS.window), NOW).await.unwrap(),
            3,
            "two, and this one"
        );
    }

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
