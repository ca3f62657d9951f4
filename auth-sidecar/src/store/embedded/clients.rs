//! Clients that registered themselves: changed and removed only by who has their registration access token, in the same
//! transaction that looks at it.

use super::feed;
use super::tables::{Row, Tx};
use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::secret::Digest;
use crate::store::StoreError;
use crate::store::feed::Revocation;

pub(super) fn key(id: &str) -> String {
    format!("cl:{id}")
}

/// `false` when there is no such client, or the token is not its own.
pub(super) fn replace(
    tx: &mut Tx<'_>,
    client: &Client,
    presented: &Digest,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let key = key(&client.id);
    match tx.row::<Client>(&key, now)? {
        Some(Row { value, expires_at }) if value.is_managed_with(presented) => {
            tx.put(&key, client, expires_at).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// `false` when there is no such client, or the token is not its own. What it was granted ends with it.
pub(super) fn remove(
    tx: &mut Tx<'_>,
    id: &str,
    presented: &Digest,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let key = key(id);
    match tx.row::<Client>(&key, now)? {
        Some(Row { value, .. }) if value.is_managed_with(presented) => {
            feed::announce(tx, &Revocation::of_client(&value.id, now))?;
            tx.remove(&key).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Never shortens.
pub(super) fn extend(tx: &mut Tx<'_>, id: &str, until: UnixTime, now: UnixTime) -> Result<(), StoreError> {
    let key = key(id);
    match tx.row::<Client>(&key, now)? {
        Some(Row { value, expires_at }) if expires_at < until => tx.put(&key, &value, until),
        _ => Ok(()),
    }
}
