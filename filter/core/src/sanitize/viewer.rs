//! Who says what of an answer may pass? Asked by those who read it, entry by entry and request by request.

use std::ops::Range;

use super::server_asks::{Ask, Gate};
use crate::denial::Denial;
use crate::mcp::operation::Target;

/// Who looks at an answer, and judges its parts. A closure that says which targets may be seen is one that lets everything
/// else pass.
pub trait Viewer {
    /// Whether the caller may see a tool, prompt, resource, template or task: the same decision as for a call.
    fn sees(&mut self, target: &Target) -> bool;

    /// What becomes of a tool in a list, whoever may see it; told before it is asked whether it is seen. `entry` is its JSON.
    fn tool(&mut self, _name: &str, _entry: &[u8]) -> Kept {
        Kept::Whole
    }

    /// Whether the server may send the client any request at all, or ask for input in a result.
    fn may_be_asked(&mut self) -> bool {
        true
    }

    /// Whether anything that a server asks for may be kept from the client.
    fn gates(&self) -> bool {
        false
    }

    /// What becomes of something that the server asks for.
    fn asked(&mut self, _ask: &Ask) -> Gate {
        Gate::Pass
    }

    /// A text has been read to its end, and what was said of its parts must hold together.
    ///
    /// # Errors
    /// Nothing can be said of it.
    fn settle(&mut self) -> Result<Settled, Denial> {
        Ok(Settled::Done)
    }
}

/// Whether what was said of the parts of a text still holds at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It does.
    Done,
    /// Something changed meanwhile: it must be read again.
    Again,
}

/// What is left of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Whole,
    /// All but these bytes of it, in order.
    Without(Vec<Range<usize>>),
    /// Nothing.
    Cut,
}

impl<F: FnMut(&Target) -> bool> Viewer for F {
    fn sees(&mut self, target: &Target) -> bool {
        self(target)
    }
}
