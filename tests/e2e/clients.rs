//! Official clients through the whole product, one suite a file. They come first in the alphabet, and so in a run: one of
//! them waits for a tool that takes 90 s, while all others take their turns.
//!
//! | module | question |
//! |---|---|
//! | [`python`], [`typescript`] | do the official SDKs get through everything, in both eras? |
//! | [`inspector`] | does the Inspector's command line work with a token? |
//! | [`browser`] | does the login work for a person with a real browser? |
//! | [`program`] | how is such a program run, and what did it say? |
//! | [`walk`] | what must a client's way through the product show, and what must be on record? |

#![expect(
    clippy::indexing_slicing,
    reason = "reading a member of a JSON value gives null where there is none"
)]

mod browser;
mod inspector;
pub(crate) mod program;
mod python;
mod typescript;
mod walk;
