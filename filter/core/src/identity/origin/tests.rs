use super::{Origin, admit};
use crate::denial::Denial;
use crate::head::{Headers, RequestHead};

fn request(origins: &[&str]) -> RequestHead {
    let pairs = origins.iter().map(|o| ("origin".to_owned(), o.as_bytes().to_vec())).collect();
    RequestHead { headers: Headers::new(pairs), ..RequestHead::default() }
}

fn allowed() -> Vec<Origin> {
    ["https://App.Example", "http://localhost:6274", "http://[::1]:8080", "vscode-webview://abc"]
        .map(|o| Origin::parse(o).unwrap())
        .to_vec()
}

#[test]
fn listed_origins_pass_in_any_spelling_of_the_same() {
    for origin in [
        "https://app.example",
        "HTTPS://APP.EXAMPLE",
        "https://app.example:443",
        "http://localhost:6274",
        "http://[0:0::1]:8080",
        "vscode-webview://abc",
    ] {
        assert_eq!(admit(&request(&[origin]), &allowed()).map(drop), Ok(()), "{origin}");
    }
    assert_eq!(admit(&request(&[]), &allowed()), Ok(None), "not a browser");
}

#[test]
fn every_other_origin_is_refused() {
    for origin in [
        "null",
        "NULL",
        "",
        "*",
        "http://app.example",
        "https://app.example:444",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "https://app.example/",
        "https://app.example?",
        "https://app.example#",
        "//app.example",
        "https://u@app.example",
        "https://app.example:",
        "https://app.example:+443",
        "https://app.example:443:443",
        "https://app.example:65979",
        "http://localhost",
        "http://localhost:6274 http://localhost:6274",
        "app.example",
        "https://app.example.",
        "http://127.0.0.1:6274",
        "https://app.example\t",
        "vscode-webview://ABCD",
        "https:app.example",
        "http://[::1]8080",
        "http://[::1",
        "http://::1:8080",
    ] {
        let trimmed_is_listed = origin.ends_with('\t');
        let expected = if trimmed_is_listed { Ok(()) } else { Err(Denial::OriginRefused) };
        assert_eq!(admit(&request(&[origin]), &allowed()).map(drop), expected, "{origin}");
        assert_eq!(admit(&request(&[origin]), &[]), Err(Denial::OriginRefused), "{origin}");
    }
    let twice = ["https://app.example", "https://app.example"];
    assert_eq!(admit(&request(&twice), &allowed()), Err(Denial::OriginRefused));
}

#[test]
fn a_configured_origin_that_means_something_else_says_what() {
    for (text, what) in [
        ("*", "any origin"),
        ("null", "sandboxed"),
        ("https://app.example/", "no path"),
        ("https://*.example", "no wildcards"),
        ("https://u:p@app.example", "no user"),
        ("https://bücher.example", "xn--"),
        ("https://", "needs a host"),
        ("https://app.example:0x50", "not a port"),
        ("https://[::g]", "IPv6"),
        ("app.example", "not an origin"),
        ("1s://app.example", "not a scheme"),
    ] {
        assert!(Origin::parse(text).unwrap_err().contains(what), "{text}");
    }
}
