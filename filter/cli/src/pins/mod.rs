//! Which definitions of tools are approved? Made of what servers answered, compared in words, signed.

mod baseline;
mod changes;
mod key;
mod pages;

pub(crate) use baseline::{files, inline};

use crate::args::{Pins, PinsDiff, PinsMake, PinsSign};
use crate::document::read;
use crate::outcome::{Outcome, Unusable};
use crate::render::write;
use pages::Tools;
use serde_json::json;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &Pins) -> Result<Outcome, Unusable> {
    match arguments {
        Pins::Make(make) => self::make(make),
        Pins::Diff(diff) => self::diff(diff),
        Pins::Sign(sign) => self::sign(sign),
        Pins::Key(key) => {
            let public = key::Signer::read(&key.key)?.public();
            let json = json!({"ok": true, "key": public});
            Ok(Outcome::Said { text: format!("{public}\n"), json, good: true })
        }
    }
}

fn make(arguments: &PinsMake) -> Result<Outcome, Unusable> {
    let tools = Tools::answered(&arguments.lists)?;
    for name in tools.hidden() {
        eprintln!("wicketgate: {name:?} holds characters that nobody sees; look at it with `pins diff`");
    }
    let text = baseline::write(&tools.digests()?);
    let Some(out) = &arguments.out else { return Ok(Outcome::Text(text)) };
    write::replace(out, &text)?;
    let count = tools.digests()?.len();
    let json = json!({"ok": true, "out": out.display().to_string(), "tools": count});
    Ok(Outcome::Said { text: format!("{}: {count} tools\n", out.display()), json, good: true })
}

fn diff(arguments: &PinsDiff) -> Result<Outcome, Unusable> {
    let old = Tools::read(&arguments.old)?;
    let new = Tools::answered(&arguments.new)?;
    let changes = changes::between(&old, &new)?;
    let mut text: String = String::new();
    for change in &changes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", change.to_text());
    }
    let good = changes.is_empty();
    if good {
        text.push_str("nothing has changed\n");
    }
    let json =
        json!({"ok": good, "changes": changes.iter().map(changes::Change::to_json).collect::<Vec<_>>()});
    Ok(Outcome::Said { text, json, good })
}

fn sign(arguments: &PinsSign) -> Result<Outcome, Unusable> {
    let signer = key::Signer::read(&arguments.key)?;
    let text = read(&arguments.file)?;
    // What is signed must be what would be read.
    baseline::parse(&text).map_err(|why| Unusable(format!("{}: {why}", arguments.file.display())))?;
    let out = signature_of(&arguments.file);
    write::replace(&out, &format!("{}\n", signer.sign(text.as_bytes())))?;
    let json = json!({"ok": true, "out": out.display().to_string(), "key": signer.public()});
    let text = format!("{}: signed; the key is {}\n", out.display(), signer.public());
    Ok(Outcome::Said { text, json, good: true })
}

/// Where the signature of a file lies.
fn signature_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".sig");
    PathBuf::from(name)
}
