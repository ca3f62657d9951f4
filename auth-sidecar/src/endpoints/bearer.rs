//! Which bearer token was presented? The `Authorization` header alone counts (RFC 6750 section 2.1).

use axum::http::{HeaderMap, header};

use crate::oauth::error::{ErrorCode, OAuthError};

/// The token; none where there is no such header, or one of another scheme.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, OAuthError> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(ErrorCode::InvalidRequest.because("the Authorization header is repeated"));
    }
    let parts = line.to_str().ok().and_then(|line| line.split_once(' '));
    Ok(parts.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str]) -> Result<Option<String>, ErrorCode> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        bearer(&headers).map(|token| token.map(ToOwned::to_owned)).map_err(|error| error.code)
    }

    #[test]
    fn one_header_of_the_scheme_counts() {
        assert_eq!(read(&["Bearer x"]), Ok(Some("x".into())));
        assert_eq!(read(&["bearer  x "]), Ok(Some("x".into())));
        for none in [&[][..], &["Basic x"], &["Bearer"], &["x"]] {
            assert_eq!(read(none), Ok(None), "{none:?}");
        }
        assert_eq!(read(&["Bearer x", "Bearer x"]), Err(ErrorCode::InvalidRequest));
    }
}
