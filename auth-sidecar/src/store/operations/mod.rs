//! What may be done with each kind of record? One file for each; all are methods of [`Store`](super::Store).

mod api_keys;
mod authorizations;
mod clients;
mod devices;
mod grants;
mod kill_switches;
mod lending;
mod lists;
mod log;
mod people;
mod signing_keys;
mod throttling;

pub(in crate::store) use self::kill_switches::WITHDRAWN;
pub use self::lists::{Holder, Part};
