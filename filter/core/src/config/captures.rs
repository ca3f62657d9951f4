//! Which rules have what was said written down?

use super::error::{Findings, Place, nearest};
use super::raw::{RawRule, RawServer};
use crate::policy::rule::RuleId;

/// Those of a server and of its layers.
pub(crate) fn compile(raw: &RawServer, place: &Place, found: &mut Findings) -> Vec<RuleId> {
    let mut capturing = Vec::new();
    judge(&raw.rules, &place.key("rules"), &mut capturing, found);
    let levels = [("organizations", &raw.organizations), ("groups", &raw.groups), ("clients", &raw.clients)];
    for (key, layers) in levels {
        for (at, layer) in layers.iter().enumerate() {
            judge(&layer.rules, &place.key(key).index(at).key("rules"), &mut capturing, found);
        }
    }
    capturing
}

fn judge(rules: &[RawRule], place: &Place, capturing: &mut Vec<RuleId>, found: &mut Findings) {
    for (at, rule) in rules.iter().enumerate() {
        let place = place.index(at).key("capture");
        match rule.capture.as_deref() {
            None | Some("off") => {}
            Some("redacted") if rule.delegable.is_some() || rule.mode.as_deref() == Some("shadow") => {
                found.error(&place, "this rule decides nothing, so it has nothing to write down");
            }
            Some("redacted") => capturing.push(RuleId::new(&rule.id)),
            Some(other) => {
                let message = format!(
                    "`{other}` is neither `off` nor `redacted`; nothing is ever written down as it came"
                );
                found.suggest(&place, message, nearest(other, ["off", "redacted"]));
            }
        }
    }
}
