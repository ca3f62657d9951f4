//! Which parts of the arguments does a policy need? Only these are kept of a body, and converted when they are asked for.

use std::ops::Range;

use regorus::Value;

use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};

/// The arguments that a policy reads, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// Which of the paths, and the JSON that stands there.
    found: Vec<(usize, String)>,
    /// Why nothing of it may be told.
    unfit: Option<Unfit>,
}

/// Arguments that the machine is not given: what it said of them could be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// More than may be.
    TooLarge,
    /// A name differs from one that the policy reads in letter case only: some servers take the one for the other.
    OtherCase,
}

// === impl Unfit ===

impl Unfit {
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::TooLarge => "more arguments than the policy may be given",
            Self::OtherCase => "a name of an argument differs in letter case from one that the policy reads",
        }
    }
}

// === impl Picked ===

impl Picked {
    /// How many bytes it holds.
    pub fn size(&self) -> usize {
        self.found.iter().map(|(_, text)| text.len()).sum()
    }

    /// What stands at `paths` within `body`, whose arguments are an object at `range`; together at most `most` bytes.
    pub(super) fn of(body: &[u8], range: Range<usize>, paths: &[Vec<String>], most: u64) -> Self {
        let mut picked = Self::default();
        let Some(bytes) = body.get(range).filter(|_| !paths.is_empty()) else { return picked };
        let open: Vec<(usize, &[String])> = paths.iter().map(Vec::as_slice).enumerate().collect();
        // The body was read strictly before, so nothing can be wrong with it.
        let scanned = Scanner::new(bytes, Scanner::REQUEST_DEPTH, Rigour::WhereRead)
            .and_then(|mut scanner| picked.scan(&mut scanner, bytes, &open, most));
        if scanned.is_err() {
            picked.unfit = Some(Unfit::TooLarge);
        }
        picked
    }

    /// Looks for the rest of each path below the next value.
    fn scan<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        bytes: &'a [u8],
        open: &[(usize, &[String])],
        most: u64,
    ) -> Result<(), Fault> {
        if let Some((index, _)) = open.iter().find(|(_, rest)| rest.is_empty()) {
            let span = scanner.value()?.span;
            self.keep(*index, bytes.get(span).unwrap_or_default(), most);
            return Ok(());
        }
        if open.is_empty() || !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object(&[], &mut |scanner, key| {
            let mut below: Vec<(usize, &[String])> = Vec::new();
            for (index, rest) in open {
                let Some((first, rest)) = rest.split_first() else { continue };
                if key.says(first) {
                    below.push((*index, rest));
                } else if key.is_variant_of(first) {
                    self.unfit = Some(Unfit::OtherCase);
                }
            }
            self.scan(scanner, bytes, &below, most)
        })?;
        Ok(())
    }

    fn keep(&mut self, index: usize, bytes: &[u8], most: u64) {
        if (self.size() + bytes.len()) as u64 > most {
            self.unfit = Some(Unfit::TooLarge);
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.found.push((index, text.to_owned())),
            Err(_) => self.unfit = Some(Unfit::TooLarge),
        }
    }

    /// `input.arguments`, of which only these `paths` are there.
    ///
    /// # Errors
    /// [`Unfit`].
    pub(super) fn value(&self, paths: &[Vec<String>]) -> Result<Value, Unfit> {
        if let Some(unfit) = self.unfit {
            return Err(unfit);
        }
        let mut all = Value::new_object();
        for (index, text) in &self.found {
            let value = value_of(text).ok_or(Unfit::TooLarge)?;
            let Some(path) = paths.get(*index) else { continue };
            put(&mut all, path, value);
        }
        Ok(all)
    }
}

/// Puts `value` below `object`, with an object for every step.
fn put(object: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return;
    };
    let Ok(members) = object.as_object_mut() else { return };
    let key = Value::from(first.as_str());
    if rest.is_empty() {
        members.insert(key, value);
        return;
    }
    put(members.get_or_insert_with(key, Value::new_object), rest, value);
}

/// A JSON text as the machine holds it, numbers exactly as they are written.
pub(super) fn value_of(text: &str) -> Option<Value> {
    let mut scanner = Scanner::new(text.as_bytes(), Scanner::REQUEST_DEPTH, Rigour::WhereRead).ok()?;
    convert(&mut scanner).ok()
}

fn convert(scanner: &mut Scanner<'_>) -> Result<Value, Fault> {
    if scanner.at_object() {
        let mut object = Value::new_object();
        scanner.object(&[], &mut |scanner, key| {
            let value = convert(scanner)?;
            if let Ok(members) = object.as_object_mut() {
                members.insert(Value::from(&*key.decode()), value);
            }
            Ok(())
        })?;
        return Ok(object);
    }
    if scanner.at_array() {
        let mut items = Vec::new();
        scanner.array(&mut |scanner, _| {
            items.push(convert(scanner)?);
            Ok(())
        })?;
        return Ok(Value::from(items));
    }
    Ok(match scanner.value()?.kind {
        Kind::Text(text) => Value::from(&*text.decode()),
        Kind::Number(number) => Value::from_numeric_string(number).map_err(|_| Fault::Refused("a number"))?,
        Kind::Bool(value) => Value::Bool(value),
        Kind::Null | Kind::Object | Kind::Array => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(body: &str, paths: &[&str], most: u64) -> Result<String, Unfit> {
        let paths: Vec<Vec<String>> = paths
            .iter()
            .map(|path| path.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect())
            .collect();
        let picked = Picked::of(body.as_bytes(), 0..body.len(), &paths, most);
        picked.value(&paths).map(|value| value.to_json_str().unwrap())
    }

    #[test]
    fn only_what_is_read_is_there() {
        let body = r#"{"a":{"b":[1,{"x":null}],"c":2},"d":"e","ab":true,"n":12345678901234567890123}"#;
        for (paths, kept) in [
            (&["a.b"][..], r#"{"a":{"b":[1,{"x":null}]}}"#),
            (&["a.b", "a.c", "d"], r#"{"a":{"b":[1,{"x":null}],"c":2},"d":"e"}"#),
            (&["d.x", "a.b.x", "none"], "{}"),
            (&[""], body),
            (&["ab"], r#"{"ab":true}"#),
            (&["n"], r#"{"n":12345678901234567890123}"#),
            (&[], "{}"),
        ] {
            let kept: String = kept.split_whitespace().collect();
            let value: serde_json::Value = serde_json::from_str(&picked(body, paths, 1000).unwrap()).unwrap();
            assert_eq!(value, serde_json::from_str::<serde_json::Value>(&kept).unwrap(), "{paths:?}");
        }
    }

    #[test]
    fn escapes_in_keys_and_texts_are_read() {
        let text = picked(r#"{"\u0061":"\u00e9\n"}"#, &["a"], 100).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::json!({"a": "é\n"})
        );
    }

    #[test]
    fn more_than_may_be_is_refused_and_not_cut() {
        let body = format!(r#"{{"small":1,"large":"{}"}}"#, "x".repeat(100));
        assert_eq!(picked(&body, &["large"], 101), Err(Unfit::TooLarge));
        assert!(picked(&body, &["large"], 102).is_ok());
        assert!(picked(&body, &["small"], 10).is_ok(), "what is not read does not count");
    }

    #[test]
    fn a_name_in_other_letter_case_is_not_overlooked() {
        for body in [
            r#"{"Amount":1000000}"#,
            r#"{"amount":1,"AMOUNT":2}"#,
            r#"{"\u0041mount":1}"#,
            r#"{"to":{"\u017fort":1}}"#,
        ] {
            assert_eq!(picked(body, &["amount", "to.sort"], 100), Err(Unfit::OtherCase), "{body}");
        }
        assert!(picked(r#"{"Amounts":1,"To":{"Sort":1}}"#, &["amount"], 100).is_ok(), "other names");
        assert!(picked(r#"{"amount":{"Sort":1}}"#, &["amount"], 100).is_ok(), "within what is read whole");
    }
}
