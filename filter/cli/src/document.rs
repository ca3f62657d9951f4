//! Which policy does a file hold, and on which line does each part of it stand?

use crate::environment::expand;
use crate::envoy::certificates;
use crate::outcome::{Refusal, Unusable};
use crate::pins;
use crate::rego;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Spanned};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use wicketgate_core::config::edge::{self, Edge};
use wicketgate_core::config::{Compiled, ConfigError, compile};

/// A policy is written by people; more than this is a mistake.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// A file as a JSON document, with the places of its parts.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) file: PathBuf,
    pub(crate) json: Value,
    spots: BTreeMap<String, Spot>,
}

/// A sound policy.
pub(crate) struct Policy {
    pub(crate) document: Document,
    pub(crate) compiled: Compiled,
    /// What stood in the document for the Envoy around the filter.
    pub(crate) edge: Edge,
}

/// Why there is no policy.
pub(crate) enum Fault {
    Unusable(Unusable),
    Refused(Refusal),
}

/// One node of the YAML tree.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Spanned<Node>)>),
}

// === impl Policy ===

impl Policy {
    /// Reads, expands and compiles `file`.
    pub(crate) fn load(file: &Path) -> Result<Self, Fault> {
        let text = read(file).map_err(Fault::Unusable)?;
        Self::from_text(file, &text).map_err(Fault::Refused)
    }

    /// The same for a text that was read from `file`.
    pub(crate) fn from_text(file: &Path, text: &str) -> Result<Self, Refusal> {
        let mut document = Document::parse(file, text)?;
        let drawn = document.json.get("edge").is_some();
        let edge = edge::take(&mut document.json);
        let mut errors = pins::inline(file, &mut document.json);
        errors.extend(rego::compile_all(&mut document).err().into_iter().flatten());
        if !errors.is_empty() {
            errors.extend(edge.err().into_iter().flatten());
            return Err(document.refusal(errors));
        }
        let bytes = document.json.to_string();
        match (compile(bytes.as_bytes()), edge) {
            (Ok(compiled), Ok(edge)) => {
                // Where the policy does not say who listens, nobody here knows what that checks.
                let unmet = if drawn { certificates::judge(&edge, &compiled.guard) } else { Vec::new() };
                if !unmet.is_empty() {
                    return Err(document.refusal(unmet));
                }
                Ok(Self { document, compiled, edge })
            }
            (compiled, edge) => {
                let errors = compiled.err().into_iter().chain(edge.err()).flatten();
                Err(document.refusal(errors.collect()))
            }
        }
    }
}

/// The files that the policy `text` of `file` names; none where it cannot be read.
pub(crate) fn named_by(file: &Path, text: &str) -> Vec<PathBuf> {
    let named = |root| {
        let mut document = Document::new(file);
        document.json = document.place(root, String::new(), None, &mut Vec::new());
        let mut files = pins::files(file, &document.json);
        files.extend(rego::files_of(&document));
        files
    };
    serde_saphyr::from_str_with_options(text, options()).map(named).unwrap_or_default()
}

/// A YAML text that is no policy, as it stands: nothing in it is expanded.
///
/// # Errors
/// One phrase.
pub(crate) fn plain(text: &str) -> Result<Value, String> {
    let unsound = |e: serde_saphyr::Error| format!("not sound YAML: {}", in_one_line(&e.to_string()));
    let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options()).map_err(unsound)?;
    Ok(root.value.plain())
}

/// The text of `file`.
pub(crate) fn read(file: &Path) -> Result<String, Unusable> {
    let cannot = |e: &dyn fmt::Display| Unusable(format!("cannot read {}: {e}", file.display()));
    let size = std::fs::metadata(file).map_err(|e| cannot(&e))?.len();
    if size > MOST_BYTES {
        return Err(cannot(&"larger than 4MiB"));
    }
    let bytes = std::fs::read(file).map_err(|e| cannot(&e))?;
    String::from_utf8(bytes).map_err(|_| cannot(&"not UTF-8"))
}

// === impl Document ===

impl Document {
    fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), json: Value::Null, spots: BTreeMap::new() }
    }

    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Refusal> {
        let one = |at: Spot, path: &str, message: String| {
            let error = ConfigError { path: path.to_owned(), message, suggestion: None };
            Refusal { file: file.to_owned(), errors: vec![(at, error)] }
        };
        let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options()).map_err(|e| {
            let at = e.location().as_ref().map_or(Spot { line: 1, column: 1 }, Spot::from);
            one(at, "", format!("not sound YAML: {}", in_one_line(&e.without_snippet().to_string())))
        })?;
        let mut document = Self::new(file);
        let mut unset = Vec::new();
        document.json = document.place(root, String::new(), None, &mut unset);
        if unset.is_empty() { Ok(document) } else { Err(document.refusal(unset)) }
    }

    /// Turns a node into JSON, keeps its place, and expands references in its texts.
    fn place(
        &mut self,
        node: Spanned<Node>,
        path: String,
        key: Option<Spot>,
        unset: &mut Vec<ConfigError>,
    ) -> Value {
        let own = Spot::from(&node.referenced);
        let at = if matches!(node.value, Node::Scalar(_)) { own } else { key.unwrap_or(own) };
        self.spots.insert(path.clone(), at);
        match node.value {
            Node::Scalar(Value::String(text)) => match expand(&text, &|name| std::env::var(name).ok()) {
                Ok(text) => Value::String(text),
                Err(message) => {
                    unset.push(ConfigError { path, message, suggestion: None });
                    Value::Null
                }
            },
            Node::Scalar(value) => value,
            Node::List(items) => {
                let place = |(at, item)| self.place(item, format!("{path}[{at}]"), None, unset);
                Value::Array(items.into_iter().enumerate().map(place).collect())
            }
            Node::Mapping(members) => {
                let place = |(key, member): (Spanned<String>, Spanned<Node>)| {
                    let below =
                        if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    let spot = Spot::from(&key.referenced);
                    (key.value, self.place(member, below, Some(spot), unset))
                };
                Value::Object(members.into_iter().map(place).collect::<Map<_, _>>())
            }
        }
    }

    /// Where `path` stands, or the nearest thing around it that does.
    pub(crate) fn spot(&self, path: &str) -> Spot {
        let mut path = path;
        loop {
            if let Some(spot) = self.spots.get(path) {
                return *spot;
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = path.get(..at).unwrap_or_default(),
                None if path.is_empty() => return Spot { line: 1, column: 1 },
                None => path = "",
            }
        }
    }

    pub(crate) fn refusal(&self, errors: Vec<ConfigError>) -> Refusal {
        let mut errors: Vec<_> = errors.into_iter().map(|e| (self.spot(&e.path), e)).collect();
        errors.sort_by_key(|(at, _)| (at.line, at.column));
        Refusal { file: self.file.clone(), errors }
    }
}

/// Keys stand once; no merge keys and no tags, which would say less plainly what can be said plainly. Anchors are
/// allowed, within the parser's own budget.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 64, max_nodes: 200_000, max_documents: 1 },
    }
}

/// The parser's sentence without its line breaks, the place (which we print ourselves) and advice to programmers.
fn in_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.split(" at line ").next().unwrap_or_default();
    if line.contains("Documents {") {
        return "a policy is one document, and here begins a second one".to_owned();
    }
    line.split(", set ").next().unwrap_or_default().to_owned()
}

// === impl Spot ===

impl From<&Location> for Spot {
    fn from(at: &Location) -> Self {
        Self { line: at.line().max(1), column: at.column().max(1) }
    }
}

// === impl Node ===

impl Node {
    fn plain(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => items.into_iter().map(|item| item.value.plain()).collect(),
            Self::Mapping(members) => {
                members.into_iter().map(|(key, member)| (key.value, member.value.plain())).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping, a list, a text, a number, true or false")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Node, E> {
        Ok(Node::Scalar(v.into()))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Node, E> {
        Ok(Node::Scalar(v.into()))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Node, E> {
        Ok(Node::Scalar(v.into()))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Node, E> {
        Ok(Node::Scalar(v.into()))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Node, E> {
        Ok(Node::Scalar(v.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_entry()? {
            list.push(member);
        }
        Ok(Node::Mapping(list))
    }
}
