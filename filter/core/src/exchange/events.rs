//! Which events of a stream may pass? Those before one that may not do; that one becomes an error, and nothing follows it.

use super::response::cut_out;
use super::step::Effect;
use super::{Exchange, World};
use crate::denial::Denial;
use crate::limits::held::Share;
use crate::reply::Reply;
use crate::sanitize::stream::ListStream;
use crate::tools::structured::Structured;

// === impl Exchange ===

impl Exchange {
    /// Passes on what the next bytes of an event stream complete.
    ///
    /// # Errors
    /// What is to pass cannot be accounted for: none of it may. An event that may not pass by itself is no error here.
    pub(super) fn answer_events(
        &mut self,
        stream: &mut ListStream,
        share: &mut Share,
        bytes: &[u8],
        end: bool,
        world: &mut World<'_>,
    ) -> Result<(), Denial> {
        let before = cut_out(stream.report());
        let mut out = Vec::new();
        let mut viewing = self.viewing(world)?;
        let mut fed = stream.feed(bytes, &mut viewing, &mut out);
        if end && fed.is_ok() {
            fed = stream.finish(&mut viewing, &mut out);
        }
        let (kept, found) = (viewing.kept(), viewing.take_found());
        self.note_found(found);
        let contents = stream.take_found();
        self.contents_found(contents);
        let captured = stream.take_captured();
        self.facts.answer = captured.or(self.facts.answer.take());
        self.output_schema_said(stream.structured().and_then(Structured::finding));
        kept?;
        for (list, tools) in stream.take_listed() {
            self.learn(&list, &tools, world)?;
        }
        self.hand_out_tasks(&stream.take_created(), world)?;
        share.set(stream.held()).map_err(|_| Denial::UnsafeResponse("too much is held"))?;
        let removed = cut_out(stream.report()).saturating_sub(before);
        self.removed(removed);
        if let Err(denial) = fed {
            out.extend(self.answer_in_stream(&denial, stream.has_answered(), world));
        } else if stream.is_over() && !self.facts.over {
            self.answered_in_stream(&Denial::UnsafeResponse("asked too much"), world);
        }
        self.effects.push(Effect::ReplaceResponseBody(out));
        Ok(())
    }

    /// The event that takes the place of one that may not pass: an error, where a request still waits for its answer.
    fn answer_in_stream(&mut self, denial: &Denial, has_answered: bool, world: &World<'_>) -> Vec<u8> {
        self.answered_in_stream(denial, world);
        if has_answered || self.facts.id.is_none() {
            return Vec::new();
        }
        let reply = Reply::refuse(denial, &self.facts.asked(world.guard));
        [b"data: ".as_slice(), &reply.body, b"\n\n"].concat()
    }

    /// Nothing more of it passes; it is closed soon, since a host may lose what it was given when it closes at once.
    fn answered_in_stream(&mut self, denial: &Denial, world: &World<'_>) {
        self.facts.over = true;
        self.decided("deny", denial.reason(), denial.detail(), world);
    }
}
