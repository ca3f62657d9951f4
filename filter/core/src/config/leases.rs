//! Where do tokens of limits come from that hold across a fleet? The source, judged, and whether there is one where a limit needs
//! it.

use super::destination::{self, Usual, written};
use super::error::{Findings, Place, nearest};
use super::raw::{RawConfig, RawIssuer, RawLeases, RawLimits};
use super::url::Url;
use crate::guard::{LeaseSource, WhenAway};
use crate::limits::lease::{MOST_BUCKETS, MOST_PATIENCE};
use crate::limits::rate::Across;

/// Where a bucket holds, as the document spells it.
const ACROSS: [(&str, Across); 2] = [("envoy", Across::Envoy), ("fleet", Across::Fleet)];
/// What holds without leases, as the document spells it.
const WHEN_AWAY: [(&str, WhenAway); 2] = [("refuse", WhenAway::Refuse), ("local", WhenAway::Local)];

/// Compiles the source of leases; without an authority of its own it is called like the first issuer.
pub(crate) fn compile(
    raw: Option<&RawLeases>,
    issuers: &[RawIssuer],
    place: &Place,
    found: &mut Findings,
) -> Option<LeaseSource> {
    let raw = raw?;
    let issuer = issuers.first().and_then(|issuer| Url::parse(&issuer.issuer).ok());
    let default = issuer.map(|url| url.authority()).unwrap_or_default();
    let usual = Usual { authority: default, timeout: "1s", most: MOST_PATIENCE };
    Some(LeaseSource {
        at: destination::compile(&written!(raw), usual, place, found),
        when_away: one_of(raw.when_away.as_deref(), WHEN_AWAY, &place.key("when_away"), found),
    })
}

/// Where a bucket holds.
pub(crate) fn across(given: Option<&str>, place: &Place, found: &mut Findings) -> Across {
    one_of(given, ACROSS, &place.key("across"), found)
}

/// Whether limits that hold across a fleet have leases, and not too many of them one server.
pub(crate) fn judge(raw: &RawConfig, root: &Place, found: &mut Findings) {
    let mut any = false;
    for (at, limits) in raw.servers.iter().enumerate().filter_map(|(at, s)| Some((at, s.limits.as_ref()?))) {
        let here = root.key("servers").index(at).key("limits");
        let fleet = of_fleet(limits, &here);
        any |= !fleet.is_empty();
        if let (Some(first), None) = (fleet.first(), &raw.leases) {
            found.error(&first.key("across"), "`fleet` needs `leases`, which says where they come from");
        }
        if fleet.len() > MOST_BUCKETS {
            found.error(&here, format!("at most {MOST_BUCKETS} limits of a server hold across the fleet"));
        }
    }
    if !any && raw.leases.is_some() {
        found.warn(&root.key("leases"), "no limit is `across: fleet`, so none is asked for");
    }
}

/// The places of the limits that hold across the fleet.
fn of_fleet(raw: &RawLimits, place: &Place) -> Vec<Place> {
    let whole = [&raw.principal, &raw.client, &raw.organization, &raw.source, &raw.server];
    let whole = ["principal", "client", "organization", "source", "server"].into_iter().zip(whole);
    let mut all: Vec<(Place, Option<&str>)> =
        whole.filter_map(|(key, raw)| Some((place.key(key), raw.as_ref()?.across.as_deref()))).collect();
    for (key, named) in [("methods", &raw.methods), ("tools", &raw.tools)] {
        let place = place.key(key);
        all.extend(named.iter().enumerate().map(|(at, raw)| (place.index(at), raw.across.as_deref())));
    }
    let obliged = place.key("obliged");
    let named = raw.obliged.iter().enumerate();
    all.extend(named.map(|(at, raw)| (obliged.index(at), raw.across.as_deref())));
    all.into_iter().filter(|(_, across)| *across == Some("fleet")).map(|(place, _)| place).collect()
}

fn one_of<T: Copy>(given: Option<&str>, words: [(&str, T); 2], place: &Place, found: &mut Findings) -> T {
    let [(first, default), (second, other)] = words;
    match given {
        None => default,
        Some(word) if word == first => default,
        Some(word) if word == second => other,
        Some(word) => {
            let message = format!("`{word}` is neither `{first}` nor `{second}`");
            found.suggest(place, message, nearest(word, [first, second]));
            default
        }
    }
}
