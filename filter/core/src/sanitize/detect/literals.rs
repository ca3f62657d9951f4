//! At which places of a text is it worth to look closer? One automaton finds every literal that a judgement begins with.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::automaton::{Automaton as _, OverlappingState};
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, Input, MatchKind};

use super::formats::{FORMATS, Format};
use super::{Detector, Finding, Wanted, assigned, email, exfiltration, instructions, tokens};

/// What a literal calls for.
enum Trigger {
    Token(&'static Format),
    Jwt,
    PrivateKey,
    /// `Bearer ` and the like, with its length.
    Authorization(usize),
    Url,
    AzureSecret,
    TelegramToken,
    SlackWebhook,
    /// A word that names a secret, with its length.
    Assigned(usize, assigned::Worth),
    At,
    /// The beginning of an order to the model.
    Order(&'static instructions::Order),
    /// The beginning of an image or a link.
    Image(exfiltration::Written),
}

/// What each detector found last, whatever others found since.
type Last = [Range<usize>; Detector::ALL.len()];

struct Literals {
    automaton: Option<DFA>,
    triggers: Vec<Trigger>,
}

/// The same for every configuration, so built once.
static LITERALS: LazyLock<Literals> = LazyLock::new(Literals::build);

/// Judges every place that a literal points at.
pub(super) fn find(text: &str, wanted: Wanted, out: &mut Vec<Finding>) {
    const BY_LITERAL: &[Detector] =
        &[Detector::Credentials, Detector::Email, Detector::Instructions, Detector::Exfiltration];
    let literals = &*LITERALS;
    let (Some(automaton), true) = (&literals.automaton, wanted.any(BY_LITERAL)) else { return };
    let input = Input::new(text).anchored(Anchored::No);
    let mut state = OverlappingState::start();
    let mut last = Last::default();
    loop {
        if automaton.try_find_overlapping(&input, &mut state).is_err() {
            return;
        }
        let Some(found) = state.get_match() else { return };
        let Some(trigger) = literals.triggers.get(found.pattern().as_usize()) else { continue };
        let detector = trigger.detector();
        // What lies within a finding is found already: a key block is not searched once per word in it.
        let Some(last) = last.get_mut(detector as usize) else { continue };
        if !wanted.holds(detector) || last.contains(&found.start()) && !trigger.holds_spaces() {
            continue;
        }
        let Some(range) = judge(text, found.start(), trigger) else { continue };
        *last = range.clone();
        out.push(Finding { range, detector });
    }
}

fn judge(text: &str, at: usize, trigger: &Trigger) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    match trigger {
        Trigger::Token(format) => tokens::token(bytes, at, format),
        Trigger::Jwt => tokens::jwt(bytes, at),
        Trigger::PrivateKey => tokens::private_key(bytes, at),
        Trigger::Authorization(length) => tokens::authorization(bytes, at, *length),
        Trigger::Url => tokens::password_of_url(bytes, at),
        Trigger::AzureSecret => tokens::azure_secret(bytes, at),
        Trigger::TelegramToken => tokens::telegram_token(bytes, at),
        Trigger::SlackWebhook => tokens::slack_webhook(bytes, at),
        Trigger::Assigned(length, worth) => assigned::assigned(bytes, at, *length, *worth),
        Trigger::At => email::address(text, at),
        Trigger::Order(order) => instructions::order(bytes, at, order),
        Trigger::Image(written) => exfiltration::image(bytes, at, *written),
    }
}

// === impl Trigger ===

impl Trigger {
    const fn detector(&self) -> Detector {
        match self {
            Self::At => Detector::Email,
            Self::Order(_) => Detector::Instructions,
            Self::Image(_) => Detector::Exfiltration,
            _ => Detector::Credentials,
        }
    }

    /// Whether what it finds goes on where a value without quotes ends, so that `KEY=-----BEGIN …` is more than that. None of these
    /// begins within another one.
    const fn holds_spaces(&self) -> bool {
        matches!(self, Self::PrivateKey | Self::Authorization(_))
    }
}

// === impl Literals ===

impl Literals {
    fn build() -> Self {
        let mut rows: Vec<(&'static str, Trigger)> = vec![
            ("eyJ", Trigger::Jwt),
            ("-----BEGIN ", Trigger::PrivateKey),
            ("bearer ", Trigger::Authorization(7)),
            ("basic ", Trigger::Authorization(6)),
            ("://", Trigger::Url),
            ("Q~", Trigger::AzureSecret),
            (":AA", Trigger::TelegramToken),
            ("hooks.slack.com/", Trigger::SlackWebhook),
            ("@", Trigger::At),
            ("![", Trigger::Image(exfiltration::Written::Markdown)),
            ("<img", Trigger::Image(exfiltration::Written::Html)),
        ];
        rows.extend(FORMATS.iter().map(|format| (format.prefix, Trigger::Token(format))));
        rows.extend(
            assigned::WORDS.iter().map(|(word, worth)| (*word, Trigger::Assigned(word.len(), *worth))),
        );
        rows.extend(instructions::ORDERS.iter().map(|order| (order.begins, Trigger::Order(order))));
        let automaton = DFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .start_kind(aho_corasick::StartKind::Unanchored)
            .build(rows.iter().map(|(literal, _)| literal))
            .ok();
        Self { automaton, triggers: rows.into_iter().map(|(_, trigger)| trigger).collect() }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_automaton_is_built() {
        assert!(super::LITERALS.automaton.is_some());
    }
}
