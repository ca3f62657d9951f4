//! What may an operator see and do? Clients, what users granted, and single tokens; nothing here is told to anybody else.

mod clients;
mod grants;
mod tokens;

pub(crate) use self::clients::{create, delete, list, revoke_all_of_client, rotate_secret, show};
pub(crate) use self::grants::{GrantSummary, grant, grants_of, revoke_all_of_user, revoke_grant};
pub(crate) use self::tokens::inspect;

use crate::error::Failure;

/// Why an operator's wish is not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such thing.
    NotFound(&'static str),
    /// It cannot be done to this one.
    Conflict(&'static str),
    /// As for everybody.
    Failed(Failure),
}

// === impl Refusal ===

impl<F: Into<Failure>> From<F> for Refusal {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

/// A part of a list, as it is answered.
pub(crate) struct Listing {
    /// After which name it begins.
    pub(crate) after: String,
    /// Of how many names at most.
    pub(crate) most: usize,
}
