//! What stands where a rule looks, and can it be read in one way only? One pass over the arguments for all paths of a rule.

use super::Demands;
use super::path::{ArgumentPath, Step};
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};

/// What the paths of one rule found.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// For each path, in their order.
    pub(super) spots: Vec<Spot<'a>>,
    /// Where members stand that no path names or leads through: the place of the object that holds them, in the words of
    /// the paths. One is enough to know.
    pub(super) others: Vec<String>,
}

/// What stands at one path.
#[derive(Debug, Default)]
pub(super) struct Spot<'a> {
    pub(super) values: Vec<Seen<'a>>,
    /// It is missing somewhere: at all, or in an item of a list on the way.
    pub(super) absent: bool,
    /// Why another reader may find another value there.
    pub(super) unclear: Option<&'static str>,
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Seen<'a> {
    pub(super) kind: Kind<'a>,
    /// Of a list, how many items it has.
    pub(super) items: usize,
}

/// A path that leads further, and how many of its steps are done.
type Open<'p> = (usize, &'p [Step]);

struct Walk<'a> {
    reading: Reading<'a>,
}

/// Reads `arguments`, one JSON object.
///
/// # Errors
/// It is not.
pub(super) fn read<'a>(arguments: &'a [u8], paths: &[&ArgumentPath]) -> Result<Reading<'a>, Fault> {
    let mut scanner = Scanner::new(arguments, Scanner::REQUEST_DEPTH, Rigour::EveryLevel)?;
    let spots = paths.iter().map(|_| Spot::default()).collect();
    let mut walk = Walk { reading: Reading { spots, others: Vec::new() } };
    let open: Vec<Open<'_>> = paths.iter().enumerate().map(|(at, path)| (at, path.steps())).collect();
    if !scanner.at_object() {
        return Err(Fault::Refused("no object"));
    }
    walk.object(&mut scanner, &open, "")?;
    scanner.end()?;
    Ok(walk.reading)
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// A value from which the paths `open` lead on; some may end here.
    fn value(&mut self, scanner: &mut Scanner<'a>, open: &[Open<'_>], place: &str) -> Result<(), Fault> {
        let (ended, further): (Vec<Open<'_>>, Vec<Open<'_>>) =
            open.iter().partition(|(_, steps)| steps.is_empty());
        let onto_items = onward(&further, |step| *step == Step::Items);
        let mut items = 0;
        let kind = if scanner.at_array() {
            self.misled(&further, |step| matches!(step, Step::Member(_)));
            let place = format!("{place}[]");
            scanner.array(&mut |scanner, index| {
                items = index + 1;
                if onto_items.is_empty() {
                    return scanner.skip();
                }
                if index >= Demands::MAX_VALUES {
                    self.blame(&onto_items, "too many items");
                    return scanner.skip();
                }
                self.value(scanner, &onto_items, &place)
            })?;
            Kind::Array
        } else if scanner.at_object() && onto_items.len() < further.len() {
            self.misled(&further, |step| *step == Step::Items);
            self.object(scanner, &further, place)?;
            Kind::Object
        } else {
            // A reader that unpacks texts, or takes one value for a list of one, finds something here.
            self.blame(&further, "type");
            scanner.value()?.kind
        };
        for (at, _) in ended {
            self.found(at, Seen { kind, items });
        }
        Ok(())
    }

    fn object(&mut self, scanner: &mut Scanner<'a>, open: &[Open<'_>], place: &str) -> Result<(), Fault> {
        let named = |(_, steps): &Open<'_>| matches!(steps.first(), Some(Step::Member(_)));
        let open: Vec<Open<'_>> = open.iter().copied().filter(named).collect();
        let mut seen = vec![false; open.len()];
        let mut members = 0usize;
        scanner.object(&[], &mut |scanner, key| {
            members += 1;
            if members > Demands::MAX_VALUES {
                self.blame(&open, "too many members");
                return scanner.skip();
            }
            let mut inner = Vec::new();
            let mut name = "";
            for ((at, steps), seen) in open.iter().zip(&mut seen) {
                let Some((Step::Member(member), rest)) = steps.split_first() else { continue };
                if key.says(member) {
                    *seen = true;
                    name = member;
                    inner.push((*at, rest));
                } else if key.is_variant_of(member) {
                    self.blame(&[(*at, rest)], "letter case of the name");
                }
            }
            if inner.is_empty() {
                if self.reading.others.is_empty() {
                    self.reading.others.push(place.to_owned());
                }
                return scanner.skip();
            }
            let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
            self.value(scanner, &inner, &place)
        })?;
        // Without a list there is no item in which anything could be missing.
        let missing = |((_, steps), seen): &(&Open<'_>, bool)| !seen && !steps.contains(&Step::Items);
        for ((at, _), _) in open.iter().zip(seen).filter(missing) {
            if let Some(spot) = self.reading.spots.get_mut(*at) {
                spot.absent = true;
            }
        }
        Ok(())
    }

    fn found(&mut self, at: usize, value: Seen<'a>) {
        let Some(spot) = self.reading.spots.get_mut(at) else { return };
        if spot.values.len() >= Demands::MAX_VALUES {
            spot.unclear.get_or_insert("too many values");
        } else {
            spot.values.push(value);
        }
    }

    /// Paths that cannot go on from a value of this type.
    fn misled(&mut self, open: &[Open<'_>], of: impl Fn(&Step) -> bool) {
        let wrong: Vec<Open<'_>> =
            open.iter().copied().filter(|(_, steps)| steps.first().is_some_and(&of)).collect();
        self.blame(&wrong, "type");
    }

    fn blame(&mut self, open: &[Open<'_>], why: &'static str) {
        for (at, _) in open {
            if let Some(spot) = self.reading.spots.get_mut(*at) {
                spot.unclear.get_or_insert(why);
            }
        }
    }
}

/// The paths whose next step is such, behind it.
fn onward<'p>(open: &[Open<'p>], is: impl Fn(&Step) -> bool) -> Vec<Open<'p>> {
    let behind = |(at, steps): &Open<'p>| {
        let (first, rest) = steps.split_first()?;
        is(first).then_some((*at, rest))
    };
    open.iter().filter_map(behind).collect()
}
