//! What does a JSON body say? One object of a known shape, and nothing behind it.

use serde::de::DeserializeOwned;

/// Reads it.
///
/// # Errors
/// The place of what is wrong, in words that repeat nothing of it: it may be a secret.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    // A derived reader takes a list for an object, member by member.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("the body is no JSON object".into());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        format!("the body cannot be read at {}: unknown, missing or of another type", error.path())
    })?;
    json.end().map_err(|_| "something follows the JSON of the body".to_owned())?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        a: u8,
    }

    #[test]
    fn an_object_is_an_object() {
        assert_eq!(object(b" {\"a\": 1}\n"), Ok(Shape { a: 1 }));
        for (body, said) in [
            (&b"[1]"[..], "no JSON object"),
            (b"", "no JSON object"),
            (b"{\"a\":\"secret\"}", "at a:"),
            (b"{\"a\":1,\"b\":1}", "at b:"),
            (b"{\"a\":1,\"a\":1}", "cannot be read"),
            (b"{\"a\":1}{", "follows"),
        ] {
            let refused = object::<Shape>(body).unwrap_err();
            assert!(refused.contains(said) && !refused.contains("secret"), "{refused}");
        }
    }
}
