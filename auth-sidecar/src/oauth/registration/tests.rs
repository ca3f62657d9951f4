use serde_json::json;

use super::*;

const RULES: Rules<'static> = Rules {
    private_use: &PrivateUse::None,
    client_credentials: false,
    jwt_bearer: false,
    default_method: AuthMethod::ClientSecretBasic,
};
const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"one"}"#;

/// What a document says of grants that its client cannot have does not cost it the others.
#[test]
fn a_client_that_proves_nothing_is_left_its_other_grants() {
    let rules = Rules { jwt_bearer: true, default_method: AuthMethod::None, ..RULES };
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let read = |method: &str, grants: &[&str]| {
        let mut asked = json!({"token_endpoint_auth_method": method, "grant_types": grants, "redirect_uris": ["https://app.example/cb"]});
        if method == "private_key_jwt" {
            asked["jwks"] = json!({"keys": [key()]});
        }
        admit(object(asked.to_string().as_bytes())?, rules).map(|registration| registration.grant_types)
    };
    let (code, assertion) = (GrantType::AuthorizationCode, GrantType::JwtBearer);
    assert_eq!(read("none", &["authorization_code", jwt_bearer]).unwrap(), [code]);
    assert_eq!(read("private_key_jwt", &["authorization_code", jwt_bearer]).unwrap(), [code, assertion]);
    assert!(read("none", &[jwt_bearer]).is_err());
}

fn read_json(body: &Value) -> Result<Registration, OAuthError> {
    admit(object(body.to_string().as_bytes())?, RULES)
}

fn key() -> Value {
    serde_json::from_str(P256).unwrap()
}

#[test]
fn what_clients_of_today_send_is_admitted() {
    let registration = read_json(&json!({
        "redirect_uris": ["http://127.0.0.1/cb", "https://app.example/cb"],
        "client_name": "Editor", "client_name#fr": "Éditeur", "tos_uri#de-AT": "https://app.example/agb",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "response_types": ["code", "token"], "application_type": "native", "scope": "b a", "policy_uri": "",
        "logo_uri": null, "x_unknown": {"deep": 1}, "software_id": "s", "contacts": ["a@b.example"],
        "jwks#fr": 7, "software_statement": "eyJ", "client_secret": "mine", "client_id": "mine",
    }))
    .unwrap();
    assert_eq!(registration.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    assert_eq!(
        Value::Object(registration.metadata),
        json!({
            "redirect_uris": ["http://127.0.0.1/cb", "https://app.example/cb"],
            "client_name": "Editor", "client_name#fr": "Éditeur", "tos_uri#de-AT": "https://app.example/agb",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "application_type": "native", "scope": "b a", "software_id": "s", "contacts": ["a@b.example"],
        })
    );
}

#[test]
fn defaults_are_those_of_the_rfc() {
    let registration = read_json(&json!({"redirect_uris": ["https://app.example/cb"]})).unwrap();
    assert_eq!(registration.auth_method, AuthMethod::ClientSecretBasic);
    assert_eq!(registration.grant_types, [GrantType::AuthorizationCode]);
    assert_eq!(registration.metadata["response_types"], json!(["code"]));
}

#[test]
fn keys_come_in_one_of_two_ways() {
    let with = |more: Value| {
        let mut body = json!({"redirect_uris": ["https://app.example/cb"]});
        body["token_endpoint_auth_method"] = json!("private_key_jwt");
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        read_json(&body)
    };
    let inline =
        with(json!({"jwks": {"keys": [key()]}, "token_endpoint_auth_signing_alg": "ES256"})).unwrap();
    assert_eq!(inline.metadata["jwks"], json!({"keys": [key()]}));
    assert_eq!(inline.metadata["token_endpoint_auth_signing_alg"], "ES256");
    let by_uri = with(json!({"jwks_uri": "https://app.example/jwks"})).unwrap();
    assert_eq!(by_uri.keys, Some(KeySource::Uri("https://app.example/jwks".into())));
    let mut private = key();
    private["d"] = json!("AAAA");
    for bad in [
        json!({}),
        json!({"jwks": {"keys": []}}),
        json!({"jwks": {"keys": [key()]}, "jwks_uri": "https://app.example/jwks"}),
        json!({"jwks": {"keys": [private]}}),
        json!({"jwks": {"keys": [key()]}, "token_endpoint_auth_signing_alg": "EdDSA"}),
        json!({"jwks": {"keys": [key()]}, "token_endpoint_auth_signing_alg": "HS256"}),
        json!({"jwks": {"keys": [key()]}, "token_endpoint_auth_signing_alg": "none"}),
        json!({"jwks": {"keys": ["key"]}}),
        json!({"jwks": [key()]}),
        json!({"jwks_uri": "http://app.example/jwks"}),
        json!({"jwks_uri": "https://app.example/jwks#x"}),
    ] {
        assert_eq!(with(bad.clone()).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{bad}");
    }
}

#[test]
fn grants_and_responses_fit_together() {
    let read = |body: Value| {
        let rules = Rules { client_credentials: true, ..RULES };
        let registration =
            admit(object(body.to_string().as_bytes()).unwrap(), rules).map_err(|error| error.code)?;
        let metadata = &registration.metadata;
        Ok((metadata["grant_types"].clone(), metadata["response_types"].clone()))
    };
    let uris = json!(["https://app.example/cb"]);
    let (code, own, refresh) = ("authorization_code", "client_credentials", "refresh_token");
    for (body, wanted) in [
        (json!({"grant_types": [own]}), Ok((json!([own]), json!([])))),
        (json!({"grant_types": [own, refresh], "response_types": []}), Ok((json!([own]), json!([])))),
        (
            json!({"grant_types": [own, code], "redirect_uris": uris}),
            Ok((json!([own, code]), json!(["code"]))),
        ),
        (json!({"grant_types": [own, code]}), Err(ErrorCode::InvalidRedirectUri)),
        (json!({"grant_types": [own], "redirect_uris": "x"}), Err(ErrorCode::InvalidRedirectUri)),
        (
            json!({"grant_types": [own], "redirect_uris": ["http://evil.example/"]}),
            Err(ErrorCode::InvalidRedirectUri),
        ),
        (json!({"grant_types": [own], "response_types": ["code"]}), Err(ErrorCode::InvalidClientMetadata)),
        (
            json!({"grant_types": [own], "token_endpoint_auth_method": "none"}),
            Err(ErrorCode::InvalidClientMetadata),
        ),
        (json!({"grant_types": [refresh], "redirect_uris": uris}), Err(ErrorCode::InvalidClientMetadata)),
    ] {
        assert_eq!(read(body.clone()), wanted, "{body}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_the_right_code() {
    let uris = |value: Value| json!({ "redirect_uris": value });
    for body in [
        json!({}),
        uris(json!([])),
        uris(json!("https://app.example/cb")),
        uris(json!(["http://app.example/cb"])),
        uris(json!(["javascript:alert(1)"])),
        uris(json!(["data:text/html,x"])),
        uris(json!(["https://app.example/cb#x"])),
        uris(json!([7])),
        uris(json!(vec!["https://a.example/"; 21])),
        uris(json!([format!("https://a.example/{}", "x".repeat(2048))])),
    ] {
        assert_eq!(read_json(&body).unwrap_err().code, ErrorCode::InvalidRedirectUri, "{body}");
    }
    let long = "x".repeat(2049);
    for (field, value) in [
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("token_endpoint_auth_method", json!(["none"])),
        ("grant_types", json!(["implicit"])),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!([])),
        ("grant_types", json!("authorization_code")),
        ("response_types", json!(["token"])),
        ("response_types", json!([])),
        ("response_types", json!([7])),
        ("client_name", json!("x".repeat(129))),
        ("client_name", json!("good\u{202e}evil")),
        ("client_name", json!("good\u{200b}evil")),
        ("client_name", json!("good\u{3164}evil")),
        ("client_name", json!("\u{2800}")),
        ("client_name", json!("good\u{e0100}evil")),
        ("client_name", json!(" \u{a0}\u{fe0f}")),
        ("client_name#de", json!("  ")),
        ("client_name", json!("line\nbreak")),
        ("client_name", json!(7)),
        ("client_name#fr", json!("good\u{2066}evil")),
        ("client_name#<b>", json!("x")),
        ("client_name#", json!("x")),
        ("client_uri", json!("javascript:alert(1)")),
        ("client_uri", json!("https://good.example@evil.example/")),
        ("logo_uri", json!("data:image/png;base64,AA==")),
        ("logo_uri", json!("vbscript:x")),
        ("tos_uri", json!("/tos")),
        ("policy_uri", json!(format!("https://a.example/{long}"))),
        ("policy_uri#en", json!("file:///etc/passwd")),
        ("contacts", json!("a@b.example")),
        ("contacts", json!(vec!["a@b.example"; 11])),
        ("contacts", json!(["a\u{0}b"])),
        ("software_id", json!({})),
        ("software_version", json!("x".repeat(513))),
        ("scope", json!("a\"b")),
        ("scope", json!(["a"])),
        ("jwks", json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})),
        ("jwks", json!({"keys": vec![key(); 21]})),
        ("jwks_uri", json!("ftp://a.example/jwks")),
        ("application_type", json!("toaster")),
    ] {
        let mut body = json!({"redirect_uris": ["https://app.example/cb"]});
        body[field] = value;
        assert_eq!(read_json(&body).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{body}");
    }
    for body in
        ["[]", "7", "", "{", "{} {}", r#"{"redirect_uris": ["https://a.example/"], "redirect_uris": []}"#]
    {
        assert_eq!(object(body.as_bytes()).unwrap_err().code, ErrorCode::InvalidClientMetadata, "{body}");
    }
    assert!(object(b"\xff{}").is_err() && object("[".repeat(10_000).as_bytes()).is_err());
}

#[test]
fn a_field_stands_once_wherever_it_is() {
    for (body, whole) in [
        (r#"{"a":1,"b":{"a":2,"c":[{"a":3},{"a":4}]}}"#, true),
        (r#"{"n":null,"f":1.5,"i":-1,"u":18446744073709551615,"t":true,"s":"x"}"#, true),
        (r#"{"a":1,"a":1}"#, false),
        (r#"{"a":1,"\u0061":1}"#, false),
        (r#"{"jwks":{"keys":[],"keys":[]}}"#, false),
        (r#"{"x":[1,{"y":{"a":1,"a":2}}]}"#, false),
        ("[]", false),
    ] {
        let read = serde_json::from_str::<Unique>(body).map(|Unique(fields)| Value::Object(fields));
        assert_eq!(read.is_ok(), whole, "{body}");
        if let Ok(read) = read {
            assert_eq!(read, serde_json::from_str::<Value>(body).unwrap());
        }
    }
}
