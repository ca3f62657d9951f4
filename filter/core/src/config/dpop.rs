//! What becomes of tokens that are bound to a key? Judged for one server.

use super::error::{Findings, Place, nearest};
use super::issuers::duration;
use super::raw::{RawDpop, RawServer};
use crate::identity::dpop::BoundTokens;
use crate::server::Dpop;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How the document spells it.
const TOKENS: [(&str, BoundTokens); 3] = [
    ("accepted", BoundTokens::Accepted),
    ("required", BoundTokens::Required),
    ("refused", BoundTokens::Refused),
];
/// Each proof is remembered so long: what is longer takes room, what is shorter the time of the way.
const PROOF_AGE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(300);

/// Compiles it; `asks` tells whether any rule asks for a credential. `None` only where something was found.
pub(crate) fn compile(raw: &RawServer, asks: bool, place: &Place, found: &mut Findings) -> Option<Dpop> {
    let none = RawDpop::default();
    let here = place.key("dpop");
    let given = raw.dpop.as_ref().unwrap_or(&none);
    let tokens = tokens(given.tokens.as_deref(), &here.key("tokens"), found);
    if tokens == BoundTokens::Required && !asks {
        found.error(&here.key("tokens"), "no rule of this server asks for a credential");
    }
    let age = here.key("proof_age");
    if tokens == BoundTokens::Refused && given.proof_age.is_some() {
        found.error(&age, "no proof is looked at where bound tokens are refused");
    }
    let max_age = duration(given.proof_age.as_deref(), "60s", PROOF_AGE, &age, found);
    let dpop = Dpop::new(tokens, max_age, &raw.url);
    if dpop.is_none() {
        found.error(&place.key("url"), "has no normal form (RFC 3986 section 6.2.2) that a proof could name");
    }
    dpop
}

fn tokens(raw: Option<&str>, place: &Place, found: &mut Findings) -> BoundTokens {
    let Some(given) = raw else { return BoundTokens::default() };
    let known = TOKENS.iter().find(|(word, _)| *word == given);
    known.map(|(_, tokens)| *tokens).unwrap_or_else(|| {
        let words = TOKENS.map(|(word, _)| word);
        let message = format!("`{given}` is none of {}", words.join(", "));
        found.suggest(place, message, nearest(given, words));
        BoundTokens::default()
    })
}
