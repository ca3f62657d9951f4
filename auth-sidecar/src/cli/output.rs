//! How does an answer look in a terminal? Columns, or a line for each member; what others chose cannot steer the terminal.

use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Asked, Outcome, failed};

/// Everything that a path or a query would read as something else.
const RESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One line or several.
pub(super) fn print(text: &str) -> Outcome {
    writeln!(std::io::stdout(), "{text}").map_err(failed)
}

/// A list: JSON under its name, or a table of these members.
pub(super) fn list(asked: &Asked, name: &str, entries: &[Value], columns: &[&str]) -> Outcome {
    if asked.json {
        return print(&json!({ name: entries }).to_string());
    }
    let mut rows = vec![columns.iter().map(|column| column.to_uppercase()).collect::<Vec<_>>()];
    rows.extend(entries.iter().map(|entry| columns.iter().map(|column| member(entry, column)).collect()));
    let width =
        |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|index| width(index).unwrap_or_default()).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        print(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// One thing: JSON, or a line for each member.
pub(super) fn thing(asked: &Asked, thing: &Value) -> Outcome {
    if asked.json {
        return print(&thing.to_string());
    }
    members("", thing)
}

/// Something that was done, which is all there is to say.
pub(super) fn done(asked: &Asked, what: &str) -> Outcome {
    print(&if asked.json { json!({}).to_string() } else { what.to_owned() })
}

/// As a segment of a path, or a value in a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}

/// A line of standard input: secrets do not stand on command lines, which others can read.
pub(super) fn read_line() -> Outcome<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn members(prefix: &str, thing: &Value) -> Outcome {
    let members_of = thing.as_object().into_iter().flatten();
    members_of.into_iter().try_for_each(|(name, value)| match value {
        Value::Object(_) => members(&format!("{prefix}{name}."), value),
        _ => print(&format!("{:<22} {}", format!("{prefix}{name}"), member(thing, name))),
    })
}

fn member(of: &Value, name: &str) -> String {
    let text = match of.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(entries)) => {
            let texts = entries
                .iter()
                .map(|entry| entry.as_str().map_or_else(|| entry.to_string(), ToOwned::to_owned));
            texts.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    };
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}
