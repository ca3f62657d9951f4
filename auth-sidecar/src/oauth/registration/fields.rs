//! Is the value of this field what it must be? Text that a person may be shown, links that they may follow, keys.

use serde_json::{Map, Value};
use url::Url;

use super::super::error::OAuthError;
use super::super::jwk::{KeySet, KeySource};
use super::refuse;

pub(super) const LONGEST_NAME: usize = 128;
const LONGEST_TEXT: usize = 512;
const LONGEST_URI: usize = 2048;
const LONGEST_LANGUAGE_TAG: usize = 35;
const MOST_LANGUAGES: usize = 50;
const MOST_CONTACTS: usize = 10;

/// The fields that only describe, each checked. The human-readable ones may come in several languages, as
/// `client_name#fr` (RFC 7591 section 2.2).
pub(super) fn descriptive(asked: &Map<String, Value>) -> Result<Map<String, Value>, OAuthError> {
    let mut kept = Map::new();
    for (key, value) in asked {
        let (field, tag) =
            key.split_once('#').map_or((key.as_str(), None), |(field, tag)| (field, Some(tag)));
        match (field, tag) {
            ("client_name", _) => name(asked, key)?,
            ("client_uri" | "logo_uri" | "tos_uri" | "policy_uri", _) => drop(link(asked, key)?),
            ("software_id" | "software_version", None) => drop(text(asked, key, LONGEST_TEXT)?),
            ("contacts", None) => contacts(asked)?,
            ("application_type", None) => application_type(value)?,
            // Checked by `keys`.
            ("jwks" | "jwks_uri", None) => {}
            _ => continue,
        }
        tag.map_or(Ok(()), |tag| language_tag(field, tag))?;
        kept.insert(key.clone(), value.clone());
    }
    if kept.keys().filter(|key| key.contains('#')).count() > MOST_LANGUAGES {
        return Err(refuse("there are too many languages"));
    }
    Ok(kept)
}

/// `jwks` or `jwks_uri`, not both.
pub(super) fn keys(asked: &Map<String, Value>) -> Result<Option<KeySource>, OAuthError> {
    match (asked.get("jwks"), asked.get("jwks_uri")) {
        (Some(_), Some(_)) => Err(refuse("jwks and jwks_uri exclude each other")),
        (Some(set), None) => {
            let set = KeySet::admit(set.clone()).map_err(|why| refuse(format!("jwks {why}")))?;
            Ok(Some(KeySource::Inline(set)))
        }
        (None, Some(_)) => match link(asked, "jwks_uri")? {
            url if url.scheme() == "https" && url.fragment().is_none() => {
                Ok(Some(KeySource::Uri(url.into())))
            }
            _ => Err(refuse("jwks_uri must be an https URL without a fragment")),
        },
        (None, None) => Ok(None),
    }
}

pub(super) fn text(
    asked: &Map<String, Value>,
    key: &str,
    longest: usize,
) -> Result<Option<String>, OAuthError> {
    match asked.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if is_displayable(text, longest) => Ok(Some(text.clone())),
        Some(_) => {
            Err(refuse(format!("{} must be a string of at most {longest} printable characters", plain(key))))
        }
    }
}

pub(super) fn strings<'a>(
    asked: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<Vec<&'a str>>, OAuthError> {
    let refused = || refuse(format!("{key} must be a list of strings"));
    match asked.get(key) {
        None => Ok(None),
        Some(Value::Array(list)) => {
            list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(Some).ok_or_else(refused)
        }
        Some(_) => Err(refused()),
    }
}

/// A person may be shown these, so nothing that a browser would execute, and no name that hides the host.
fn link(asked: &Map<String, Value>, key: &str) -> Result<Url, OAuthError> {
    let uri = text(asked, key, LONGEST_URI)?.unwrap_or_default();
    let forbidden = |c: char| c.is_whitespace() || c == '\\';
    let url = Url::parse(&uri).ok().filter(|url| {
        let bare = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "https" | "http") && url.has_host() && bare && !uri.contains(forbidden)
    });
    url.ok_or_else(|| refuse(format!("{} must be an http or https URL", plain(key))))
}

/// A person decides by it, so something of it must be seen.
fn name(asked: &Map<String, Value>, key: &str) -> Result<(), OAuthError> {
    // The last two choose how the character before is drawn.
    let unseen = |c: char| c.is_whitespace() || matches!(c, '\u{fe0e}'..='\u{fe0f}');
    match text(asked, key, LONGEST_NAME)? {
        Some(name) if !name.is_empty() && name.chars().all(unseen) => {
            Err(refuse(format!("{} must hold something that can be seen", plain(key))))
        }
        _ => Ok(()),
    }
}

fn contacts(asked: &Map<String, Value>) -> Result<(), OAuthError> {
    let list = strings(asked, "contacts")?.unwrap_or_default();
    if list.len() > MOST_CONTACTS || list.iter().any(|entry| !is_displayable(entry, LONGEST_TEXT)) {
        return Err(refuse("contacts must be at most 10 short strings"));
    }
    Ok(())
}

fn application_type(value: &Value) -> Result<(), OAuthError> {
    if value == "web" || value == "native" {
        Ok(())
    } else {
        Err(refuse("application_type must be web or native"))
    }
}

/// The characters of BCP 47.
fn language_tag(field: &str, tag: &str) -> Result<(), OAuthError> {
    let plain = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if tag.is_empty() || tag.len() > LONGEST_LANGUAGE_TAG || !plain {
        return Err(refuse(format!("{field} has a malformed language tag")));
    }
    Ok(())
}

/// No control characters, and none that are invisible (`Default_Ignorable_Code_Point` of Unicode, and the empty Braille pattern)
/// or turn the direction of text around: `client_name` is shown to a person who decides by it.
fn is_displayable(text: &str, longest: usize) -> bool {
    let deceiving = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().count() <= longest && !text.chars().any(deceiving)
}

/// A field name as it may stand in a description: ours are plain, a language tag may hold anything.
fn plain(key: &str) -> &str {
    key.split_once('#').map_or(key, |(field, _tag)| field)
}
