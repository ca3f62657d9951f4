//! Does a value meet a schema? With bounded work, and never a guess.

use super::{Check, Fault, Id, Limit, Node, Schema, Size, Told, TooMuch, Tree};
use crate::mcp::strict::Scanner;
use crate::order;
use crate::policy::arguments::constraint::Type;
use crate::policy::arguments::text_pattern::TextPattern;

/// How deep schemas may lead into one another, references included.
const MAX_DEPTH: usize = 192;
/// What one byte of a text costs that a pattern is looked for in.
const PATTERN_WORK: usize = 16;

struct Validation<'s> {
    schema: &'s Schema,
    work: usize,
    depth: usize,
}

// === impl Schema ===

impl Schema {
    /// Whether the JSON text `instance` meets it.
    ///
    /// # Errors
    /// It cannot be said with the work that is allowed, or the text holds too much.
    pub fn validate(&self, instance: &[u8]) -> Result<Told, TooMuch> {
        let mut work = Self::MAX_WORK;
        self.validate_within(instance, &mut work)
    }

    /// The same with the work that is left, of which nothing is once it was not enough.
    ///
    /// # Errors
    /// As [`Schema::validate`].
    pub fn validate_within(&self, instance: &[u8], work: &mut usize) -> Result<Told, TooMuch> {
        let tree = Tree::read(instance, Scanner::ANSWER_DEPTH, Self::MAX_VALUES).map_err(|_| TooMuch)?;
        let mut validation = Validation { schema: self, work: *work, depth: MAX_DEPTH };
        let told = validation.node(0, &tree);
        *work = if told.is_ok() { validation.work } else { 0 };
        told
    }
}

// === impl Told ===

impl Told {
    fn from(valid: bool, keyword: &'static str) -> Self {
        if valid { Self::Valid } else { Self::Invalid(Fault::new(keyword)) }
    }

    /// Both: what is invalid stays so.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (fault @ Self::Invalid(_), _) | (_, fault @ Self::Invalid(_)) => fault,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Valid, Self::Valid) => Self::Valid,
        }
    }

    fn at(mut self, step: impl FnOnce() -> String) -> Self {
        if let Self::Invalid(fault) = &mut self {
            fault.steps.push(step());
        }
        self
    }

    /// The same fault in the words of the keyword that led there.
    fn by(self, keyword: &'static str) -> Self {
        match self {
            Self::Invalid(_) => Self::Invalid(Fault::new(keyword)),
            other => other,
        }
    }
}

// === impl Validation ===

impl Validation<'_> {
    fn spend(&mut self, work: usize) -> Result<(), TooMuch> {
        self.work = self.work.checked_sub(work.max(1)).ok_or(TooMuch)?;
        Ok(())
    }

    fn node(&mut self, id: Id, value: &Tree<'_>) -> Result<Told, TooMuch> {
        self.spend(1)?;
        let schema = self.schema;
        let Some(Node { checks, abstains }) = schema.nodes.get(id) else { return Ok(Told::Unknown) };
        self.depth = self.depth.checked_sub(1).ok_or(TooMuch)?;
        let mut told = if *abstains { Told::Unknown } else { Told::Valid };
        for check in checks {
            told = told.and(self.check(check, value)?);
            if matches!(told, Told::Invalid(_)) {
                break;
            }
        }
        self.depth += 1;
        Ok(told)
    }

    fn check(&mut self, check: &Check, value: &Tree<'_>) -> Result<Told, TooMuch> {
        self.spend(1)?;
        Ok(match (check, value) {
            (Check::Never, _) => Told::from(false, "false"),
            (Check::Types(types), value) => {
                self.spend(types.len())?;
                Told::from(types.iter().any(|t| is_type(*t, value)), "type")
            }
            (Check::Equals(keyword, values), value) => {
                // None of them is looked at beyond the weight of either.
                let most = value.weight();
                self.spend(most)?;
                for one in values {
                    self.spend(one.weight_within(most))?;
                }
                Told::from(values.contains(value), keyword)
            }
            (Check::Limit(limit, bound), Tree::Number(number)) => limit.holds(number.cmp(bound)),
            (Check::MultipleOf(unit), Tree::Number(number)) => {
                number.is_multiple_of(unit).map_or(Told::Unknown, |whole| Told::from(whole, "multipleOf"))
            }
            (Check::Size(size, bound), value) => self.size(*size, *bound, value)?,
            (Check::Pattern(pattern), Tree::Text(text)) => Told::from(self.finds(pattern, text)?, "pattern"),
            (Check::Unique, Tree::Array(items)) => {
                self.spend(value.weight().saturating_mul(16))?;
                Told::from(!order::repeats(items), "uniqueItems")
            }
            (Check::Items { first, rest }, Tree::Array(items)) => self.items(first, *rest, items)?,
            (Check::Contains { what, min, max }, Tree::Array(items)) => {
                self.contains(*what, *min, *max, items)?
            }
            (check, Tree::Object(members)) if check.is_about_objects() => {
                self.object(check, value, members)?
            }
            (Check::All(keyword, nodes), value) => {
                let told = self.every(nodes.iter().map(|node| (*node, value)))?;
                // What a reference leads to is what is wrong; parts of a whole are too.
                if *keyword == "allOf" || *keyword == "$ref" { told } else { told.by(keyword) }
            }
            (Check::Any(nodes), value) => self.any(nodes, value)?,
            (Check::One(nodes), value) => self.one(nodes, value)?,
            (Check::Not(node), value) => match self.node(*node, value)? {
                Told::Valid => Told::from(false, "not"),
                Told::Invalid(_) => Told::Valid,
                Told::Unknown => Told::Unknown,
            },
            (Check::If { condition, then, otherwise }, value) => {
                self.branch(*condition, *then, *otherwise, value)?
            }
            // What speaks of another type says nothing.
            _ => Told::Valid,
        })
    }

    fn size(&mut self, size: Size, bound: usize, value: &Tree<'_>) -> Result<Told, TooMuch> {
        let counted = match (size, value) {
            (Size::MinLength | Size::MaxLength, Tree::Text(text)) => {
                self.spend(text.len() / 64)?;
                text.chars().count()
            }
            (Size::MinItems | Size::MaxItems, Tree::Array(items)) => items.len(),
            (Size::MinProperties | Size::MaxProperties, Tree::Object(members)) => members.len(),
            _ => return Ok(Told::Valid),
        };
        Ok(size.holds(counted, bound))
    }

    fn finds(&mut self, pattern: &TextPattern, text: &str) -> Result<bool, TooMuch> {
        self.spend(text.len().saturating_mul(PATTERN_WORK))?;
        Ok(pattern.finds(text, true))
    }

    fn items(&mut self, first: &[Id], rest: Option<Id>, items: &[Tree<'_>]) -> Result<Told, TooMuch> {
        let mut told = Told::Valid;
        for (at, item) in items.iter().enumerate() {
            let Some(node) = first.get(at).copied().or(rest) else { break };
            told = told.and(self.node(node, item)?.at(|| format!("[{at}]")));
            if matches!(told, Told::Invalid(_)) {
                break;
            }
        }
        Ok(told)
    }

    fn contains(&mut self, what: Id, min: usize, max: usize, items: &[Tree<'_>]) -> Result<Told, TooMuch> {
        let (mut valid, mut unknown) = (0usize, 0usize);
        for item in items {
            match self.node(what, item)? {
                Told::Valid => valid += 1,
                Told::Unknown => unknown += 1,
                Told::Invalid(_) => {}
            }
        }
        Ok(if valid > max {
            Told::from(false, "maxContains")
        } else if valid + unknown < min {
            Told::from(false, "contains")
        } else if valid >= min && valid + unknown <= max {
            Told::Valid
        } else {
            Told::Unknown
        })
    }

    fn object(
        &mut self,
        check: &Check,
        object: &Tree<'_>,
        members: &[(std::borrow::Cow<'_, str>, Tree<'_>)],
    ) -> Result<Told, TooMuch> {
        let has = |name: &String| object.member(name).is_some();
        match check {
            Check::Required(names) => {
                self.spend(names.len())?;
                Ok(match names.iter().find(|name| !has(name)) {
                    Some(name) => Told::from(false, "required").at(|| name.clone()),
                    None => Told::Valid,
                })
            }
            Check::Members { named, patterns, others } => {
                self.spend(members.len())?;
                let mut told = Told::Valid;
                for (name, value) in members {
                    told = told.and(self.member(name, value, named, patterns, *others)?);
                    if matches!(told, Told::Invalid(_)) {
                        break;
                    }
                }
                Ok(told)
            }
            Check::Names(node) => {
                self.spend(members.len())?;
                let names: Vec<Tree<'_>> = members.iter().map(|(name, _)| Tree::Text(name.clone())).collect();
                Ok(self.every(names.iter().map(|name| (*node, name)))?.by("propertyNames"))
            }
            Check::DependentRequired(rules) => {
                self.spend(rules.iter().map(|(_, needed)| needed.len() + 1).sum())?;
                let met = rules.iter().all(|(name, needed)| !has(name) || needed.iter().all(has));
                Ok(Told::from(met, "dependentRequired"))
            }
            Check::DependentSchemas(rules) => {
                self.spend(rules.len())?;
                self.every(rules.iter().filter(|(name, _)| has(name)).map(|(_, node)| (*node, object)))
            }
            _ => Ok(Told::Valid),
        }
    }

    fn member(
        &mut self,
        name: &str,
        value: &Tree<'_>,
        named: &[(String, Id)],
        patterns: &[(TextPattern, Id)],
        others: Option<Id>,
    ) -> Result<Told, TooMuch> {
        let (mut told, mut known) = (Told::Valid, false);
        if let Ok(at) = named.binary_search_by(|(known, _)| known.as_str().cmp(name))
            && let Some((own, node)) = named.get(at)
        {
            known = true;
            told = self.node(*node, value)?.at(|| own.clone());
        }
        for (pattern, node) in patterns {
            if self.finds(pattern, name)? {
                known = true;
                told = told.and(self.node(*node, value)?.at(|| "*".to_owned()));
            }
        }
        match others {
            Some(others) if !known => {
                let told = self.node(others, value)?;
                // That there is another at all is what is wrong; its name is the caller's.
                let never = matches!(&told, Told::Invalid(fault) if fault.keyword == "false");
                Ok(if never { told.by("additionalProperties") } else { told.at(|| "*".to_owned()) })
            }
            _ => Ok(told),
        }
    }

    fn every<'v, 't: 'v>(&mut self, all: impl Iterator<Item = (Id, &'v Tree<'t>)>) -> Result<Told, TooMuch> {
        let mut told = Told::Valid;
        for (node, value) in all {
            told = told.and(self.node(node, value)?);
            if matches!(told, Told::Invalid(_)) {
                break;
            }
        }
        Ok(told)
    }

    fn any(&mut self, nodes: &[Id], value: &Tree<'_>) -> Result<Told, TooMuch> {
        let mut told = Told::from(false, "anyOf");
        for node in nodes {
            match self.node(*node, value)? {
                Told::Valid => return Ok(Told::Valid),
                Told::Unknown => told = Told::Unknown,
                Told::Invalid(_) => {}
            }
        }
        Ok(told)
    }

    fn one(&mut self, nodes: &[Id], value: &Tree<'_>) -> Result<Told, TooMuch> {
        let (mut valid, mut unknown) = (0usize, 0usize);
        for node in nodes {
            match self.node(*node, value)? {
                Told::Valid => valid += 1,
                Told::Unknown => unknown += 1,
                Told::Invalid(_) => {}
            }
        }
        Ok(match (valid, unknown) {
            (1, 0) => Told::Valid,
            (0, 0) | (2.., _) => Told::from(false, "oneOf"),
            _ => Told::Unknown,
        })
    }

    fn branch(
        &mut self,
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
        value: &Tree<'_>,
    ) -> Result<Told, TooMuch> {
        let mut follow =
            |branch: Option<Id>| branch.map_or(Ok(Told::Valid), |branch| self.node(branch, value));
        let condition = follow(Some(condition))?;
        Ok(match condition {
            Told::Valid => follow(then)?,
            Told::Invalid(_) => follow(otherwise)?,
            Told::Unknown => match (follow(then)?, follow(otherwise)?) {
                (Told::Valid, Told::Valid) => Told::Valid,
                (fault @ Told::Invalid(_), Told::Invalid(_)) => fault.by("if"),
                _ => Told::Unknown,
            },
        })
    }
}

// === impl Check ===

impl Check {
    const fn is_about_objects(&self) -> bool {
        matches!(
            self,
            Self::Required(_)
                | Self::Members { .. }
                | Self::Names(_)
                | Self::DependentRequired(_)
                | Self::DependentSchemas(_)
        )
    }
}

// === impl Limit ===

impl Limit {
    fn holds(self, order: std::cmp::Ordering) -> Told {
        match self {
            Self::Minimum => Told::from(order.is_ge(), "minimum"),
            Self::Maximum => Told::from(order.is_le(), "maximum"),
            Self::ExclusiveMinimum => Told::from(order.is_gt(), "exclusiveMinimum"),
            Self::ExclusiveMaximum => Told::from(order.is_lt(), "exclusiveMaximum"),
        }
    }
}

// === impl Size ===

impl Size {
    fn holds(self, counted: usize, bound: usize) -> Told {
        match self {
            Self::MinLength => Told::from(counted >= bound, "minLength"),
            Self::MaxLength => Told::from(counted <= bound, "maxLength"),
            Self::MinItems => Told::from(counted >= bound, "minItems"),
            Self::MaxItems => Told::from(counted <= bound, "maxItems"),
            Self::MinProperties => Told::from(counted >= bound, "minProperties"),
            Self::MaxProperties => Told::from(counted <= bound, "maxProperties"),
        }
    }
}

fn is_type(wanted: Type, value: &Tree<'_>) -> bool {
    match (wanted, value) {
        (Type::Text, Tree::Text(_))
        | (Type::Number, Tree::Number(_))
        | (Type::Boolean, Tree::Bool(_))
        | (Type::Array, Tree::Array(_))
        | (Type::Object, Tree::Object(_))
        | (Type::Null, Tree::Null) => true,
        (Type::Integer, Tree::Number(number)) => number.is_integer(),
        _ => false,
    }
}
