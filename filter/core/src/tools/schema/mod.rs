//! What does a JSON Schema demand, and does a value meet it? A stated part of draft 2020-12, bounded.
//!
//! Understood: `type enum const`, `minimum maximum exclusiveMinimum exclusiveMaximum multipleOf`, `minLength maxLength
//! pattern` (in builds with regular expressions), `properties patternProperties additionalProperties propertyNames required
//! minProperties maxProperties dependentRequired dependentSchemas`, `prefixItems items contains minContains maxContains minItems
//! maxItems uniqueItems`, `allOf anyOf oneOf not if then else`, `$ref` within the document, `$defs`. `format` and its like
//! say nothing of whether a value is valid (JSON Schema Validation section 7.2.1). Whatever else asserts something is not
//! guessed at: the answer is then [`Told::Unknown`] unless another keyword settles it. Nothing is ever fetched.

mod compile;
mod tree;
mod validate;

use crate::mcp::number::Number;
use crate::policy::arguments::constraint::Type;
use crate::policy::arguments::text_pattern::TextPattern;

pub use tree::Tree;

/// A compiled schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The first is the root; others are named by their index.
    nodes: Vec<Node>,
}

/// One schema in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    checks: Vec<Check>,
    /// It says more than is understood.
    abstains: bool,
}

/// The index of a node.
type Id = usize;

/// What one keyword, or several that belong together, demand.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Check {
    Never,
    Types(Vec<Type>),
    Equals(&'static str, Vec<Tree<'static>>),
    Limit(Limit, Number),
    MultipleOf(Number),
    Size(Size, usize),
    Pattern(TextPattern),
    Unique,
    Required(Vec<String>),
    Members { named: Vec<(String, Id)>, patterns: Vec<(TextPattern, Id)>, others: Option<Id> },
    Names(Id),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, Id)>),
    Items { first: Vec<Id>, rest: Option<Id> },
    Contains { what: Id, min: usize, max: usize },
    All(&'static str, Vec<Id>),
    Any(Vec<Id>),
    One(Vec<Id>),
    Not(Id),
    If { condition: Id, then: Option<Id>, otherwise: Option<Id> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinProperties,
    MaxProperties,
}

/// Whether a value meets a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It does.
    Valid,
    /// It does not.
    Invalid(Fault),
    /// That hangs on what is not understood.
    Unknown,
}

/// What of a value is not as demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The keyword.
    pub keyword: &'static str,
    /// The way to it from the outside, last step first: names of the schema, `[0]`, `*` for members that it does not name.
    steps: Vec<String>,
}

/// A schema that is too large, or no sound one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;

/// The value, or the schema, makes more work than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

// === impl Schema ===

impl Schema {
    /// The longest schema that is read, bytes.
    pub const MAX_BYTES: usize = 64 << 10;
    /// The most schemas within one.
    pub const MAX_NODES: usize = 1000;
    /// The most patterns of one.
    pub const MAX_PATTERNS: usize = 32;
    /// The most values of an instance.
    pub const MAX_VALUES: usize = 20_000;
    /// How much work one validation may make: about so many looks at one value.
    pub const MAX_WORK: usize = 400_000;

    /// Whether all of it is understood.
    pub fn is_understood(&self) -> bool {
        !self.nodes.iter().any(|node| node.abstains)
    }
}

// === impl Fault ===

impl Fault {
    fn new(keyword: &'static str) -> Self {
        Self { keyword, steps: Vec::new() }
    }

    /// The way to what is wrong: `filter.limit`, `items[3].url`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        path
    }
}

#[cfg(test)]
mod tests;
