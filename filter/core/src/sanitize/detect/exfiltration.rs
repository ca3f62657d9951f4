//! Would showing this carry data away? An image that is fetched from elsewhere, with room for data in its URL: what is shown
//! is fetched without a click.

use std::ops::Range;

use super::entropy::{is_mixed, is_random};
use super::run;

/// How an image is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// `![text](url)`.
    Markdown,
    /// `<img src="url">`.
    Html,
}

/// A value of a query from this length on has room for a secret, if it looks like one.
const SECRET: usize = 20;
/// One from this length on has room for a sentence, and so has a whole query of three times that.
const SENTENCE: usize = 64;

/// The URL of the image that begins at `at`, where it can carry data.
pub(super) fn image(text: &[u8], at: usize, written: Written) -> Option<Range<usize>> {
    let near = text.get(at..)?;
    let near = near.get(..near.len().min(512))?;
    let from = match written {
        Written::Markdown => {
            // The next image has a place of its own.
            let next = near.get(2..)?.windows(2).position(|two| two == b"](" || two == b"![")? + 2;
            if near.get(next) == Some(&b'!') {
                return None;
            }
            next + 2
        }
        Written::Html => {
            let ends =
                near.iter().skip(1).position(|b| matches!(b, b'>' | b'<')).map_or(near.len(), |at| at + 1);
            let tag = near.get(..ends)?;
            let source = tag.windows(4).position(|four| four.eq_ignore_ascii_case(b"src="))? + 4;
            source + run(tag, source, 1, |b| matches!(b, b'"' | b'\''))
        }
    };
    let from = at + from + run(near, from, 2, |b| matches!(b, b'<' | b' '));
    let length = run(text, from, 4096, |b| b > b' ' && !b"\"')>".contains(&b));
    let url = text.get(from..from + length)?;
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let elsewhere =
        lower.starts_with(b"https://") || lower.starts_with(b"http://") || lower.starts_with(b"//");
    (elsewhere && carries(url)).then_some(from..from + length)
}

fn carries(url: &[u8]) -> bool {
    let query = url.iter().position(|b| matches!(b, b'?' | b'#')).and_then(|at| url.get(at + 1..));
    let query = query.unwrap_or_default();
    // A place that the model shall fill in.
    let template = url.iter().any(|b| matches!(b, b'{' | b'[' | b'$' | b'<'));
    let value = |pair: &[u8]| {
        let value = pair.splitn(2, |b| *b == b'=').nth(1).unwrap_or_default();
        value.len() >= SENTENCE || value.len() >= SECRET && is_mixed(value) && is_random(value, 3.0)
    };
    let path_part = url.split(|b| matches!(b, b'/' | b'?')).skip(3).map(<[u8]>::len).max().unwrap_or(0);
    template || query.len() >= 3 * SENTENCE || query.split(|b| *b == b'&').any(value) || path_part > 200
}
