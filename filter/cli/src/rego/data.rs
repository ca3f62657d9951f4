//! Which data does a policy read besides its input? Documents in JSON or YAML, merged as OPA merges them.

use std::path::Path;

use serde_json::{Map, Value};

/// Documents that are one, `data` of a policy.
#[derive(Debug, Default)]
pub(crate) struct Documents(Map<String, Value>);

/// Whole numbers beyond have more digits than a float keeps.
const MOST_WHOLE: f64 = 9_007_199_254_740_992.0;

// === impl Documents ===

impl Documents {
    /// Adds the document `text` of a file below `path`, where a bundle has folders.
    ///
    /// # Errors
    /// One phrase: it is none, not a mapping, or says something where another document says something else.
    pub(crate) fn add(&mut self, path: &[String], file: &Path, text: &str) -> Result<(), String> {
        let value = if is_yaml(file) { of_yaml(text)? } else { of_json(text)? };
        if !value.is_object() {
            return Err("a data document is a mapping at its top".to_owned());
        }
        let one = |inner: Value, key: &String| Value::Object(Map::from_iter([(key.clone(), inner)]));
        match path.iter().rev().fold(value, one) {
            Value::Object(members) => merge(&mut self.0, members, "data"),
            _ => Ok(()),
        }
    }

    /// All of them.
    pub(crate) fn into_inner(self) -> Map<String, Value> {
        self.0
    }
}

/// Whether a file is a data document by its name.
pub(crate) fn is_data(file: &Path) -> bool {
    is_yaml(file) || file.extension().is_some_and(|extension| extension == "json")
}

fn is_yaml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Mappings become one; anything else stands in one document only, be it the same twice.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, path: &str) -> Result<(), String> {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => drop(into.insert(key, value)),
            (Some(Value::Object(one)), Value::Object(other)) => merge(one, other, &format!("{path}.{key}"))?,
            (Some(_), _) => return Err(format!("`{path}.{key}` stands in two data documents")),
        }
    }
    Ok(())
}

fn of_json(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(text).map_err(|error| format!("not sound JSON: {error}"))?;
    numbers_are_exact(&value)?;
    Ok(value)
}

fn of_yaml(text: &str) -> Result<Value, String> {
    let value = crate::document::plain(text)?;
    numbers_are_exact(&value)?;
    read_in_one_way(&value)?;
    match text
        .split_whitespace()
        .flat_map(|word| word.split(['[', ']', '{', '}', ',']))
        .find(|w| is_ambiguous(w))
    {
        Some(word) => {
            Err(format!("`{word}` is another number for OPA; quote it, or write the document as JSON"))
        }
        None => Ok(value),
    }
}

/// YAML 1.1, which OPA reads, has octal numbers and underscores in them.
fn is_ambiguous(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'_' | b'x' | b'o'));
    number && digits.len() > 1 && (digits.starts_with('0') || digits.contains('_'))
}

/// OPA, which reads YAML 1.1, takes these for true and false where they stand without quotes, which cannot be told here.
fn read_in_one_way(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text)
            if ["yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str()) =>
        {
            Err(format!(
                "`{text}` is true or false for OPA where it has no quotes; write the document as JSON"
            ))
        }
        Value::Array(items) => items.iter().try_for_each(read_in_one_way),
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            read_in_one_way(&Value::String(key.clone())).and_then(|()| read_in_one_way(value))
        }),
        _ => Ok(()),
    }
}

fn numbers_are_exact(value: &Value) -> Result<(), String> {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.is_finite() && float.abs() < MOST_WHOLE => Ok(()),
            _ => Err(format!("the number {number} has more digits than are kept; write it as a text")),
        },
        Value::Array(items) => items.iter().try_for_each(numbers_are_exact),
        Value::Object(members) => members.values().try_for_each(numbers_are_exact),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(documents: &[(&str, &str, &str)]) -> Result<Value, String> {
        let mut all = Documents::default();
        for (folder, name, text) in documents {
            let path: Vec<String> =
                folder.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            all.add(&path, Path::new(name), text)?;
        }
        Ok(Value::Object(all.into_inner()))
    }

    #[test]
    fn documents_become_one_where_they_do_not_differ() {
        let all = merged(&[
            ("", "data.json", r#"{"roles": {"a": ["x"]}, "n": 1.5}"#),
            ("", "more.yaml", "roles: {b: [z]}\ntexts: [\"07\", '1_0', 10]\n"),
            ("roles/deep", "data.yml", "c: true\n"),
        ]);
        let expected = serde_json::json!({
            "roles": {"a": ["x"], "b": ["z"], "deep": {"c": true}}, "n": 1.5, "texts": ["07", "1_0", 10]
        });
        assert_eq!(all, Ok(expected));
        let twice = merged(&[("", "a.json", r#"{"r": {"a": 1}}"#), ("r", "b.json", r#"{"a": 1}"#)]);
        assert_eq!(twice, Err("`data.r.a` stands in two data documents".to_owned()));
    }

    #[test]
    fn what_opa_reads_otherwise_is_refused() {
        for (name, text, word) in [
            ("a.json", "[1]", "a mapping at its top"),
            ("a.json", "{", "not sound JSON"),
            ("a.json", r#"{"id": 12345678901234567890123}"#, "more digits"),
            ("a.yaml", "a: no\n", "true or false"),
            ("a.yaml", "On: 1\n", "true or false"),
            ("a.yaml", "a: [1, 0644]\n", "another number"),
            ("a.yaml", "a: 1_000\n", "another number"),
            ("a.yaml", "a: 1\na: 2\n", "not sound YAML"),
            ("a.yaml", "a: .inf\n", "a"),
            ("a.yaml", "- a\n", "a mapping at its top"),
        ] {
            let said = merged(&[("", name, text)]);
            assert!(said.as_ref().is_err_and(|why| why.contains(word)), "{text}: {said:?}");
        }
    }
}
