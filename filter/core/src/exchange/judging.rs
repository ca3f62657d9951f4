//! What of an answer may this caller read? One judge for lists, tools and what the server asks for, and what it found.

use std::collections::BTreeMap;

use super::admission::bound;
use super::handing::may_be_listed;
use super::step::{Consult, Effect};
use super::{Exchange, World};
use crate::audit::Found;
use crate::bindings::owner::Kind;
use crate::bindings::table::Question;
use crate::denial::Denial;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};
use crate::sanitize::judge::{Judge, Kept, Settled};
use crate::sanitize::server_asks::{Ask, Gate};
use crate::server::Server;
use crate::tools::book::{Book, Name};
use crate::tools::entry::{Examined, examine};
use crate::tools::pins::{Judged, Reaction, ToolPolicy};

/// The page of a server, which cannot be read or is none.
const NO_STORE: Denial = Denial::Unavailable("tool store");
const NO_PAGE: Denial = Denial::Internal("tool store");

/// Judges one answer, or what of it has come, for one caller.
pub(super) struct Judging<'w> {
    server: &'w Server,
    principal: &'w Principal,
    source: Option<&'w str>,
    world: &'w World<'w>,
    tools: Option<Tools<'w>>,
    /// What was found in messages that are settled.
    found: Vec<Found>,
    /// The same of the one that is being read.
    finding: Vec<Found>,
}

/// The tools of the server while an answer is read.
struct Tools<'w> {
    policy: &'w ToolPolicy,
    /// Its page as it was when the message began, and as it will be; not read before a tool comes.
    book: Option<Book>,
    /// What was judged by that.
    listed: Vec<(String, Examined, bool, Judged)>,
    /// The pages of other servers, where somebody asks for them.
    others: Vec<(usize, &'w ToolPolicy, Book)>,
    failed: Option<Denial>,
}

// === impl Exchange ===

impl Exchange {
    /// The same function that judges calls, asked of each entry of a list; of tasks, the caller's own are left.
    pub(super) fn judging<'w>(&'w self, world: &'w World<'w>) -> Result<Judging<'w>, Denial> {
        let server = self.server(world.guard)?;
        let principal =
            self.facts.principal.as_ref().ok_or(Denial::Internal("an answer without a principal"))?;
        let policy = server.tools.as_ref().filter(|policy| !policy.is_idle());
        let tools = policy.map(|policy| Tools {
            policy,
            book: None,
            listed: Vec::new(),
            others: Vec::new(),
            failed: None,
        });
        let source = self.facts.source.as_deref();
        Ok(Judging { server, principal, source, world, tools, found: Vec::new(), finding: Vec::new() })
    }

    /// Writes down and counts what a judge has found.
    pub(super) fn note_found(&mut self, found: Vec<Found>) {
        let mut counts: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
        for found in &found {
            *counts.entry((found.why, found.done)).or_default() += 1;
        }
        self.effects.extend(counts.into_iter().map(|((why, done), count)| Effect::CountFound {
            why,
            done,
            count,
        }));
        self.facts.found.extend(found);
        self.facts.found.truncate(Found::MOST);
    }

    /// Whether the tools that are called are what they must be.
    pub(super) fn tools_hold(
        &self,
        server: &Server,
        operation: &Operation,
        world: &World<'_>,
    ) -> Result<(), Denial> {
        let Some(policy) = server.tools.as_ref().filter(|policy| !policy.is_idle()) else { return Ok(()) };
        if operation.method != "tools/call" {
            return Ok(());
        }
        let book = page(server, world)?;
        for target in &operation.targets {
            if let Target::Tool(name) = target {
                let judged = policy.judge_call(name, &book);
                judged.map_err(|why| Denial::Quarantined(name.clone(), why.word()))?;
            }
        }
        Ok(())
    }
}

// === impl Judging ===

impl Judging<'_> {
    /// What was found, once.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }
}

impl Judge for Judging<'_> {
    fn sees(&mut self, target: &Target) -> bool {
        let own = match target {
            Target::Task(id) => {
                let binding = bound(Kind::Task, self.server, id, self.principal, self.source);
                let consult = Consult { binding, question: Question::Check };
                may_be_listed((self.world.owners.0)(&consult), self.server)
            }
            _ => true,
        };
        own && self.server.rules.visible(self.principal, target)
    }

    fn tool(&mut self, name: &str, entry: &[u8]) -> Kept {
        let Some(tools) = &mut self.tools else { return Kept::Whole };
        match tools.judge(self.server, name, entry, self.world) {
            Ok((judged, prose)) => {
                let done = match judged {
                    Judged { quarantine: Some(_), .. } => "quarantined",
                    Judged { strip: true, .. } => "stripped",
                    Judged { .. } => "flagged",
                };
                let why = judged.quarantine.or(judged.flag);
                self.finding.extend(why.map(|why| Found::tool(name, why.word(), done)));
                match judged {
                    Judged { quarantine: Some(_), .. } => Kept::Cut,
                    Judged { strip: true, .. } => Kept::Without(prose),
                    Judged { .. } => Kept::Whole,
                }
            }
            Err(denial) => {
                tools.failed = Some(denial);
                Kept::Cut
            }
        }
    }

    fn gates(&self) -> bool {
        !self.server.asks.is_open()
    }

    fn asked(&mut self, ask: &Ask) -> Gate {
        let gate = self.server.asks.gate(ask);
        let done = match gate {
            Gate::Pass => return gate,
            Gate::Strip => "stripped",
            Gate::Refuse => "refused",
        };
        self.finding.push(Found::ask(ask.word(), done));
        gate
    }

    fn settle(&mut self) -> Result<Settled, Denial> {
        let settled = match &mut self.tools {
            Some(tools) => tools.settle(self.server, self.world)?,
            None => Settled::Done,
        };
        let finding = std::mem::take(&mut self.finding);
        if settled == Settled::Done {
            self.found.extend(finding);
        }
        Ok(settled)
    }
}

// === impl Tools ===

impl<'w> Tools<'w> {
    fn judge(
        &mut self,
        server: &Server,
        name: &str,
        entry: &[u8],
        world: &'w World<'w>,
    ) -> Result<(Judged, Vec<std::ops::Range<usize>>), Denial> {
        let book = match &mut self.book {
            Some(book) => book,
            none => {
                self.others = if self.policy.shadowing == Reaction::Allow {
                    Vec::new()
                } else {
                    others(server, world)?
                };
                none.insert(page(server, world)?)
            }
        };
        let examined = examine(entry);
        let shadows = shadows(server, name, book, &self.others, world);
        let judged = self.policy.judge_listed(name, &examined, shadows, book, world.now);
        let prose = examined.hidden.prose.clone();
        self.listed.push((name.to_owned(), examined, shadows, judged));
        Ok((judged, prose))
    }

    /// Writes down what was seen, if nobody wrote meanwhile what would change a verdict.
    fn settle(&mut self, server: &Server, world: &World<'_>) -> Result<Settled, Denial> {
        if let Some(denial) = self.failed.take() {
            return Err(denial);
        }
        let listed = std::mem::take(&mut self.listed);
        if self.book.take().is_none() {
            return Ok(Settled::Done);
        }
        let mut settled = Ok(Settled::Done);
        let swapped = (world.pages.0)(&Book::key(&server.name), &mut |bytes| {
            let Some(before) = Book::read(bytes) else {
                settled = Err(NO_PAGE);
                return None;
            };
            let mut book = before.clone();
            let same = listed.iter().all(|(name, examined, shadows, judged)| {
                self.policy.judge_listed(name, examined, *shadows, &mut book, world.now) == *judged
            });
            settled = Ok(if same { Settled::Done } else { Settled::Again });
            (same && book != before).then(|| book.bytes())
        });
        if swapped { settled } else { Err(NO_STORE) }
    }
}

/// The page of a server as it stands now.
fn page(server: &Server, world: &World<'_>) -> Result<Book, Denial> {
    let mut book = None;
    let read = (world.pages.0)(&Book::key(&server.name), &mut |bytes| {
        book = Book::read(bytes);
        None
    });
    if read { book.ok_or(NO_PAGE) } else { Err(NO_STORE) }
}

/// The tools of the other servers at which anybody looks.
fn others<'w>(server: &Server, world: &'w World<'w>) -> Result<Vec<(usize, &'w ToolPolicy, Book)>, Denial> {
    let mut others = Vec::new();
    for (at, other) in world.guard.servers.iter().enumerate() {
        if let Some(policy) =
            other.tools.as_ref().filter(|policy| !policy.is_idle() && other.name != server.name)
        {
            others.push((at, policy, page(other, world)?));
        }
    }
    Ok(others)
}

/// Whether another server has this name in its baseline, or showed a tool of it before this one did.
fn shadows(
    server: &Server,
    name: &str,
    own: &Book,
    others: &[(usize, &ToolPolicy, Book)],
    world: &World<'_>,
) -> bool {
    if others.is_empty() {
        return false;
    }
    let tool = Name::of(name);
    let place = world.guard.servers.iter().position(|other| other.name == server.name);
    let since = own.since(tool).unwrap_or(world.now);
    others.iter().any(|(at, policy, book)| {
        let before = book.since(tool).is_some_and(|other| (other, Some(*at)) < (since, place));
        before || policy.baseline.contains_key(name)
    })
}
