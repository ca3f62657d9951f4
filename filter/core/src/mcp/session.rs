//! Which session does a message belong to? The id as header; only its syntax is judged here.

use crate::denial::Denial;
use crate::head::Headers;

/// The header of requests and responses that names a session.
pub const HEADER: &str = "mcp-session-id";

/// The longest session id, in bytes. The specification has no bound; ids seen in the field are UUIDs, and sealed state
/// of a few hundred bytes.
pub const MAX_ID_BYTES: usize = 1024;

/// The id in `Mcp-Session-Id` of a request or response, if there is one.
///
/// # Errors
/// `InvalidRequest`: the header stands twice, or is not 1 to [`MAX_ID_BYTES`] bytes of visible ASCII (0x21 to 0x7E;
/// 2025-11-25, basic/transports, "Session Management").
pub fn id_of(headers: &Headers) -> Result<Option<&str>, Denial> {
    let id = headers.one(HEADER).map_err(|_| Denial::InvalidRequest("an unreadable session id"))?;
    match id {
        Some(id) if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(Denial::InvalidRequest("a malformed session id"))
        }
        sound => Ok(sound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_ascii_of_bounded_length_and_stands_once() {
        let read = |values: &[&[u8]]| {
            let pairs = values.iter().map(|v| ("mcp-session-id".to_owned(), v.to_vec())).collect();
            id_of(&Headers::new(pairs)).map(|id| id.map(str::to_owned))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b" !a-~ "]), Ok(Some("!a-~".into())));
        assert!(read(&[&[b'x'; MAX_ID_BYTES]]).is_ok());
        for bad in [&b""[..], b"a b", b"a\x7f", b"\xc3\xa9", &[b'x'; MAX_ID_BYTES + 1]] {
            assert!(matches!(read(&[bad]), Err(Denial::InvalidRequest(_))), "{bad:?}");
        }
        assert!(read(&[b"a", b"a"]).is_err());
    }
}
