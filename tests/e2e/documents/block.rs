//! Which commands, configurations and outputs stand in the documents? Fenced blocks, and code between single backticks.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wicketgate_e2e::layout;

use super::scenes::NOT_EXECUTED;

/// One piece of code in a document.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The Markdown file, from the root of the repository.
    pub(crate) document: PathBuf,
    /// Of its first line, counted from 1.
    line: usize,
    /// `sh`, `yaml`, ...; empty for code between single backticks.
    pub(crate) language: String,
    text: String,
}

// === impl Block ===

impl Block {
    /// The one block, or else the first code between backticks, of this document that begins so.
    pub(crate) fn find(document: &str, begins: &str) -> Self {
        let of_document = |blocks: Vec<Self>| -> Vec<Self> {
            let this = |block: &Self| block.document == Path::new(document) && block.text.starts_with(begins);
            blocks.into_iter().filter(this).collect()
        };
        let mut fenced = of_document(all());
        assert!(fenced.len() <= 1, "{document} has {} blocks that begin with `{begins}`", fenced.len());
        let found = fenced.pop().or_else(|| of_document(spans()).into_iter().next());
        found.unwrap_or_else(|| panic!("{document} has no block that begins with `{begins}`"))
    }

    /// The text as it stands.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The commands that are to be executed: without prompts, outputs, and the lines of [`NOT_EXECUTED`].
    pub(crate) fn commands(&self) -> String {
        let console = self.language == "console";
        let typed =
            self.text.lines().filter_map(|line| if console { line.strip_prefix("$ ") } else { Some(line) });
        typed.filter(|line| !self.excepts(line)).map(|line| format!("{line}\n")).collect()
    }

    /// The commands with the test's own ports and paths in place of the documented ones, each of which must be there.
    pub(crate) fn with(&self, replacements: &[(&str, &str)]) -> String {
        replacements.iter().fold(self.commands(), |commands, (documented, own)| {
            assert!(commands.contains(documented), "{self} no longer holds `{documented}`:\n{commands}");
            commands.replace(documented, own)
        })
    }

    /// Whether [`NOT_EXECUTED`] has this line of it.
    pub(crate) fn excepts(&self, line: &str) -> bool {
        NOT_EXECUTED
            .iter()
            .any(|(document, begins, _)| Path::new(document) == self.document && line.starts_with(begins))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.document.display(), self.line)
    }
}

/// All Markdown files of the repository, from its root.
pub(crate) fn documents() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "*.md"]).current_dir(layout::root()).output().unwrap();
    let files: Vec<PathBuf> = String::from_utf8(listed.stdout).unwrap().lines().map(PathBuf::from).collect();
    assert!(files.len() > 8, "{files:?}");
    files
}

pub(crate) fn text(document: &Path) -> String {
    fs::read_to_string(layout::root().join(document)).unwrap()
}

/// All fenced blocks of all documents.
pub(crate) fn all() -> Vec<Block> {
    let mut blocks = Vec::new();
    for document in documents() {
        let text = text(&document);
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(language), None) => {
                    let (language, text) = (language.trim().to_owned(), String::new());
                    open = Some(Block { document: document.clone(), line: index + 2, language, text });
                }
                (None, Some(block)) => block.text.push_str(&format!("{line}\n")),
                // A fence that is set in, or of another kind, would not be found.
                (None, None) => {
                    let other = line.contains("```") || line.contains("~~~");
                    assert!(!other, "{}:{}: {line}", document.display(), index + 1);
                }
            }
        }
        assert!(open.is_none(), "{}: a block has no end", document.display());
    }
    blocks
}

/// All code between single backticks, outside of the blocks.
pub(crate) fn spans() -> Vec<Block> {
    let mut spans = Vec::new();
    for document in documents() {
        let text = text(&document);
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            fenced ^= line.starts_with("```");
            for code in line.split('`').skip(1).step_by(2).filter(|_| !fenced) {
                let (language, text) = (String::new(), code.to_owned());
                spans.push(Block { document: document.clone(), line: index + 1, language, text });
            }
        }
    }
    spans
}
