//! What does a JSON text say as a whole? For values that a schema must look at from several sides.

use std::borrow::Cow;

use crate::mcp::number::Number;
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};
use crate::order;

/// A JSON value. Ordered somehow, so that equals stand together; numbers that are equal are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tree<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Tree<'a>>),
    /// An object: its members, sorted by name.
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
}

// === impl Tree ===

impl<'a> Tree<'a> {
    /// Reads one JSON text of at most `values` values.
    ///
    /// # Errors
    /// Not JSON, repeated keys, more values or deeper than allowed.
    pub fn read(bytes: &'a [u8], depth: u16, values: usize) -> Result<Self, Fault> {
        let mut scanner = Scanner::new(bytes, depth, Rigour::EveryLevel)?;
        let mut left = values;
        let tree = Self::value(&mut scanner, &mut left)?;
        scanner.end()?;
        Ok(tree)
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let at = members.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        members.get(at).map(|(_, value)| value)
    }

    /// How much it is to look through it once: its values and names, long texts by their length.
    pub fn weight(&self) -> usize {
        self.weight_within(usize::MAX)
    }

    /// The same, of which no more is looked at than counts: `most`.
    pub fn weight_within(&self, most: usize) -> usize {
        let mut left = most;
        self.take_from(&mut left);
        most - left
    }

    fn take_from(&self, left: &mut usize) {
        let own = if let Self::Text(text) = self { weight_of(text) } else { 1 };
        *left = left.saturating_sub(own);
        match self {
            Self::Array(items) => {
                for item in items {
                    if *left == 0 {
                        return;
                    }
                    item.take_from(left);
                }
            }
            Self::Object(members) => {
                for (name, value) in members {
                    *left = left.saturating_sub(weight_of(name));
                    if *left == 0 {
                        return;
                    }
                    value.take_from(left);
                }
            }
            _ => {}
        }
    }

    /// The same, which needs the text no longer.
    pub fn into_owned(self) -> Tree<'static> {
        match self {
            Self::Null => Tree::Null,
            Self::Bool(flag) => Tree::Bool(flag),
            Self::Number(number) => Tree::Number(number),
            Self::Text(text) => Tree::Text(Cow::Owned(text.into_owned())),
            Self::Array(items) => Tree::Array(items.into_iter().map(Self::into_owned).collect()),
            Self::Object(members) => Tree::Object(
                members.into_iter().map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_owned())).collect(),
            ),
        }
    }

    fn value(scanner: &mut Scanner<'a>, left: &mut usize) -> Result<Self, Fault> {
        *left = left.checked_sub(1).ok_or(Fault::Refused("too many values"))?;
        if scanner.at_array() {
            let mut items = Vec::new();
            scanner.array(&mut |scanner, _| {
                items.push(Self::value(scanner, left)?);
                Ok(())
            })?;
            return Ok(Self::Array(items));
        }
        if scanner.at_object() {
            let mut members = Vec::new();
            scanner.object(&[], &mut |scanner, key| {
                let key = key.decode();
                members.push((key, Self::value(scanner, left)?));
                Ok(())
            })?;
            order::sort_by(&mut members, |(a, _), (b, _)| a.cmp(b));
            return Ok(Self::Object(members));
        }
        Ok(match scanner.value()?.kind {
            Kind::Text(text) => Self::Text(text.decode()),
            Kind::Number(number) => Self::Number(Number::read(number)),
            Kind::Bool(flag) => Self::Bool(flag),
            Kind::Null | Kind::Array | Kind::Object => Self::Null,
        })
    }
}

/// A thousand bytes are compared in about the time of one value.
const fn weight_of(text: &str) -> usize {
    1 + text.len() / 1024
}
