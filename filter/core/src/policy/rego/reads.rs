//! What does a program read of its input, besides who asks and what for?

use crate::head::passing;
use crate::order;

/// The parts of the input that differ between two requests of one principal for one thing. Only these are gathered, and a
/// program that reads none of them gives one verdict, which is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Paths below `input.arguments`, sorted, none within another; an empty one means all arguments.
    pub arguments: Vec<Vec<String>>,
    /// Names below `input.headers`, in lower case, sorted.
    pub headers: Vec<String>,
    /// Whether `input.source` is read.
    pub source: bool,
    /// Whether `input.time` is read.
    pub time: bool,
}

/// Keys of the input that are the same for one principal, server and thing.
pub const STABLE: [&str; 9] =
    ["version", "server", "principal", "method", "tool", "prompt", "resource", "template", "task"];
/// Keys of the input that differ from request to request.
pub const CIRCUMSTANCES: [&str; 4] = ["arguments", "headers", "source", "time"];

/// Headers that hold credentials, which no policy sees.
const SECRET_HEADERS: [&str; 4] = ["authorization", "cookie", "dpop", "proxy-authorization"];

/// That no policy sees the header of this name, and why; `None` where one may.
pub fn hidden(name: &str) -> Option<String> {
    let why = if SECRET_HEADERS.contains(&name) {
        "it holds a credential"
    } else if passing::is_ours(name) {
        "what a client writes there is not the gateway's word, and goes no further"
    } else {
        return None;
    };
    Some(format!("no policy sees the header `{name}`: {why}"))
}

// === impl Reads ===

impl Reads {
    /// Whether one verdict holds for every request of a principal for a thing.
    pub fn is_stable(&self) -> bool {
        *self == Self::default()
    }

    /// The same without repeats and without paths that lie within another.
    #[must_use]
    pub fn reduced(mut self) -> Self {
        order::each_once(&mut self.arguments);
        let mut kept: Vec<Vec<String>> = Vec::new();
        for path in self.arguments {
            if !kept.last().is_some_and(|shorter| path.starts_with(shorter)) {
                kept.push(path);
            }
        }
        self.arguments = kept;
        order::each_once(&mut self.headers);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_within_another_is_read_with_it() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let arguments = vec![path("b.c"), path("a"), path("b"), path("a.x.y"), path("ab"), path("b")];
        let reads = Reads { arguments, ..Reads::default() }.reduced();
        assert_eq!(reads.arguments, [path("a"), path("ab"), path("b")]);
        let all = Reads { arguments: vec![path("a"), vec![]], ..Reads::default() }.reduced();
        assert_eq!(all.arguments, [Vec::<String>::new()]);
    }
}
