//! How does a client want its tokens signed and its requests secured? The metadata of OpenID Connect Registration 2,
//! RFC 9126 section 6 and RFC 9449 section 5.2 that change what we do.

use serde_json::{Map, Value};

use super::algorithm::SigningAlgorithm;
use super::error::{ErrorCode, OAuthError};
use super::openid::Preferences;

/// Reads the fields of `asked` that are known here, and adds them to the `metadata` to be echoed.
///
/// # Errors
/// `invalid_client_metadata`, naming the field.
pub fn read(
    asked: &Map<String, Value>,
    metadata: &mut Map<String, Value>,
) -> Result<Preferences, OAuthError> {
    let refuse = |why: &'static str| ErrorCode::InvalidClientMetadata.because(why);
    let flag = |name: &str, why: &'static str| match asked.get(name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| refuse(why)),
    };
    let id_token = match asked.get("id_token_signed_response_alg") {
        None => None,
        Some(value) => {
            let named = value.as_str().and_then(SigningAlgorithm::named);
            Some(named.ok_or_else(|| refuse("id_token_signed_response_alg is not supported"))?)
        }
    };
    let max_age = match asked.get("default_max_age") {
        None => None,
        Some(value) => {
            Some(value.as_u64().ok_or_else(|| refuse("default_max_age must be a number of seconds"))?)
        }
    };
    if asked.get("subject_type").is_some_and(|value| value != "public") {
        return Err(refuse("subject_type must be public"));
    }
    // Every ID token has auth_time: there is nothing to remember.
    flag("require_auth_time", "require_auth_time must be true or false")?;
    let preferences = Preferences {
        id_token,
        max_age,
        access_tokens: None,
        pushed_only: flag(
            "require_pushed_authorization_requests",
            "require_pushed_authorization_requests must be true or false",
        )?,
        dpop_only: flag("dpop_bound_access_tokens", "dpop_bound_access_tokens must be true or false")?,
    };
    for name in FIELDS {
        if let Some(value) = asked.get(name) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    Ok(preferences)
}

const FIELDS: [&str; 6] = [
    "id_token_signed_response_alg",
    "default_max_age",
    "subject_type",
    "require_auth_time",
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(asked: &Value) -> Result<(Preferences, Value), ErrorCode> {
        let mut metadata = Map::new();
        let preferences = read(asked.as_object().unwrap(), &mut metadata).map_err(|error| error.code)?;
        Ok((preferences, Value::Object(metadata)))
    }

    #[test]
    fn what_is_known_is_read_and_echoed() {
        let asked = json!({
            "id_token_signed_response_alg": "RS256", "default_max_age": 60, "subject_type": "public",
            "require_auth_time": true, "require_pushed_authorization_requests": true,
            "dpop_bound_access_tokens": true,
        });
        let (preferences, echoed) = read_json(&asked).unwrap();
        assert_eq!(preferences.id_token, Some(SigningAlgorithm::Rs256));
        assert_eq!(preferences.max_age, Some(60));
        assert!(preferences.pushed_only && preferences.dpop_only);
        assert_eq!(echoed, asked);
        assert_eq!(read_json(&json!({})).unwrap(), (Preferences::default(), json!({})));
    }

    #[test]
    fn what_we_cannot_do_or_read_is_refused() {
        for asked in [
            json!({"id_token_signed_response_alg": "none"}),
            json!({"id_token_signed_response_alg": "HS256"}),
            json!({"id_token_signed_response_alg": 1}),
            json!({"default_max_age": -1}),
            json!({"default_max_age": "60"}),
            json!({"subject_type": "pairwise"}),
            json!({"require_auth_time": "yes"}),
            json!({"require_pushed_authorization_requests": 1}),
            json!({"dpop_bound_access_tokens": "true"}),
        ] {
            assert_eq!(read_json(&asked), Err(ErrorCode::InvalidClientMetadata), "{asked}");
        }
    }
}
