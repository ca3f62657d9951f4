//! Are the tools of a server what they must be? Asked of each that an answer lists, and of each that is called.

use super::step::Effect;
use super::{Exchange, World};
use crate::audit::Found;
use crate::denial::Denial;
use crate::mcp::operation::{Operation, Target};
use crate::order;
use crate::sanitize::viewer::{Kept, Settled};
use crate::server::Server;
use crate::tools::book::{Book, Name};
use crate::tools::entry::{Examined, examine};
use crate::tools::pins::{Judged, Reaction, ToolPolicy};

/// The page of a server, which cannot be read or is none.
const NO_STORE: Denial = Denial::Unavailable("tool store");
const NO_PAGE: Denial = Denial::Internal("tool store");

/// The tools of a server while an answer of it is read.
pub(super) struct Judging<'w> {
    policy: &'w ToolPolicy,
    /// Whether what is listed counts from now on; else it only is held against what counts.
    learns: bool,
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
    /// Writes down and counts what was found of tools, and of what the server asked for.
    pub(super) fn note_found(&mut self, found: Vec<Found>) {
        // Words of ours: a few, however much was found.
        let mut kinds: Vec<(&'static str, &'static str)> = Vec::new();
        for found in &found {
            if !kinds.contains(&(found.why, found.done)) {
                kinds.push((found.why, found.done));
            }
        }
        order::each_once(&mut kinds);
        self.effects.extend(kinds.into_iter().map(|(why, done)| {
            let count = found.iter().filter(|found| (found.why, found.done) == (why, done)).count() as u64;
            Effect::CountFound { why, done, count }
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

impl<'w> Judging<'w> {
    /// For the tools of `server`; `None` where nobody asks what they are. `learns`: the answer is one to `tools/list`.
    pub(super) fn of(server: &'w Server, learns: bool) -> Option<Self> {
        let policy = server.tools.as_ref().filter(|policy| !policy.is_idle())?;
        Some(Self { policy, learns, book: None, listed: Vec::new(), others: Vec::new(), failed: None })
    }

    /// What becomes of a tool that is listed by `entry`, and what there is to say about it.
    pub(super) fn judge(
        &mut self,
        server: &Server,
        name: &str,
        entry: &[u8],
        world: &'w World<'w>,
    ) -> (Kept, Option<Found>) {
        let (judged, prose) = match self.judged(server, name, entry, world) {
            Ok(judged) => judged,
            Err(denial) => {
                self.failed = Some(denial);
                return (Kept::Cut, None);
            }
        };
        let (kept, done) = match judged {
            Judged { quarantine: Some(_), .. } => (Kept::Cut, "quarantined"),
            Judged { strip: true, .. } => (Kept::Without(prose), "stripped"),
            Judged { .. } => (Kept::Whole, "flagged"),
        };
        let why = judged.quarantine.or(judged.flag);
        (kept, why.map(|why| Found::tool(name, why.word(), done)))
    }

    fn judged(
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
        if !self.learns {
            let judged = self.policy.judge_shown(name, &examined, shadows, book, world.now);
            return Ok((judged, examined.hidden.prose));
        }
        let judged = self.policy.judge_listed(name, &examined, shadows, book, world.now);
        let prose = examined.hidden.prose.clone();
        self.listed.push((name.to_owned(), examined, shadows, judged));
        Ok((judged, prose))
    }

    /// Writes down what was seen, if nobody wrote meanwhile what would change a verdict.
    pub(super) fn settle(&mut self, server: &Server, world: &World<'_>) -> Result<Settled, Denial> {
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
