//! May a call have these arguments? What a rule demands of `params.arguments`, and how a call stands to it.
//!
//! | file | question |
//! |---|---|
//! | `path` | which arguments does a rule name? |
//! | `reading` | what stands there, and can it be read in one way only? |
//! | `constraint` | does a value meet what is demanded of it? |
//! | `file_path`, `web_address`, `text_pattern` | the demands that need more than a comparison |
//!
//! An allow rule needs every demand met. A deny rule means a call unless one demand is clearly not met: what could be read
//! in two ways counts as meant. So an error here never permits.

pub mod constraint;
pub mod file_path;
pub mod path;
mod reading;
pub mod text_pattern;
pub mod web_address;

use crate::denial::Refusal;
use crate::mcp::strict::Kind;
use crate::policy::rule::Effect;
use constraint::Constraint;
use path::ArgumentPath;
use reading::{Reading, Seen, Spot};

/// What a rule demands of the arguments of `tools/call` and `prompts/get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// One entry for each path, in the order of the paths.
    pub named: Vec<(ArgumentPath, Constraint)>,
    /// Whether arguments that no path names or leads through are refused. Never in a deny rule.
    pub closed: bool,
}

/// The arguments that rules judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// The JSON object `params.arguments` of a call; one without it is `{}`.
    Given(&'a [u8]),
    /// Those of some call or other: what lists ask. Rules are then judged as though their demands were met.
    Any,
}

// === impl Arguments ===

impl Arguments<'_> {
    /// Those of a call that has none.
    pub const NONE: Self = Self::Given(b"{}");
}

// === impl Demands ===

impl Demands {
    /// How many members of one object are looked at where a path leads through it, and how many values one path may find.
    pub const MAX_VALUES: usize = 4096;

    /// What of `arguments` is not as an allow rule demands; `None` if all is.
    pub fn unmet(&self, arguments: &[u8]) -> Option<Refusal> {
        let reading = match self.read(arguments) {
            Ok(reading) => reading,
            Err(refusal) => return Some(refusal),
        };
        if self.closed
            && let Some(parent) = reading.others.first()
        {
            return Some(Refusal::new(parent, "other_arguments"));
        }
        let spots = self.named.iter().zip(&reading.spots);
        spots
            .filter_map(|((path, constraint), spot)| {
                let why = if let Some(unclear) = spot.unclear {
                    unclear
                } else {
                    let null = |value: &&Seen<'_>| constraint.nullable && value.kind == Kind::Null;
                    let absent = spot.absent || spot.values.iter().any(|value| null(&value));
                    let fits = |value| constraint.fit(value, Effect::Allow { hide: false }).unmet();
                    match spot.values.iter().filter(|value| !null(value)).find_map(fits) {
                        None if constraint.required && absent => "required",
                        unmet => unmet?,
                    }
                };
                Some(Refusal::new(path.as_str(), why))
            })
            .next()
    }

    /// What of `arguments` makes a deny rule mean the call; `None` if some demand is clearly not met.
    pub fn meant(&self, arguments: &[u8]) -> Option<Refusal> {
        let reading = match self.read(arguments) {
            Ok(reading) => reading,
            Err(refusal) => return Some(refusal),
        };
        let clearly_not = |(constraint, spot): (&Constraint, &Spot<'_>)| {
            spot.unclear.is_none()
                && spot.values.iter().all(|v| constraint.fit(v, Effect::Deny).is_clearly_unmet())
        };
        let mut spots = self.named.iter().map(|(_, constraint)| constraint).zip(&reading.spots);
        if spots.any(clearly_not) {
            return None;
        }
        let (path, constraint) = self.named.first()?;
        Some(Refusal::new(path.as_str(), constraint.first_key()))
    }

    fn read<'a>(&self, arguments: &'a [u8]) -> Result<Reading<'a>, Refusal> {
        let paths: Vec<&ArgumentPath> = self.named.iter().map(|(path, _)| path).collect();
        // They were read once already, strictly: this cannot fail for what came from there.
        reading::read(arguments, &paths).map_err(|_| Refusal::new("", "unreadable"))
    }
}

#[cfg(test)]
mod tests;
