//! How do device authorizations lie in the file? By the id of the grant that they may become, with an index by what the
//! user types.

use std::time::Duration;

use super::super::StoreError;
use super::super::device::{DeviceAuthorization, Polled};
use super::tables::Tx;
use crate::clock::UnixTime;
use crate::secret::Digest;

/// So long after its end a device is still told that it came too late, and not that it is unknown.
const REMEMBERED: Duration = Duration::from_secs(600);

pub(super) fn put(tx: &mut Tx<'_>, device: &DeviceAuthorization, now: UnixTime) -> Result<bool, StoreError> {
    let index = user_code_key(device.user_code);
    if tx.row::<String>(&index, now)?.is_some() {
        return Ok(false);
    }
    tx.put(&index, &device.id, device.expires_at)?;
    keep(tx, device)?;
    Ok(true)
}

pub(super) fn poll(
    tx: &mut Tx<'_>,
    id: &str,
    device_code: &Digest,
    client_id: &str,
    now: UnixTime,
) -> Result<Polled, StoreError> {
    let Some(mut device) = read(tx, id, now)? else { return Ok(Polled::Refused) };
    let answer = device.poll(device_code, client_id, now);
    if matches!(answer, Polled::Pending | Polled::SlowDown) {
        keep(tx, &device)?;
    }
    Ok(answer)
}

pub(super) fn decide(
    tx: &mut Tx<'_>,
    id: &str,
    approved: bool,
    now: UnixTime,
) -> Result<Option<DeviceAuthorization>, StoreError> {
    let Some(mut device) = read(tx, id, now)? else { return Ok(None) };
    if !device.decide(approved, now) {
        return Ok(None);
    }
    keep(tx, &device)?;
    tx.remove(&user_code_key(device.user_code))?;
    Ok(Some(device))
}

pub(super) fn device_key(id: &str) -> String {
    format!("d:{id}")
}

pub(super) fn user_code_key(user_code: Digest) -> String {
    format!("uc:{}", user_code.encoded())
}

fn read(tx: &Tx<'_>, id: &str, now: UnixTime) -> Result<Option<DeviceAuthorization>, StoreError> {
    Ok(tx.row::<DeviceAuthorization>(&device_key(id), now)?.map(|row| row.value))
}

fn keep(tx: &mut Tx<'_>, device: &DeviceAuthorization) -> Result<(), StoreError> {
    tx.put(&device_key(&device.id), device, device.expires_at.plus(REMEMBERED))
}
