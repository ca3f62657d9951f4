//! Does one value meet what is demanded of it?

use super::file_path::Base;
use super::reading::Seen;
use super::text_pattern::TextPattern;
use super::web_address::Addresses;
use crate::mcp::number::Number;
use crate::mcp::strict::Kind;
use crate::policy::rule::Effect;

/// What is demanded of the value of one argument. Nothing that is not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraint {
    /// Whether it must be there.
    pub required: bool,
    /// Whether `null` counts as absent.
    pub nullable: bool,
    /// What it must be; nothing for anything.
    pub types: Vec<Type>,
    /// One of these. A pin is a list of one.
    pub one_of: Option<Vec<Scalar>>,
    /// Whether `one_of` was written as a pin.
    pub pinned: bool,
    /// A number that is not smaller.
    pub min: Option<Number>,
    /// A number that is not greater.
    pub max: Option<Number>,
    /// A text of so many characters at least.
    pub min_length: Option<usize>,
    /// A text of so many characters at most.
    pub max_length: Option<usize>,
    /// A list of so many items at least.
    pub min_items: Option<usize>,
    /// A list of so many items at most.
    pub max_items: Option<usize>,
    /// A text that matches.
    pub pattern: Option<TextPattern>,
    /// The path of a file at or below one of these.
    pub within: Option<Vec<Base>>,
    /// The address of something on the web.
    pub address: Option<Addresses>,
}

/// The types of JSON; a number without a fraction is an integer, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A number without a fraction, however it is written.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An array.
    Array,
    /// An object.
    Object,
    /// `null`.
    Null,
}

/// A value without parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text, compared character by character.
    Text(String),
    /// A number, compared by value.
    Number(Number),
    /// `true` or `false`.
    Boolean(bool),
}

/// How a value stands to a constraint. The text is the key of what is not met.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fit {
    /// It is as demanded, for every reader.
    Met,
    /// It is not, for every reader.
    Unmet(&'static str),
    /// Readers may differ.
    Unclear(&'static str),
}

/// What comes of one comparison.
type Told = Result<bool, ()>;

// === impl Type ===

impl Type {
    /// All, as the configuration spells them.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("string", Self::Text),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("boolean", Self::Boolean),
        ("array", Self::Array),
        ("object", Self::Object),
        ("null", Self::Null),
    ];

    /// Whether a value of this kind is one.
    pub fn is(self, kind: &Kind<'_>) -> bool {
        match (self, kind) {
            (Self::Text, Kind::Text(_))
            | (Self::Number, Kind::Number(_))
            | (Self::Boolean, Kind::Bool(_))
            | (Self::Array, Kind::Array)
            | (Self::Object, Kind::Object)
            | (Self::Null, Kind::Null) => true,
            (Self::Integer, Kind::Number(number)) => Number::read(number).is_integer(),
            _ => false,
        }
    }
}

// === impl Scalar ===

impl Scalar {
    /// Whether `kind` is this very value; an error where it is of another type, which a lax reader may take for it.
    fn is(&self, kind: &Kind<'_>) -> Told {
        match (self, kind) {
            (Self::Text(text), Kind::Text(given)) => Ok(given.says(text)),
            (Self::Number(number), Kind::Number(given)) => Ok(Number::read(given) == *number),
            (Self::Boolean(flag), Kind::Bool(given)) => Ok(flag == given),
            _ => Err(()),
        }
    }
}

// === impl Fit ===

impl Fit {
    /// For an allow rule: why not.
    pub(super) fn unmet(self) -> Option<&'static str> {
        match self {
            Self::Met => None,
            Self::Unmet(key) | Self::Unclear(key) => Some(key),
        }
    }

    /// For a deny rule: whether every reader finds that it is not meant.
    pub(super) fn is_clearly_unmet(self) -> bool {
        matches!(self, Self::Unmet(_))
    }
}

// === impl Constraint ===

impl Constraint {
    /// How `value` stands to it, as a rule of this effect means it: a deny rule finds a pattern anywhere in a text, an allow
    /// rule demands that all of it matches.
    pub(super) fn fit(&self, value: &Seen<'_>, effect: Effect) -> Fit {
        let kind = &value.kind;
        let text = match kind {
            Kind::Text(text) => Some(text.decode()),
            _ => None,
        };
        let text = text.as_deref();
        let number = match kind {
            Kind::Number(number) => Some(Number::read(number)),
            _ => None,
        };
        let length = |text: &str| text.chars().count();
        let items = matches!(kind, Kind::Array).then_some(value.items);
        let mut clear = None;
        let mut unclear = None;
        for (key, told) in [
            ("type", self.fits_type(kind)),
            (if self.pinned { "pin" } else { "one_of" }, self.fits_one_of(kind)),
            ("min", told(self.min.as_ref(), number.as_ref(), |min, n| n >= min)),
            ("max", told(self.max.as_ref(), number.as_ref(), |max, n| n <= max)),
            ("min_length", told(self.min_length, text, |min, t| length(t) >= min)),
            ("max_length", told(self.max_length, text, |max, t| length(t) <= max)),
            ("min_items", told(self.min_items, items, |min, n| n >= min)),
            ("max_items", told(self.max_items, items, |max, n| n <= max)),
            ("pattern", fits(self.pattern.as_ref(), text, |p, t| p.matches(t, effect == Effect::Deny))),
            ("within", fits(self.within.as_ref(), text, |bases, t| Base::any_holds(bases, t))),
            ("hosts", fits(self.address.as_ref(), text, |a, t| a.hold(t))),
        ] {
            match told {
                None | Some(Ok(true)) => {}
                Some(Ok(false)) => {
                    clear.get_or_insert(key);
                }
                Some(Err(())) => {
                    unclear.get_or_insert(key);
                }
            }
        }
        match (clear, unclear) {
            (Some(key), _) => Fit::Unmet(key),
            (None, Some(key)) => Fit::Unclear(key),
            (None, None) => Fit::Met,
        }
    }

    /// The key of the first thing that it demands.
    pub(super) fn first_key(&self) -> &'static str {
        let given = [
            ("type", !self.types.is_empty()),
            ("one_of", self.one_of.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("min_length", self.min_length.is_some()),
            ("max_length", self.max_length.is_some()),
            ("min_items", self.min_items.is_some()),
            ("max_items", self.max_items.is_some()),
            ("pattern", self.pattern.is_some()),
            ("within", self.within.is_some()),
            ("hosts", self.address.is_some()),
        ];
        given.iter().find(|(_, given)| *given).map_or("required", |(key, _)| key)
    }

    fn fits_type(&self, kind: &Kind<'_>) -> Option<Told> {
        (!self.types.is_empty()).then(|| Ok(self.types.iter().any(|t| t.is(kind))))
    }

    fn fits_one_of(&self, kind: &Kind<'_>) -> Option<Told> {
        let told: Vec<Told> = self.one_of.as_ref()?.iter().map(|scalar| scalar.is(kind)).collect();
        Some(match told.iter().find(|told| **told == Ok(true)) {
            Some(found) => *found,
            None if told.contains(&Ok(false)) => Ok(false),
            None => Err(()),
        })
    }
}

/// A demand of something of the value's own type; unclear where it is of another one.
fn told<D, V>(demand: Option<D>, value: Option<V>, holds: impl FnOnce(D, V) -> bool) -> Option<Told> {
    demand.map(|demand| value.map(|value| holds(demand, value)).ok_or(()))
}

/// The same for demands that may themselves be unclear.
fn fits<D, V>(demand: Option<D>, value: Option<V>, holds: impl FnOnce(D, V) -> Told) -> Option<Told> {
    demand.map(|demand| value.ok_or(()).and_then(|value| holds(demand, value)))
}
