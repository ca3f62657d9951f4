//! `hash-password`, `generate-key`: what the configuration refers to.

use wicketgate_auth::idp::password;
use wicketgate_auth::sealing::SealingKey;

use super::output::{print, read_line};
use super::{Outcome, failed};

pub(super) fn hash_password() -> Outcome {
    print(&password::hash(&read_line()?).map_err(failed)?)
}

pub(super) fn generate_key() -> Outcome {
    print(&SealingKey::generate_base64().map_err(failed)?)
}
