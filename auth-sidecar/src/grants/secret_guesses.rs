//! How often may the secret of a client be guessed? So often from one network, whose guesses then count no more; elsewhere its owner
//! goes on undisturbed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::Client;

/// Wrong secrets of one client from one network before further ones are refused unseen. No random secret is found by so few, and
/// a deployment with an old one has its time to be noticed.
const MOST: u32 = 100;
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Who has guessed too often, as far as this process knows: who presents the right secret costs no look at the store.
#[derive(Default)]
pub(crate) struct Guessers(Mutex<HashMap<(String, IpAddr), UnixTime>>);

// === impl Guessers ===

impl Guessers {
    /// So many are remembered.
    const MOST: usize = 10_000;

    fn holds(&self, client_id: &str, network: IpAddr, now: UnixTime) -> bool {
        let guessers = self.lock();
        // What is always so, as a rule: nothing is allocated for it.
        !guessers.is_empty()
            && guessers.get(&(client_id.to_owned(), network)).is_some_and(|until| now < *until)
    }

    fn note(&self, client_id: &str, network: IpAddr, until: UnixTime, now: UnixTime) {
        let mut guessers = self.lock();
        guessers.retain(|_, until| now < *until);
        if guessers.len() < Self::MOST {
            guessers.insert((client_id.to_owned(), network), until);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, IpAddr), UnixTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a secret of this client may be presented from this network at all.
///
/// # Errors
/// [`Failure::TooMany`].
pub(super) fn admit(
    context: &Context,
    client: &Client,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    match context.guessers.holds(&client.id, network, now) {
        true => Err(Failure::TooMany),
        false => Ok(()),
    }
}

/// Counts a wrong one. The store counts for all replicas, and each of them looks there when it is guessed at.
///
/// # Errors
/// [`Failure::TooMany`], and the store's.
pub(super) async fn count(
    context: &Context,
    client: &Client,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    let until = now.plus(WINDOW);
    let counter = format!("client secret {network} {}", client.id);
    if context.store.count(&counter, until, now).await? <= MOST {
        return Ok(());
    }
    context.guessers.note(&client.id, network, until, now);
    context.audit.write(&Act::ClientThrottled.by_client(&client.id));
    Err(Failure::TooMany)
}
