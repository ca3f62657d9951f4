//! What did a server answer to tools/list? Read from files: JSON, or an event stream as `curl` shows it.

use super::baseline;
use crate::document::read;
use crate::outcome::Unusable;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use wicketgate_core::mcp::strict::Fault;
use wicketgate_core::tools::digest::Digest;
use wicketgate_core::tools::entry::{Examined, examine};
use wicketgate_core::tools::listing::listed;

/// Tools by name.
pub(super) struct Tools(pub(super) BTreeMap<String, Tool>);

/// One tool as far as it is known.
pub(super) enum Tool {
    /// What was approved of it.
    Pinned(Digest),
    /// Its entry, JSON.
    Listed(String, Examined),
}

// === impl Tools ===

impl Tools {
    /// Reads pins, or an answer.
    pub(super) fn read(path: &Path) -> Result<Self, Unusable> {
        let text = text_of(path)?;
        if text.trim_start().starts_with(['{', '[']) || text.starts_with("data:") || text.contains("\ndata:")
        {
            return Self::answer(path, &text, BTreeMap::new());
        }
        let pins = baseline::parse(&text).map_err(|why| Unusable(format!("{}: {why}", path.display())))?;
        Ok(Self(pins.into_iter().map(|(name, digest)| (name, Tool::Pinned(digest))).collect()))
    }

    /// Reads answers, all pages of one list.
    pub(super) fn answered(paths: &[PathBuf]) -> Result<Self, Unusable> {
        let mut tools = Self(BTreeMap::new());
        for path in paths {
            tools = Self::answer(path, &text_of(path)?, tools.0)?;
        }
        Ok(tools)
    }

    fn answer(path: &Path, text: &str, mut tools: BTreeMap<String, Tool>) -> Result<Self, Unusable> {
        let cannot = |why: &str| Unusable(format!("{}: {why}", path.display()));
        let mut any = false;
        for message in messages(text) {
            let found = match listed(message.as_bytes()) {
                Ok(found) => found,
                Err(Fault::Refused("no list of tools")) => continue,
                Err(Fault::NotJson(why) | Fault::Refused(why)) => {
                    return Err(cannot(&format!("is no answer to tools/list: {why}")));
                }
            };
            any = true;
            for (name, span) in found {
                let entry = message.get(span).unwrap_or_default();
                let tool = Tool::Listed(entry.to_owned(), examine(entry.as_bytes()));
                if tools.insert(name.clone(), tool).is_some() {
                    return Err(cannot(&format!("the tool {name:?} stands twice")));
                }
            }
        }
        if any { Ok(Self(tools)) } else { Err(cannot("there is no answer to tools/list in it")) }
    }

    /// Their digests.
    pub(super) fn digests(&self) -> Result<BTreeMap<String, Digest>, Unusable> {
        self.0.iter().map(|(name, tool)| tool.digest(name).map(|digest| (name.clone(), digest))).collect()
    }

    /// Those with characters that nobody sees.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &str> {
        let hides = |tool: &Tool| matches!(tool, Tool::Listed(_, examined) if examined.hidden.any);
        self.0.iter().filter(move |(_, tool)| hides(tool)).map(|(name, _)| name.as_str())
    }
}

// === impl Tool ===

impl Tool {
    pub(super) fn digest(&self, name: &str) -> Result<Digest, Unusable> {
        let digest = match self {
            Self::Pinned(digest) => Some(*digest),
            Self::Listed(_, examined) => examined.digest,
        };
        digest.ok_or_else(|| {
            let why = "readers may read its definition differently (a repeated key, half a character), or it is too long";
            Unusable(format!("the tool {name:?} cannot be pinned: {why}"))
        })
    }
}

/// The JSON documents of an answer: itself, or the data of each event.
fn messages(text: &str) -> Vec<&str> {
    if text.trim_start().starts_with(['{', '[']) {
        return vec![text];
    }
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter(|data| !data.trim().is_empty())
        .collect()
}

fn text_of(path: &Path) -> Result<String, Unusable> {
    if path != Path::new("-") {
        return read(path);
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map(|_| text).map_err(|e| Unusable(format!("cannot read standard input: {e}")))
}
