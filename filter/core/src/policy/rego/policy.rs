//! May they, by the operator's policy? One loaded program and what it decided a moment ago.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use regorus::Value;

use super::answer::Reading;
use super::arguments::Picked;
use super::input::{self, Frame, Subject};
use super::machine::{Entry, Machine, data_of, unpack};
use super::memo::Memo;
use super::narrow::Circumstances;
use super::packed::Packed;
use super::reads::Reads;
use super::result;
use super::ruling::{Outcome, Ruling};
use super::setting::Setting;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};
use crate::policy::methods::{Class, Kind, class_of};
use crate::policy::resource_uri::ResourceUri;

/// How many principals and verdicts are remembered; twice as many at most.
const PRINCIPALS: usize = 256;
const VERDICTS: usize = 1024;
/// Longer names are judged each time, so that nobody fills the memory with them.
const LONGEST_REMEMBERED: usize = 256;
/// How many things one request may name that a policy is to judge.
const MOST_TARGETS: usize = 64;

/// A loaded policy of one server.
pub struct Rego {
    packed: Packed,
    setting: Setting,
    frame: Frame,
    /// The policy's own texts.
    words: BTreeSet<String>,
    state: Mutex<State>,
}

/// What changes while it is asked.
#[derive(Debug)]
struct State {
    machine: Machine,
    /// By the address of what is known of them, which cannot be another's while it is held here.
    principals: Memo<usize, (Principal, u64, Value)>,
    last_principal: u64,
    verdicts: Memo<Asked, Ruling>,
}

/// What a remembered verdict answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    visible: bool,
    principal: u64,
    method: String,
    kind: Option<Kind>,
    name: String,
}

// === impl Rego ===

impl Rego {
    /// Loads a compiled policy.
    ///
    /// # Errors
    /// One phrase: it is of another version, incomplete, changed, or needs another module.
    pub fn load(packed: Packed, setting: Setting) -> Result<Self, String> {
        if packed.digest != packed.computed_digest() {
            return Err(
                "the program is not the one that was compiled: its digest differs; render the policy again"
                    .to_owned(),
            );
        }
        if packed.module > super::packed::BUILT {
            return Err(format!(
                "the policy uses regex.match or glob.match, which this module lacks; load {}",
                packed.module.file()
            ));
        }
        let program = unpack(&packed)?;
        let data = data_of(&packed)?;
        let words = result::words(&program, &data);
        let machine = Machine::new(program, data, setting.instructions)?;
        Ok(Self {
            frame: Frame::new(&setting),
            words,
            state: Mutex::new(State {
                machine,
                principals: Memo::new(PRINCIPALS),
                last_principal: 0,
                verdicts: Memo::new(VERDICTS),
            }),
            packed,
            setting,
        })
    }

    /// SHA-256 of the compiled policy, lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.packed.digest
    }

    /// What it reads of a request besides who and what.
    pub const fn reads(&self) -> &Reads {
        &self.packed.reads
    }

    /// Keeps of `body` what the policy reads of its arguments, an object that stands at `range`.
    pub fn pick(&self, body: &[u8], range: Option<Range<usize>>) -> Picked {
        range.map_or_else(Picked::default, |range| {
            Picked::of(body, range, &self.packed.reads.arguments, self.setting.argument_bytes)
        })
    }

    /// The names of the headers that the policy reads.
    pub fn header_names(&self) -> &[String] {
        &self.packed.reads.headers
    }

    /// Judges a call: every thing that it names must be visible and allowed. What only begins, lists or ends is not asked
    /// about; rules decide on it.
    pub fn judge(&self, who: &Principal, operation: &Operation, around: &Circumstances<'_>) -> Ruling {
        let class = class_of(&operation.method);
        if class == Class::Housekeeping || (operation.targets.is_empty() && class != Class::Other) {
            return Ruling::of(Outcome::Allow, "not asked");
        }
        if operation.targets.len() > MOST_TARGETS {
            return Ruling::of(Outcome::Failed, "too many things at once");
        }
        let Ok(mut state) = self.state.try_lock() else {
            return Ruling::of(Outcome::Failed, "the machine is in use");
        };
        if operation.targets.is_empty() {
            return self.allow(&mut state, who, &operation.method, None, "", around);
        }
        let mut last = Ruling::of(Outcome::Deny, "nothing named");
        for target in &operation.targets {
            last = self.judge_target(&mut state, who, &operation.method, target, around).after(last);
            if last.outcome != Outcome::Allow {
                break;
            }
        }
        last
    }

    /// Whether a list shows `target`, as far as the policy decides.
    pub fn visible(&self, who: &Principal, target: &Target) -> bool {
        if !self.packed.visible {
            return true;
        }
        let (Ok(mut state), Some(names)) = (self.state.try_lock(), readings(target)) else { return false };
        let kind = kind_of(target);
        names.iter().all(|name| self.shows(&mut state, who, kind, target, name).outcome == Outcome::Allow)
    }

    /// However a server may read what is named, it must be allowed.
    fn judge_target(
        &self,
        state: &mut State,
        who: &Principal,
        method: &str,
        target: &Target,
        around: &Circumstances<'_>,
    ) -> Ruling {
        let Some(names) = readings(target) else { return Ruling::of(Outcome::Deny, "no normal form") };
        let mut last = Ruling::of(Outcome::Deny, "nothing named");
        for name in &names {
            if self.packed.visible {
                let shown = self.shows(state, who, kind_of(target), target, name);
                match shown.outcome {
                    // What it wants to be written down counts, though `allow` decides.
                    Outcome::Allow => last = shown.after(last),
                    Outcome::Failed => return shown.after(last),
                    _ => return Ruling { outcome: Outcome::Deny, why: "not visible", ..shown.after(last) },
                }
            }
            last = self.allow(state, who, method, Some(target), name, around).after(last);
            if last.outcome != Outcome::Allow {
                break;
            }
        }
        last
    }

    /// Asks `visible`, or remembers what it said.
    fn shows(&self, state: &mut State, who: &Principal, kind: Kind, target: &Target, name: &str) -> Ruling {
        let (id, principal) = state.principal(who);
        let asked = Asked::new(true, id, kind.method(), Some(target), name);
        if let Some(ruling) = state.recall(asked.as_ref()) {
            return ruling;
        }
        let members =
            self.frame.stable(principal, kind.method(), &subject(Some(target), name), &self.setting);
        let ruling = self.run(state, Entry::Visible, Value::from(members), who);
        state.remember(asked, &ruling);
        ruling
    }

    /// Asks `allow`, or remembers what it said where nothing else could be said.
    fn allow(
        &self,
        state: &mut State,
        who: &Principal,
        method: &str,
        target: Option<&Target>,
        name: &str,
        around: &Circumstances<'_>,
    ) -> Ruling {
        let reads = &self.packed.reads;
        let (id, principal) = state.principal(who);
        let asked = Asked::new(false, id, method, target, name).filter(|_| reads.is_stable());
        if let Some(ruling) = state.recall(asked.as_ref()) {
            return ruling;
        }
        let arguments = match around.picked.value(&reads.arguments) {
            Ok(arguments) => arguments,
            Err(unfit) => return Ruling::of(Outcome::Failed, unfit.why()),
        };
        let Some(headers) = around.headers else {
            return Ruling::of(Outcome::Failed, "a header that stands twice or is no text");
        };
        let mut members = self.frame.stable(principal, method, &subject(target, name), &self.setting);
        self.frame.add_circumstances(&mut members, reads, arguments, headers, around);
        let ruling = self.run(state, Entry::Allow, Value::from(members), who);
        state.remember(asked, &ruling);
        ruling
    }

    /// What `allow`, or `visible`, is for a whole input document, JSON: for comparing with other engines.
    ///
    /// # Errors
    /// Why there is no answer; `undefined` is one.
    #[cfg(feature = "rego-compiler")]
    pub fn answer(&self, visible: bool, input: &str) -> Result<serde_json::Value, &'static str> {
        let input = super::arguments::value_of(input).ok_or("the input is no JSON")?;
        let mut state = self.state.try_lock().map_err(|_| "the machine is in use")?;
        let value = state.machine.ask(if visible { Entry::Visible } else { Entry::Allow }, input)?;
        if value == Value::Undefined {
            return Err("undefined");
        }
        serde_json::to_value(value).map_err(|_| "a result that is no JSON")
    }

    fn run(&self, state: &mut State, entry: Entry, input: Value, who: &Principal) -> Ruling {
        let granted = who.identity().map_or(&[][..], |identity| &identity.scopes);
        let obligable = (entry == Entry::Allow).then_some(&self.setting.obligable);
        match state.machine.ask(entry, input) {
            Ok(value) => result::read(&value, &Reading { granted, words: &self.words, obligable }),
            Err(why) => Ruling::of(Outcome::Failed, why),
        }
    }
}

impl fmt::Debug for Rego {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rego").field("digest", &self.packed.digest).finish_non_exhaustive()
    }
}

impl PartialEq for Rego {
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed && self.setting == other.setting
    }
}

impl Eq for Rego {}

// === impl State ===

impl State {
    /// A number and `input.principal` of somebody.
    fn principal(&mut self, who: &Principal) -> (u64, Value) {
        let address = match who {
            Principal::Anonymous => return (0, input::principal(who)),
            Principal::Authenticated(identity) => Arc::as_ptr(identity).addr(),
            Principal::Certified(certificate) => Arc::as_ptr(certificate).addr(),
        };
        if let Some((_, id, value)) = self.principals.get(&address) {
            return (id, value);
        }
        self.last_principal += 1;
        let (id, value) = (self.last_principal, input::principal(who));
        self.principals.put(address, (who.clone(), id, value.clone()));
        (id, value)
    }

    fn recall(&mut self, asked: Option<&Asked>) -> Option<Ruling> {
        self.verdicts.get(asked?)
    }

    fn remember(&mut self, asked: Option<Asked>, ruling: &Ruling) {
        if let Some(asked) = asked.filter(|_| ruling.outcome != Outcome::Failed) {
            self.verdicts.put(asked, ruling.clone());
        }
    }
}

// === impl Asked ===

impl Asked {
    /// `None` for what is too long to be remembered.
    fn new(visible: bool, principal: u64, method: &str, target: Option<&Target>, name: &str) -> Option<Self> {
        if method.len().max(name.len()) > LONGEST_REMEMBERED {
            return None;
        }
        let template = matches!(target, Some(Target::Template(_)));
        // A template is of the kind of resources, and yet another question.
        let method = if template { format!("{method} template") } else { method.to_owned() };
        Some(Self { visible, principal, method, kind: target.map(Kind::of), name: name.to_owned() })
    }
}

fn kind_of(target: &Target) -> Kind {
    Kind::of(target)
}

/// All that a server may take a name for; `None` for a URI without a normal form.
fn readings(target: &Target) -> Option<Vec<String>> {
    match target {
        Target::Resource(uri) => Some(ResourceUri::parse(uri).ok()?.readings().map(str::to_owned).collect()),
        other => Some(vec![other.name().to_owned()]),
    }
}

fn subject<'a>(target: Option<&Target>, name: &'a str) -> Subject<'a> {
    match target {
        None => Subject::Nothing,
        Some(Target::Tool(_)) => Subject::Tool(name),
        Some(Target::Prompt(_)) => Subject::Prompt(name),
        Some(Target::Resource(_)) => Subject::Resource(name),
        Some(Target::Template(_)) => Subject::Template(name),
        Some(Target::Task(_)) => Subject::Task(name),
    }
}
