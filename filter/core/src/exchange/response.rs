//! What may come back? The answer of an upstream to a forwarded request: lists filtered, sizes bounded.

use super::contents::applied;
use super::step::{Control, Effect, Event, ResponseMode};
use super::{Exchange, Phase, World};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::head::ResponseHead;
use crate::limits::held::{Held, Share};
use crate::limits::size::Counted;
use crate::mcp::jsonrpc::RequestId;
use crate::mcp::method::{Method, Place};
use crate::mcp::operation::Operation;
use crate::mcp::sse::meter::Meter;
use crate::mcp::versions::{Era, Revision};
use crate::sanitize::capture::Capture;
use crate::sanitize::content::{Plan, Report};
use crate::sanitize::list::{self, Filtered, filter_answer};
use crate::sanitize::stream::ListStream;
use crate::tools::schemas::WithSchemas;
use crate::tools::structured::{Finding, Structured};

/// The state of one answer.
#[derive(Debug)]
pub(super) struct Answering {
    lists: Lists,
    /// What results are held against, until the shape of the body is known.
    structured: Option<Structured>,
    shape: Shape,
    /// Per message (JSON) or event (SSE).
    limit: u64,
    /// The content rules that count for it; an event stream takes them over.
    plan: Option<Box<Plan>>,
    /// How what is written down of it is read; an event stream takes that over, too.
    capture: Option<Capture>,
}

/// Whether list results can be in an answer, or notifications of what only some may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    /// It was asked for one.
    Asked,
    /// It may be that of another request: within a session servers tell requests apart by ids, which the client chooses,
    /// twice the same if it likes. The stream of a session replays any answer.
    Possible,
    /// Each request stands alone.
    Never,
}

/// What a held answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Text,
}

/// What kind of body passes.
#[derive(Debug)]
enum Shape {
    /// The head has not come yet, or nothing needs to be read: bytes are counted.
    Counted(Counted),
    /// An event stream of which only event sizes are watched.
    Metered(Meter),
    /// A JSON answer that may hold a list, or an answer whose contents are read, held with its head (of this status) until it
    /// is whole. One that is no JSON is read as a text.
    Whole(u16, Form),
    /// An event stream in which list results are filtered, and what it holds of an unfinished event.
    Filtered(Box<ListStream>, Share),
}

// === impl Answering ===

impl Answering {
    /// The answer to `operation`, which was allowed, in this revision; `inspected` where more than lists is looked for: tasks,
    /// what the server asks for.
    pub(super) fn to(
        operation: Option<&Operation>,
        revision: Option<Revision>,
        newer: bool,
        inspected: bool,
        limit: u64,
        plan: Option<Box<Plan>>,
    ) -> Self {
        let method = |o: &Operation| Method::find(&o.method);
        let asked = |o: &Operation| o.method == Operation::STREAM || method(o).is_some_and(|m| m.lists);
        let subscribed = operation.and_then(method).is_some_and(|m| m.place == Place::Subscriptions);
        let lists = match revision {
            _ if operation.is_none_or(asked) => Lists::Asked,
            // Nobody knows yet where a newer one has lists.
            Some(revision) if revision.era() == Era::Modern && !inspected && !newer && !subscribed => {
                Lists::Never
            }
            _ => Lists::Possible,
        };
        Self {
            lists,
            structured: None,
            shape: Shape::Counted(Counted::new(limit)),
            limit,
            plan,
            capture: None,
        }
    }

    /// The same, of which results must be read, too.
    pub(super) fn held_against(mut self, structured: Option<Structured>) -> Self {
        if structured.is_some() && self.lists == Lists::Never {
            self.lists = Lists::Possible;
        }
        self.structured = structured;
        self
    }

    /// The same, of which something is written down.
    pub(super) fn captured_by(mut self, capture: Option<Capture>) -> Self {
        if capture.is_some() && self.lists == Lists::Never {
            self.lists = Lists::Possible;
        }
        self.capture = capture;
        self
    }

    pub(super) fn mode(&self) -> ResponseMode {
        match self.shape {
            Shape::Counted(_) => ResponseMode::Pass,
            Shape::Whole(..) => ResponseMode::Whole,
            Shape::Metered(_) | Shape::Filtered(..) => ResponseMode::Stream,
        }
    }
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn answer(
        &mut self,
        mut answering: Box<Answering>,
        event: Event<'_>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let control = match event {
            Event::ResponseBody { bytes, size, end } => {
                self.facts.dispatched.ended(end);
                match (self.answer_body(&mut answering, bytes, size, end, world), &answering.shape) {
                    (Err(denial), Shape::Whole(status, _)) if !world.guard.hold_headers => {
                        return Ok(self.refuse_in_body(&denial, *status, world));
                    }
                    (done, _) => done?,
                }
            }
            _ => return Err(Denial::UnsafeResponse("too large")),
        };
        self.phase = Phase::Forwarded(answering);
        Ok(control)
    }

    pub(super) fn modern(&self) -> bool {
        self.facts.revision.is_some_and(|revision| revision.era() == Era::Modern)
    }

    pub(super) fn answer_head(
        &mut self,
        mut answering: Box<Answering>,
        head: &ResponseHead,
        end: bool,
        held: &Held,
        guard: &Guard,
    ) -> Result<Control, Denial> {
        let learns = self.learns(guard);
        let control = self.answer_shape(&mut answering, head, end, (held, learns))?;
        self.phase = Phase::Forwarded(answering);
        Ok(control)
    }

    fn answer_shape(
        &mut self,
        answering: &mut Answering,
        head: &ResponseHead,
        end: bool,
        (held, learns): (&Held, bool),
    ) -> Result<Control, Denial> {
        let media = head.headers.one("content-type").map_err(|_| Denial::UnsafeResponse("content-type"))?;
        let utf8 = media.is_none_or(is_utf8);
        let media = media_type(media);
        let plain = head.headers.one("content-encoding").is_ok_and(|e| e.is_none_or(|e| e == "identity"));
        // Of whatever status: clients read the result in an error's body, too.
        let inspected = (answering.lists != Lists::Never || answering.plan.is_some()) && !end;
        let text = answering.plan.is_some() && inspected && (media.is_empty() || media.starts_with("text/"));
        self.disarm(head, &media, end);
        match media.as_str() {
            // It would count for no principal.
            "text/event-stream" if self.facts.unanswered && !end => {
                return Err(Denial::UnsafeResponse("a stream where no answer is due"));
            }
            _ if text && !plain => return Err(Denial::UnsafeResponse("content-encoding")),
            _ if text && !utf8 => return Err(Denial::UnsafeResponse("charset")),
            "text/event-stream" | "application/json" if inspected && !plain => {
                return Err(Denial::UnsafeResponse("content-encoding"));
            }
            "text/event-stream" | "application/json" if inspected && !utf8 => {
                return Err(Denial::UnsafeResponse("charset"));
            }
            "text/event-stream" if inspected => {
                let id = self.facts.id.as_ref().map(RequestId::as_json);
                let stream = ListStream::new(as_size(answering.limit), self.facts.revision)
                    .answering(id)
                    .with_plan(answering.plan.take())
                    .with_schemas(learns, answering.structured.take())
                    .captured_by(answering.capture.take());
                answering.shape = Shape::Filtered(Box::new(stream), held.share());
                self.effects.push(Effect::RemoveResponseHeader("content-length"));
            }
            "text/event-stream" => answering.shape = Shape::Metered(Meter::new(answering.limit)),
            "application/json" if inspected => {
                answering.shape = Shape::Whole(head.status, Form::Json);
                self.effects.push(Effect::RemoveResponseHeader("content-length"));
                return Ok(Control::Hold);
            }
            _ if inspected && resembles_one_read(head) => {
                return Err(Denial::UnsafeResponse("content-type"));
            }
            _ if inspected && answering.lists == Lists::Asked && (200..300).contains(&head.status) => {
                return Err(Denial::UnsafeResponse("content-type of a list"));
            }
            _ if text => {
                answering.shape = Shape::Whole(head.status, Form::Text);
                self.effects.push(Effect::RemoveResponseHeader("content-length"));
                return Ok(Control::Hold);
            }
            // Nobody reads there what may not pass.
            _ if answering.plan.is_some() && inspected => {
                return Err(Denial::UnsafeResponse("content-type of what is to be read"));
            }
            _ => self.declared_within(head, answering.limit)?,
        }
        self.facts.status = head.status;
        Ok(Control::Pass)
    }

    fn declared_within(&self, head: &ResponseHead, limit: u64) -> Result<(), Denial> {
        let declared = head.headers.one("content-length").ok().flatten().and_then(|l| l.parse::<u64>().ok());
        if declared.is_some_and(|d| d > limit) { Err(Denial::UnsafeResponse("too large")) } else { Ok(()) }
    }

    fn answer_body(
        &mut self,
        answering: &mut Answering,
        bytes: &[u8],
        size: usize,
        end: bool,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        self.facts.response_bytes = self.facts.response_bytes.saturating_add(size as u64);
        let limit = answering.limit;
        match &mut answering.shape {
            Shape::Counted(counted) => {
                counted.add(size).map_err(|_| Denial::UnsafeResponse("too large"))?;
            }
            Shape::Metered(meter) => {
                meter.add(bytes).map_err(|_| Denial::UnsafeResponse("an event is too large"))?;
            }
            Shape::Whole(..) if bytes.len() as u64 > limit => {
                return Err(Denial::UnsafeResponse("too large"));
            }
            Shape::Whole(status, form) => {
                let (status, form) = (*status, *form);
                let mut viewing = self.viewing(world)?;
                let filtered = match form {
                    Form::Json => filter_answer(bytes, self.facts.revision, &mut viewing),
                    Form::Text => Ok(Filtered::default()),
                };
                let (kept, found) = (viewing.kept(), viewing.take_found());
                self.note_found(found);
                let filtered = filtered?;
                kept?;
                if filtered.hidden {
                    return Err(Denial::UnsafeResponse("a message that may not be seen"));
                }
                self.hand_out_tasks(&filtered.created, world)?;
                // What is no JSON is no result.
                if let Some(structured) = answering.structured.as_mut().filter(|_| form == Form::Json) {
                    let looked = structured.look(bytes);
                    self.output_schema_said(structured.finding());
                    looked?;
                }
                self.learn(bytes, &filtered.tools, world)?;
                self.removed(cut_out(filtered.report));
                let mut found = Report::default();
                let listed = filtered.body.as_deref().unwrap_or(bytes);
                let read = applied(answering.plan.as_deref(), listed, form == Form::Text, &mut found);
                self.contents_found(found);
                let left = read?.or(filtered.body);
                let capture = answering.capture.as_ref().filter(|_| form == Form::Json);
                self.facts.answer = capture.and_then(|c| c.outcome(left.as_deref().unwrap_or(bytes)));
                self.effects.extend(left.map(Effect::ReplaceResponseBody));
                self.facts.status = status;
            }
            Shape::Filtered(stream, share) => self.answer_events(stream, share, bytes, end, world)?,
        }
        Ok(Control::Pass)
    }

    fn learns(&self, guard: &Guard) -> bool {
        self.asks_for_tools() && self.server(guard).is_ok_and(|server| server.calls.learns())
    }

    /// Remembers the schemas of tools that the caller is shown.
    pub(super) fn learn(
        &self,
        list: &[u8],
        tools: &[WithSchemas],
        world: &mut World<'_>,
    ) -> Result<(), Denial> {
        let server = self.server(world.guard)?;
        if self.learns(world.guard) {
            world.schemas.learn(&server.name, list, tools);
        }
        Ok(())
    }

    pub(super) fn output_schema_said(&mut self, finding: Option<Finding>) {
        let said = finding.map(Finding::as_str);
        if self.facts.output_schema != said {
            self.facts.output_schema = said;
            self.effects.extend(said.map(Effect::CountOutputSchema));
        }
    }

    pub(super) fn removed(&mut self, removed: u64) {
        if removed > 0 {
            self.facts.removed += removed;
            self.effects.push(Effect::CountRemoved(removed));
        }
    }
}

/// Whether every `charset` of a media type is the one in which lists are read here; some clients decode by it. Some also put
/// it together of parts, or decode it (`charset*0`, `charset*`, RFC 2231): nobody who means UTF-8 writes it so.
fn is_utf8(media: &str) -> bool {
    let mut parameters = media.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    parameters.all(|(name, value)| {
        let (name, extended) = name.split_once('*').map_or((name, false), |(name, _)| (name, true));
        let value = value.trim().trim_matches('"');
        let utf8 = value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8");
        !name.trim().eq_ignore_ascii_case("charset") || utf8 && !extended
    })
}

/// What a `Content-Type` says without its parameters, in lower case; nothing where there is none.
pub(super) fn media_type(header: Option<&str>) -> String {
    header.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// Whether some client reads an answer of this media type as JSON or an event stream, though it is called otherwise: there
/// are such that look at its beginning, or for a word in it.
fn resembles_one_read(head: &ResponseHead) -> bool {
    let media = head.headers.one("content-type").ok().flatten().unwrap_or_default().to_ascii_lowercase();
    media.contains("application/json") || media.contains("text/event-stream")
}

/// Entries that the client does not see.
pub(super) fn cut_out(report: list::Report) -> u64 {
    u64::from(report.removed) + u64::from(report.unreadable)
}

fn as_size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::is_utf8;

    #[test]
    fn any_other_charset_is_noticed() {
        for media in
            ["", "application/json", "a/b;charset=utf-8", "a/b; Charset=\"UTF-8\"; x*=y; charset=utf8"]
        {
            assert!(is_utf8(media), "{media}");
        }
        for media in [
            "a/b;charset=utf-7",
            "a/b; charset=",
            "a/b;charset=utf-8;charset=utf-16",
            "a/b;x=y; CHARSET = latin1",
            "a/b; charset*=us-ascii''utf-7",
            "a/b; Charset *=utf-8",
            "a/b;charset=utf-8;charset*0=ut; charset*1=f-7",
            "a/b;charset*0*=utf-8",
        ] {
            assert!(!is_utf8(media), "{media}");
        }
    }
}
