//! Which rules count for this exchange? The strongest action for each thing that can be found.

use std::sync::Arc;

use super::names::{MemberName, MemberPath};
use super::report::Found;
use super::walk::Refused;
use super::{Action, Applies, Asked, Caps, Characters, Content, ContentRule};
use crate::policy::caller::Caller;
use crate::policy::rule::RuleId;
use crate::salt::Salt;
use crate::sanitize::detect::regexes::Regex;
use crate::sanitize::detect::{Detector, Wanted};

/// What is to be done with what is found, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) action: Action,
    /// The rule's number on its server.
    pub(super) rule: usize,
}

/// A bound, and what becomes of what is beyond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    pub(super) most: usize,
    pub(super) deed: Deed,
}

/// The rules that count for one exchange.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) wanted: Wanted,
    deeds: [Option<Deed>; Detector::ALL.len()],
    pub(super) regexes: Vec<(Arc<Regex>, Deed)>,
    pub(super) keys: Vec<(MemberName, Deed)>,
    pub(super) fields: Vec<(Vec<MemberPath>, usize)>,
    pub(super) characters: Option<(Characters, usize)>,
    /// The tightest of each action, the strongest action first.
    pub(super) text_caps: Vec<Cap>,
    pub(super) item_caps: Vec<Cap>,
    /// With which values become marks that are the same for the same value.
    pub(super) salt: Option<Salt>,
    /// The names that marks may have.
    pub(super) names: Vec<String>,
    /// Whether what is left is written down: then nothing passes unread.
    pub(super) captures: bool,
    /// The rules by number.
    ids: Vec<(usize, RuleId)>,
}

// === impl Plan ===

impl Plan {
    /// The rules of `content` about answers to `who`; `None` if there are none.
    pub fn of_answers(content: &Content, who: Caller<'_>, asked: Asked<'_>) -> Option<Self> {
        Self::of(content, |rule| rule.responses && rule.means(who, asked))
    }

    /// All that the rules of `content` mean, whomever and whatever they are about, and all that is a secret or says who somebody
    /// is, masked; long texts and lists are cut.
    pub fn of_capture(content: &Content) -> Self {
        let no_secret = [Detector::Instructions, Detector::Exfiltration];
        let all = ContentRule {
            id: RuleId::new("capture"),
            applies: Applies::ALL,
            requests: true,
            responses: true,
            detect: Detector::ALL.into_iter().filter(|detector| !no_secret.contains(detector)).collect(),
            regexes: content.0.iter().flat_map(|rule| rule.regexes.clone()).collect(),
            keys: content.0.iter().flat_map(|rule| rule.keys.clone()).collect(),
            action: Action::Mask,
            fields: Vec::new(),
            characters: Some(Characters::Strip),
            caps: Some(Caps { text_bytes: Some(256), items: Some(64), block: false }),
        };
        let plan = Self { captures: true, ..Self::none() };
        plan.with([(0, &all)].into_iter())
    }

    /// The rule of this number alone.
    pub fn of_rule(content: &Content, number: usize) -> Option<Self> {
        let rule = content.0.get(number)?;
        Self::of(content, |other| std::ptr::eq(other, &**rule))
    }

    /// What a refusal is called in records: the rule's id and what it found, or why nothing could be read.
    pub fn detail(&self, refused: Refused) -> String {
        match refused {
            Refused::Blocked(rule, found) => {
                let id =
                    self.ids.iter().find(|(number, _)| *number == rule).map_or("", |(_, id)| id.as_str());
                format!("{id}: {}", found.name())
            }
            Refused::Unreadable(what) => what.to_owned(),
        }
    }

    /// The same rules, with which values are told apart.
    #[must_use]
    pub fn salted(mut self, salt: Salt) -> Self {
        self.salt = Some(salt);
        self
    }

    /// Whether it needs a salt.
    pub fn needs_salt(&self) -> bool {
        let hashes = |deed: &Deed| deed.action == Action::Hash;
        self.deeds.iter().flatten().any(hashes)
            || self.regexes.iter().any(|(_, deed)| hashes(deed))
            || self.keys.iter().any(|(_, deed)| hashes(deed))
    }

    fn of(content: &Content, counts: impl Fn(&ContentRule) -> bool) -> Option<Self> {
        let mut counted =
            content.0.iter().map(|rule| &**rule).enumerate().filter(|(_, rule)| counts(rule)).peekable();
        counted.peek()?;
        Some(Self::none().with(counted))
    }

    /// No rule counts.
    fn none() -> Self {
        Self {
            wanted: Wanted::default(),
            deeds: [None; Detector::ALL.len()],
            regexes: Vec::new(),
            keys: Vec::new(),
            fields: Vec::new(),
            characters: None,
            text_caps: Vec::new(),
            item_caps: Vec::new(),
            salt: None,
            names: Vec::new(),
            captures: false,
            ids: Vec::new(),
        }
    }

    /// The same with these rules, each with its number.
    fn with<'r>(mut self, rules: impl Iterator<Item = (usize, &'r ContentRule)>) -> Self {
        for (at, rule) in rules {
            self.add(rule, at);
        }
        self.wanted = Wanted::of(Detector::ALL.into_iter().filter(|detector| self.deed(*detector).is_some()));
        self
    }

    fn add(&mut self, rule: &ContentRule, at: usize) {
        let deed = Deed { action: rule.action, rule: at };
        self.ids.push((at, rule.id.clone()));
        for detector in &rule.detect {
            if let Some(place) = self.deeds.get_mut(*detector as usize) {
                *place = stronger(*place, deed);
            }
            self.names.push(detector.name().to_owned());
        }
        for regex in &rule.regexes {
            self.regexes.push((Arc::clone(regex), deed));
            self.names.push(regex.name.clone());
        }
        self.keys.extend(rule.keys.iter().map(|name| (name.clone(), deed)));
        if !rule.fields.is_empty() {
            self.fields.push((rule.fields.clone(), at));
        }
        if let Some(characters) = rule.characters
            && self.characters.is_none_or(|(other, _)| other < characters)
        {
            self.characters = Some((characters, at));
        }
        if let Some(caps) = rule.caps {
            let deed = Deed { action: caps.action(), rule: at };
            tighten(&mut self.text_caps, caps.text_bytes, deed);
            tighten(&mut self.item_caps, caps.items, deed);
        }
        self.names.extend([Found::Key.name(), Found::Field.name()].map(str::to_owned));
    }

    /// What is to be done with what a detector finds.
    pub(super) fn deed(&self, detector: Detector) -> Option<Deed> {
        self.deeds.get(detector as usize).copied().flatten()
    }

    /// What is to be done with the whole value of a member of this name, given as [`super::names::plain`].
    pub(super) fn key(&self, plain: &str) -> Option<Deed> {
        let named = self.keys.iter().filter(|(name, _)| name.means(plain));
        named.map(|(_, deed)| *deed).max_by_key(|deed| deed.action)
    }

    /// Whether JSON within texts has to be read as such.
    pub(super) fn reads_json_in_texts(&self) -> bool {
        !self.keys.is_empty() || !self.fields.is_empty()
    }
}

fn stronger(one: Option<Deed>, other: Deed) -> Option<Deed> {
    match one {
        Some(one) if one.action >= other.action => Some(one),
        _ => Some(other),
    }
}

impl Applies {
    /// Everybody and everything.
    pub const ALL: Self = Self {
        who: None,
        tools: Vec::new(),
        prompts: Vec::new(),
        resources: Vec::new(),
        obliged: false,
        named_in_sessions: false,
    };
}

fn tighten(caps: &mut Vec<Cap>, most: Option<usize>, deed: Deed) {
    let Some(most) = most else { return };
    match caps.iter_mut().find(|cap| cap.deed.action == deed.action) {
        Some(cap) if cap.most <= most => {}
        Some(cap) => *cap = Cap { most, deed },
        None => caps.push(Cap { most, deed }),
    }
    caps.sort_by_key(|cap| std::cmp::Reverse(cap.deed.action));
}
