//! What does a schema's text demand? Everything in it becomes a check, or an abstention.

use super::{Check, Id, Limit, Node, Schema, Size, Tree, Unusable};
use crate::mcp::number::Number;
use crate::mcp::strict::Scanner;
use crate::policy::arguments::constraint::Type;
use crate::policy::arguments::text_pattern::TextPattern;

/// Keywords that assert nothing (annotations, identifiers, places of definitions), or that others look at.
const SILENT: &[&str] = &[
    "$schema",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "additionalProperties",
    "patternProperties",
    "prefixItems",
    "minContains",
    "maxContains",
    "then",
    "else",
];
/// The dialect that is understood; what names none is of it, too (MCP, "JSON Schema Usage").
const DIALECT: &str = "draft/2020-12/schema";
/// Dialects in which the keywords that are understood mean the same but for these, and for what stands beside `$ref`.
const OLDER: &[&str] = &["draft/2019-09/schema", "draft-07/schema"];
const NEWER_KEYWORDS: &[&str] =
    &["$ref", "prefixItems", "dependentRequired", "dependentSchemas", "minContains", "maxContains"];
/// How deep schemas may lie in one another.
const MAX_DEPTH: usize = 64;
/// How long a place may be, bytes: each is kept, and compared with others that begin like it.
const MAX_PLACE: usize = 1024;

struct Compiler<'t> {
    root: &'t Tree<'t>,
    nodes: Vec<Node>,
    /// The nodes by where their text stands (RFC 6901), sorted.
    known: Vec<(String, Id)>,
    patterns: usize,
    depth: usize,
    older: bool,
}

// === impl Schema ===

impl Schema {
    /// Compiles the schema that `text` holds.
    ///
    /// # Errors
    /// It is longer, deeper or holds more than is allowed, or is no JSON that all read alike.
    pub fn compile(text: &[u8]) -> Result<Self, Unusable> {
        if text.len() > Self::MAX_BYTES {
            return Err(Unusable);
        }
        let root = Tree::read(text, Scanner::ANSWER_DEPTH, Self::MAX_VALUES).map_err(|_| Unusable)?;
        let older = match dialect(&root) {
            None => false,
            Some(name) if name == DIALECT => false,
            Some(name) if OLDER.contains(&name) => true,
            // Nobody knows what it says.
            Some(_) => return Ok(Self { nodes: vec![Node { checks: Vec::new(), abstains: true }] }),
        };
        let (nodes, known) = (Vec::new(), Vec::new());
        let mut compiler = Compiler { root: &root, nodes, known, patterns: 0, depth: 0, older };
        compiler.node("", &root)?;
        Ok(Self { nodes: compiler.nodes })
    }
}

// === impl Compiler ===

impl<'t> Compiler<'t> {
    fn node(&mut self, place: &str, tree: &Tree<'t>) -> Result<Id, Unusable> {
        if place.len() > MAX_PLACE {
            return Err(Unusable);
        }
        let at = match self.known.binary_search_by(|(known, _)| known.as_str().cmp(place)) {
            Ok(at) => return self.known.get(at).map(|(_, id)| *id).ok_or(Unusable),
            Err(at) => at,
        };
        let id = self.nodes.len();
        if id >= Schema::MAX_NODES || self.depth >= MAX_DEPTH {
            return Err(Unusable);
        }
        self.known.insert(at, (place.to_owned(), id));
        self.nodes.push(Node::default());
        self.depth += 1;
        let mut node = Node::default();
        match tree {
            Tree::Bool(true) => {}
            Tree::Bool(false) => node.checks.push(Check::Never),
            Tree::Object(members) if self.older && members.len() > 1 && has_newer(members) => {
                node.abstains = true;
            }
            Tree::Object(members) => {
                for (keyword, value) in members {
                    match self.keyword(place, tree, keyword, value)? {
                        Some(check) => node.checks.push(check),
                        None => node.abstains |= !is_silent(keyword, value, place.is_empty()),
                    }
                }
                self.companions(place, tree, &mut node)?;
            }
            _ => return Err(Unusable),
        }
        self.depth -= 1;
        if let Some(reserved) = self.nodes.get_mut(id) {
            *reserved = node;
        }
        Ok(id)
    }

    /// What one keyword demands; `None` where it is silent or not understood.
    fn keyword(
        &mut self,
        place: &str,
        schema: &Tree<'t>,
        keyword: &str,
        value: &Tree<'t>,
    ) -> Result<Option<Check>, Unusable> {
        let here = below(place, keyword);
        let limit = |limit| number(value).map(|number| Check::Limit(limit, number));
        let size = |size| count(value).map(|count| Check::Size(size, count));
        Ok(match keyword {
            "type" => types(value).map(Check::Types),
            "enum" => items(value).map(|values| Check::Equals("enum", owned(values))),
            "const" => Some(Check::Equals("const", owned(std::slice::from_ref(value)))),
            "minimum" => limit(Limit::Minimum),
            "maximum" => limit(Limit::Maximum),
            "exclusiveMinimum" => limit(Limit::ExclusiveMinimum),
            "exclusiveMaximum" => limit(Limit::ExclusiveMaximum),
            "multipleOf" => number(value).filter(|n| !n.is_zero() && !n.is_negative()).map(Check::MultipleOf),
            "minLength" => size(Size::MinLength),
            "maxLength" => size(Size::MaxLength),
            "minItems" => size(Size::MinItems),
            "maxItems" => size(Size::MaxItems),
            "minProperties" => size(Size::MinProperties),
            "maxProperties" => size(Size::MaxProperties),
            "pattern" => self.pattern(value).map(Check::Pattern),
            "uniqueItems" if *value == Tree::Bool(true) => Some(Check::Unique),
            "required" => texts(value).map(Check::Required),
            "propertyNames" => Some(Check::Names(self.node(&here, value)?)),
            "dependentRequired" => members(value)
                .and_then(|m| m.iter().map(|(k, v)| Some((k.to_string(), texts(v)?))).collect())
                .map(Check::DependentRequired),
            "dependentSchemas" => self.named(&here, value)?.map(Check::DependentSchemas),
            "contains" => {
                let bound = |name, default| schema.member(name).map_or(Some(default), count);
                let what = self.node(&here, value)?;
                match (bound("minContains", 1), bound("maxContains", usize::MAX)) {
                    (Some(min), Some(max)) => Some(Check::Contains { what, min, max }),
                    _ => None,
                }
            }
            "allOf" => self.list(&here, value)?.map(|nodes| Check::All("allOf", nodes)),
            "anyOf" => self.list(&here, value)?.map(Check::Any),
            "oneOf" => self.list(&here, value)?.map(Check::One),
            "not" => Some(Check::Not(self.node(&here, value)?)),
            "if" => {
                let mut branch = |name: &str| {
                    schema.member(name).map(|branch| self.node(&below(place, name), branch)).transpose()
                };
                let (then, otherwise) = (branch("then")?, branch("else")?);
                Some(Check::If { condition: self.node(&here, value)?, then, otherwise })
            }
            "$ref" => self.reference(value)?.map(|node| Check::All("$ref", vec![node])),
            _ => None,
        })
    }

    /// What keywords demand that depend on their neighbours.
    fn companions(&mut self, place: &str, schema: &Tree<'t>, node: &mut Node) -> Result<(), Unusable> {
        let subschema = |compiler: &mut Self, name: &str| {
            schema.member(name).map(|inner| compiler.node(&below(place, name), inner)).transpose()
        };
        let named = match schema.member("properties") {
            Some(properties) => self.named(&below(place, "properties"), properties)?,
            None => Some(Vec::new()),
        };
        let patterns = self.patterned(place, schema.member("patternProperties"))?;
        // Which members are others is known only where all the rest is.
        match (named, patterns) {
            (Some(named), Some(patterns)) => {
                let others = subschema(self, "additionalProperties")?;
                if !named.is_empty() || !patterns.is_empty() || others.is_some() {
                    node.checks.push(Check::Members { named, patterns, others });
                }
            }
            (named, _) => {
                node.abstains = true;
                let named = named.unwrap_or_default();
                node.checks.push(Check::Members { named, patterns: Vec::new(), others: None });
            }
        }
        let first = match schema.member("prefixItems") {
            Some(list) => self.list(&below(place, "prefixItems"), list)?,
            None => Some(Vec::new()),
        };
        match (first, schema.member("items")) {
            (Some(first), items @ (None | Some(Tree::Object(_) | Tree::Bool(_)))) => {
                let rest = items.map(|items| self.node(&below(place, "items"), items)).transpose()?;
                if !first.is_empty() || rest.is_some() {
                    node.checks.push(Check::Items { first, rest });
                }
            }
            // A list was what `prefixItems` is now; with what else it went together has changed.
            _ => node.abstains = true,
        }
        Ok(())
    }

    fn list(&mut self, place: &str, value: &Tree<'t>) -> Result<Option<Vec<Id>>, Unusable> {
        let Tree::Array(schemas) = value else { return Ok(None) };
        let nodes =
            schemas.iter().enumerate().map(|(at, schema)| self.node(&format!("{place}/{at}"), schema));
        nodes.collect::<Result<_, _>>().map(Some)
    }

    fn named(&mut self, place: &str, value: &Tree<'t>) -> Result<Option<Vec<(String, Id)>>, Unusable> {
        let Tree::Object(schemas) = value else { return Ok(None) };
        let nodes = schemas
            .iter()
            .map(|(name, schema)| Ok((name.to_string(), self.node(&below(place, name), schema)?)));
        nodes.collect::<Result<_, _>>().map(Some)
    }

    fn patterned(
        &mut self,
        place: &str,
        value: Option<&Tree<'t>>,
    ) -> Result<Option<Vec<(TextPattern, Id)>>, Unusable> {
        let Some(value) = value else { return Ok(Some(Vec::new())) };
        let Tree::Object(schemas) = value else { return Ok(None) };
        let place = below(place, "patternProperties");
        let mut patterns = Vec::new();
        for (pattern, schema) in schemas {
            let node = self.node(&below(&place, pattern), schema)?;
            let Some(pattern) = self.pattern(&Tree::Text(pattern.clone())) else { return Ok(None) };
            patterns.push((pattern, node));
        }
        Ok(Some(patterns))
    }

    fn pattern(&mut self, value: &Tree<'_>) -> Option<TextPattern> {
        let Tree::Text(text) = value else { return None };
        self.patterns += 1;
        if self.patterns > Schema::MAX_PATTERNS {
            return None;
        }
        TextPattern::of_schema(text)
    }

    /// Only within the document: nothing is fetched, and names of other documents are not understood.
    fn reference(&mut self, value: &Tree<'_>) -> Result<Option<Id>, Unusable> {
        let Tree::Text(text) = value else { return Ok(None) };
        let Some(pointer) = text.strip_prefix('#').filter(|p| p.is_empty() || p.starts_with('/')) else {
            return Ok(None);
        };
        // What is percent-encoded could be meant in two ways.
        if pointer.contains('%') {
            return Ok(None);
        }
        let mut target = self.root;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match target {
                Tree::Array(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
                other => other.member(&step),
            };
            let Some(next) = next else { return Ok(None) };
            target = next;
        }
        if !matches!(target, Tree::Object(_) | Tree::Bool(_)) {
            return Ok(None);
        }
        self.node(pointer, target).map(Some)
    }
}

/// Whether ignoring `keyword` loses nothing.
fn is_silent(keyword: &str, value: &Tree<'_>, at_root: bool) -> bool {
    match keyword {
        // Elsewhere it changes what references mean.
        "$id" => at_root,
        "uniqueItems" => *value == Tree::Bool(false),
        // Judged with their neighbours.
        "properties" | "items" => true,
        _ => SILENT.contains(&keyword) || keyword.starts_with("x-"),
    }
}

/// What `$schema` names, in short; empty for what is none of json-schema.org.
fn dialect<'t>(root: &'t Tree<'_>) -> Option<&'t str> {
    let Tree::Text(text) = root.member("$schema")? else { return Some("") };
    let path = text.split_once("://json-schema.org/").map_or("", |(_, path)| path);
    Some(path.trim_end_matches('#'))
}

fn has_newer(members: &[(std::borrow::Cow<'_, str>, Tree<'_>)]) -> bool {
    members.iter().any(|(keyword, _)| NEWER_KEYWORDS.contains(&keyword.as_ref()))
}

fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn owned(values: &[Tree<'_>]) -> Vec<Tree<'static>> {
    values.iter().cloned().map(Tree::into_owned).collect()
}

fn items<'a, 't>(value: &'a Tree<'t>) -> Option<&'a [Tree<'t>]> {
    match value {
        Tree::Array(items) => Some(items),
        _ => None,
    }
}

fn members<'a, 't>(value: &'a Tree<'t>) -> Option<&'a [(std::borrow::Cow<'t, str>, Tree<'t>)]> {
    match value {
        Tree::Object(members) => Some(members),
        _ => None,
    }
}

fn texts(value: &Tree<'_>) -> Option<Vec<String>> {
    let text = |item: &Tree<'_>| match item {
        Tree::Text(text) => Some(text.to_string()),
        _ => None,
    };
    items(value)?.iter().map(text).collect()
}

fn types(value: &Tree<'_>) -> Option<Vec<Type>> {
    let words = match value {
        Tree::Text(word) => vec![word.to_string()],
        other => texts(other)?,
    };
    let known = |word: &String| Type::WORDS.iter().find(|(known, _)| known == word).map(|(_, t)| *t);
    words.iter().map(known).collect()
}

fn number(value: &Tree<'_>) -> Option<Number> {
    match value {
        Tree::Number(number) => Some(number.clone()),
        _ => None,
    }
}

/// A whole number that is not negative, however it is written; one that no value has counts as the largest.
fn count(value: &Tree<'_>) -> Option<usize> {
    number(value)?.to_count()
}
