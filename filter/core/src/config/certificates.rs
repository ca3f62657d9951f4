//! Do the certificates of clients count at a server, and does nothing else contradict that? Judged for one server.

use super::error::{Findings, Place, nearest};
use super::raw::{RawRule, RawServer, RawWho};
use crate::identity::certificate::ClientCertificates;
use crate::policy::layer::Level;

/// How the document spells it.
const MEANINGS: [(&str, ClientCertificates); 2] =
    [("beside_token", ClientCertificates::BesideToken), ("alone", ClientCertificates::Alone)];

/// Compiles it. Rules that name certificates are refused where nobody says that they were checked.
pub(crate) fn compile(raw: &RawServer, place: &Place, found: &mut Findings) -> ClientCertificates {
    let here = place.key("client_certificates");
    let Some(given) = raw.client_certificates.as_deref() else {
        refuse_named(raw, place, found);
        return ClientCertificates::Ignored;
    };
    let Some((_, meaning)) = MEANINGS.iter().find(|(word, _)| *word == given) else {
        let words = MEANINGS.map(|(word, _)| word);
        let message = format!("`{given}` is neither {}", words.join(" nor "));
        found.suggest(&here, message, nearest(given, words));
        return ClientCertificates::Ignored;
    };
    if *meaning == ClientCertificates::Alone {
        refuse_beside(raw, &here, found);
    }
    *meaning
}

/// What needs a token is not to be had without one.
fn refuse_beside(raw: &RawServer, here: &Place, found: &mut Findings) {
    let given = raw.credential.as_ref();
    if given.is_some_and(|given| given.exchanged.is_some() || given.signed_identity.is_some()) {
        let message = "`alone` lets callers in without a token, of whom the server could not be told anything (`credential`)";
        found.error(here, message);
    }
    if raw.dpop.as_ref().and_then(|dpop| dpop.tokens.as_deref()) == Some("required") {
        found.error(here, "`alone` lets callers in without a token, and `dpop.tokens` requires a bound one");
    }
}

fn refuse_named(raw: &RawServer, place: &Place, found: &mut Findings) {
    let mut refuse_in = |rules: &[RawRule], place: &Place| {
        for (at, rule) in rules.iter().enumerate() {
            let allow = rule.allow.as_ref().map(|rule| ("allow", &rule.who));
            let delegable = rule.delegable.as_ref().map(|rule| ("delegable", &rule.who));
            for (key, who) in allow.into_iter().chain(delegable) {
                if matches!(who, RawWho::Having(having) if having.certificates.is_some()) {
                    let message = "certificates mean nothing to this server: say by `client_certificates` that its listeners check them";
                    found.error(&place.index(at).key(key).key("who").key("certificates"), message);
                }
            }
        }
    };
    refuse_in(&raw.rules, &place.key("rules"));
    for (level, layers) in [
        (Level::Organization, &raw.organizations),
        (Level::Group, &raw.groups),
        (Level::Client, &raw.clients),
    ] {
        for (at, layer) in layers.iter().enumerate() {
            refuse_in(&layer.rules, &place.key(level.key()).index(at).key("rules"));
        }
    }
}
