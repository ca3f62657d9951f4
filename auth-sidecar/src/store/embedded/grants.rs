//! How does a grant change? It is read, asked, and kept in one transaction; where it has just been revoked, the log of
//! revocations says so in the same commit.

use super::super::StoreError;
use super::super::feed::Revocation;
use super::super::grant::{Grant, OpaqueToken, Redeemed, Redemption, Rotated, Rotation};
use super::feed;
use super::tables::Tx;
use crate::clock::UnixTime;

pub(super) fn redeem(
    tx: &mut Tx<'_>,
    id: &str,
    redemption: &Redemption,
    now: UnixTime,
) -> Result<Redeemed, StoreError> {
    let Some(mut grant) = read(tx, id, now)? else { return Ok(Redeemed::Refused) };
    let was_live = grant.is_live();
    let answer = grant.redeem(redemption, now);
    if answer != Redeemed::Refused {
        keep(tx, &grant, was_live, now)?;
    }
    Ok(answer)
}

pub(super) fn rotate(
    tx: &mut Tx<'_>,
    id: &str,
    rotation: &Rotation,
    now: UnixTime,
) -> Result<Rotated, StoreError> {
    let Some(mut grant) = read(tx, id, now)? else { return Ok(Rotated::Refused) };
    let was_live = grant.is_live();
    let answer = grant.rotate(rotation, now);
    if matches!(answer, Rotated::Fresh | Rotated::Reused) {
        keep(tx, &grant, was_live, now)?;
    }
    Ok(answer)
}

pub(super) fn add_opaque_token(
    tx: &mut Tx<'_>,
    id: &str,
    token: OpaqueToken,
    now: UnixTime,
) -> Result<(), StoreError> {
    let Some(mut grant) = read(tx, id, now)? else { return Ok(()) };
    let was_live = grant.is_live();
    grant.add_opaque_token(token, now);
    keep(tx, &grant, was_live, now)
}

pub(super) fn revoke(tx: &mut Tx<'_>, id: &str, now: UnixTime) -> Result<(), StoreError> {
    let Some(mut grant) = read(tx, id, now)? else { return Ok(()) };
    let was_live = grant.is_live();
    grant.revoke(now);
    keep(tx, &grant, was_live, now)
}

pub(super) fn key(id: &str) -> String {
    format!("g:{id}")
}

fn read(tx: &Tx<'_>, id: &str, now: UnixTime) -> Result<Option<Grant>, StoreError> {
    Ok(tx.row::<Grant>(&key(id), now)?.map(|row| row.value))
}

fn keep(tx: &mut Tx<'_>, grant: &Grant, was_live: bool, now: UnixTime) -> Result<(), StoreError> {
    tx.put(&key(&grant.id), grant, grant.expires_at)?;
    if was_live && !grant.is_live() { feed::announce(tx, &Revocation::of_grant(grant, now)) } else { Ok(()) }
}
