//! Where does the secret lie that Envoy shows to a server? The parts of `servers[].credential.static` that the filter never gets.

use super::places::file;
use crate::config::error::{Findings, Place};
use crate::config::read::{Shape, mapping};
use serde_json::{Map, Value};

/// A secret that Envoy puts into requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedSecret {
    /// The file; `None` where it is not said.
    pub file: Option<String>,
    /// What stands before it; `None` for what is usual in the header.
    pub prefix: Option<String>,
}

/// The keys of it.
const KEYS: [&str; 2] = ["file", "prefix"];

#[derive(Default)]
struct RawSecret {
    file: Option<String>,
    prefix: Option<String>,
}

mapping!(RawSecret, "a mapping such as {file: /etc/envoy/notes.token}", [], [file, prefix]);

/// Takes it out of a server of the document; what is left is what the filter takes.
pub(super) fn take(server: &mut Value, place: &Place, found: &mut Findings) -> Option<InjectedSecret> {
    let members = server.pointer_mut("/credential/static")?.as_object_mut()?;
    let given: Map<String, Value> =
        KEYS.iter().filter_map(|key| Some(((*key).to_owned(), members.remove(*key)?))).collect();
    let place = place.key("credential").key("static");
    let raw = RawSecret::read(&Value::Object(given), &place, found)?;
    let file = raw.file.map(|path| file(&path, &place.key("file"), found));
    if raw.prefix.as_ref().is_some_and(|prefix| !prefix.bytes().all(|b| matches!(b, b' '..=b'~'))) {
        found.error(&place.key("prefix"), "is printable ASCII");
    }
    Some(InjectedSecret { file, prefix: raw.prefix })
}
