//! What of an event stream may pass, and with which bytes? Filters the lists in it event by event.

mod plain;

use std::ops::Range;

use super::capture::Capture;
use super::content::{self, Plan, Refused};
use super::list::{Report, asked_too_much, filter_answer};
use super::viewer::Viewer;
use crate::denial::Denial;
use crate::mcp::sse::{Event, Splitter};
use crate::mcp::versions::Revision;
use crate::tools::schemas::WithSchemas;
use crate::tools::structured::Structured;

/// One event stream of an upstream, on its way to the client.
#[derive(Debug)]
pub struct ListStream {
    splitter: Splitter,
    revision: Option<Revision>,
    report: Report,
    created: Vec<String>,
    plan: Option<Box<Plan>>,
    found: content::Report,
    /// The id of the request that the stream answers, as JSON.
    id: Option<String>,
    /// Whether that was answered with an error of ours, or an event may not pass: nothing more does.
    ended: bool,
    /// Whether its answer has passed.
    answered: bool,
    learns: bool,
    listed: Vec<(Vec<u8>, Vec<WithSchemas>)>,
    structured: Option<Structured>,
    capture: Option<Capture>,
    captured: Option<String>,
}

// === impl ListStream ===

impl ListStream {
    /// For a stream that answers a request of `revision`. An event may be `event_limit` bytes long; so much is held at most.
    pub fn new(event_limit: usize, revision: Option<Revision>) -> Self {
        Self {
            splitter: Splitter::new(event_limit),
            revision,
            report: Report::default(),
            created: Vec::new(),
            plan: None,
            found: content::Report::default(),
            id: None,
            ended: false,
            answered: false,
            learns: false,
            listed: Vec::new(),
            structured: None,
            capture: None,
            captured: None,
        }
    }

    /// The same for a stream that answers the request of this id (JSON), which can so be answered with an error.
    #[must_use]
    pub fn answering(self, id: Option<&str>) -> Self {
        Self { id: id.map(str::to_owned), ..self }
    }

    /// The same, which also keeps the lists of tools for a look at their schemas, and holds results against one.
    #[must_use]
    pub fn with_schemas(self, learns: bool, structured: Option<Structured>) -> Self {
        Self { learns, structured, ..self }
    }

    /// Reads the contents of each event by `plan`, too.
    #[must_use]
    pub fn with_plan(mut self, plan: Option<Box<Plan>>) -> Self {
        self.plan = plan;
        self
    }

    /// Keeps of the first result what may be written down of it.
    #[must_use]
    pub fn captured_by(self, capture: Option<Capture>) -> Self {
        Self { capture, ..self }
    }

    /// What may be written down of the first result that passed.
    pub fn take_captured(&mut self) -> Option<String> {
        self.captured.take()
    }

    /// What content rules found since the last look.
    pub fn take_found(&mut self) -> content::Report {
        std::mem::take(&mut self.found)
    }

    /// Takes the next bytes of the stream and appends to `out` what may be passed on now: every complete event but those that
    /// notify of what may not be seen, or ask for what may not be asked, each written so that all clients read in it what was judged.
    ///
    /// # Errors
    /// `UnsafeContent`: a content rule blocks an event. `UnsafeResponse`: an event is too large, or [`filter_answer`] refuses its data. `out` holds the events before it; it
    /// is said once, and nothing more passes.
    pub fn feed(&mut self, chunk: &[u8], viewer: &mut dyn Viewer, out: &mut Vec<u8>) -> Result<(), Denial> {
        if self.ended {
            return Ok(());
        }
        let mut events = Vec::new();
        let split = self.splitter.push(chunk, &mut events);
        let passed = events.into_iter().try_for_each(|event| self.pass(event, viewer, out));
        let fed = passed.and(split.map_err(|_| Denial::UnsafeResponse("an event is too large")));
        self.end_if(fed)
    }

    /// Takes the end of the stream (trailers count as such) and appends what was held.
    ///
    /// # Errors
    /// As [`ListStream::feed`].
    pub fn finish(&mut self, viewer: &mut dyn Viewer, out: &mut Vec<u8>) -> Result<(), Denial> {
        let passed = match self.splitter.finish() {
            Some(event) => self.pass(event, viewer, out),
            None => Ok(()),
        };
        self.end_if(passed)
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.splitter.held()
    }

    /// What was done so far.
    pub fn report(&self) -> Report {
        self.report
    }

    /// The ids of tasks that were handed out since the last look: in events that [`ListStream::feed`] gave, and that must
    /// not be passed on before these are known to be the caller's.
    pub fn take_created(&mut self) -> Vec<String> {
        std::mem::take(&mut self.created)
    }

    /// Whether nothing more passes.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// Whether the request that the stream answers has its answer: a second one would be an answer to nothing.
    pub fn has_answered(&self) -> bool {
        self.answered
    }

    /// The lists of tools since the last look, as they came.
    pub fn take_listed(&mut self) -> Vec<(Vec<u8>, Vec<WithSchemas>)> {
        std::mem::take(&mut self.listed)
    }

    /// How results stand to the schema of their tool.
    pub fn structured(&self) -> Option<&Structured> {
        self.structured.as_ref()
    }

    /// The data of an event after the content rules; `None` if it stays as it is.
    fn contents(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>, Denial> {
        let Some(plan) = &self.plan else { return Ok(None) };
        content::apply(data, plan, &mut self.found).map_err(|refused| match refused {
            Refused::Unreadable(what) => Denial::UnsafeResponse(what),
            Refused::Blocked(..) => Denial::UnsafeContent(plan.detail(refused)),
        })
    }

    /// What is held of the rest is let go.
    fn end_if(&mut self, passed: Result<(), Denial>) -> Result<(), Denial> {
        if passed.is_err() {
            self.ended = true;
        }
        if self.ended {
            self.splitter = Splitter::new(0);
        }
        passed
    }

    fn pass(&mut self, event: Event, viewer: &mut dyn Viewer, out: &mut Vec<u8>) -> Result<(), Denial> {
        if self.ended {
            return Ok(());
        }
        if let Some(data) = &event.data {
            let filtered = filter_answer(data, self.revision, viewer)?;
            self.report = self.report.and(filtered.report);
            if filtered.hidden {
                if let Some(id) = self.id.as_deref().filter(|_| filtered.refused && !self.answered) {
                    out.extend_from_slice(format!("data: {}\n\n", asked_too_much(Some(id))).as_bytes());
                    self.ended = true;
                }
                return Ok(());
            }
            if let Some(structured) = &mut self.structured {
                structured.look(data)?;
            }
            let read = self.contents(filtered.body.as_deref().unwrap_or(data))?;
            // Of events that pass alone.
            self.created.extend(filtered.created);
            let own =
                |at: &Range<usize>| data.get(at.clone()).is_some_and(|id| is_id(self.id.as_deref(), id));
            self.answered |= filtered.answers.iter().any(own);
            if self.learns && !filtered.tools.is_empty() {
                self.listed.push((data.clone(), filtered.tools));
            }
            let left = read.or(filtered.body);
            let outcome = self.capture.as_ref().and_then(|c| c.outcome(left.as_deref().unwrap_or(data)));
            if outcome.is_some() {
                (self.capture, self.captured) = (None, outcome);
            }
            return plain::write(&event.raw, left.as_deref().unwrap_or(data), out);
        }
        plain::write(&event.raw, b"", out)
    }
}

/// Whether both are the same id, however a server writes the text of one.
fn is_id(asked: Option<&str>, answered: &[u8]) -> bool {
    let text = |id: &[u8]| serde_json::from_slice::<String>(id).ok();
    asked.is_some_and(|id| {
        id.as_bytes() == answered || text(answered).is_some_and(|other| text(id.as_bytes()) == Some(other))
    })
}

#[cfg(test)]
mod tests;
