use super::*;
use proptest::prelude::*;

const NORMAL: &[(&str, &str)] = &[
    ("notes://a", "notes://a"),
    ("NOTES://Team-A/Plan", "notes://team-a/Plan"),
    ("file:///srv/%7Ejoe/%61.txt", "file:///srv/~joe/a.txt"),
    ("file:///srv/./a/../b", "file:///srv/b"),
    ("file:///srv/%2E%2e/b", "file:///b"),
    ("file:///srv/a/..", "file:///srv/"),
    ("file:///srv/.", "file:///srv/"),
    ("file:///a//b", "file:///a//b"),
    ("notes:a/./b", "notes:a/b"),
    ("https://Example.com", "https://example.com/"),
    ("https://example.com:443/x", "https://example.com/x"),
    ("http://example.com:80", "http://example.com/"),
    ("https://example.com:8443/x?q=%c3%a9#f", "https://example.com:8443/x?q=%C3%A9#f"),
    ("notes://caf\u{e9}/x y", "notes://caf%C3%A9/x%20y"),
    ("notes://a/100%25", "notes://a/100%25"),
    ("ssh://Git@Example.com/r", "ssh://Git@example.com/r"),
    ("urn:ISBN:1", "urn:ISBN:1"),
];

const FAULTS: &[(&str, UriFault)] = &[
    ("", UriFault::NoScheme),
    ("/etc/passwd", UriFault::NoScheme),
    ("1a:b", UriFault::NoScheme),
    ("notes://a\\b", UriFault::Character),
    ("notes://a\n", UriFault::Character),
    ("notes://a ", UriFault::Character),
    ("notes://a/%", UriFault::Percent),
    ("notes://a/%4", UriFault::Percent),
    ("notes://a/%zz", UriFault::Percent),
    ("notes://a%2fb", UriFault::HiddenCharacter),
    ("notes://a%5Cb", UriFault::HiddenCharacter),
    ("notes://a%00", UriFault::HiddenCharacter),
    ("notes://a%0A", UriFault::HiddenCharacter),
    ("notes://a/%252e%252e/b", UriFault::HiddenCharacter),
    ("notes://a/%25%32%66b", UriFault::HiddenCharacter),
    ("files://public/../secret", UriFault::DotSegment),
    ("files://public/x/../../secret", UriFault::DotSegment),
    ("files:///public//../secret", UriFault::DotSegment),
    ("files://../secret", UriFault::DotSegment),
    ("files:../secret", UriFault::DotSegment),
    ("files:///public/..;/secret", UriFault::DotSegment),
    ("https://user@example.com/", UriFault::Authority),
    ("https://example.com./", UriFault::Authority),
    ("https://ex\u{e4}mple.com/", UriFault::Authority),
    ("https:///x", UriFault::Authority),
];

#[test]
fn one_spelling_for_one_resource() {
    for (text, normal) in NORMAL {
        assert_eq!(ResourceUri::parse(text).map(|u| u.normal).as_deref(), Ok(*normal), "{text}");
    }
}

#[test]
fn what_servers_read_in_several_ways_has_no_normal_form() {
    for (text, fault) in FAULTS {
        assert_eq!(ResourceUri::parse(text), Err(*fault), "{text}");
    }
}

#[test]
fn what_else_servers_read_in_a_uri_is_known() {
    for (text, readings) in [
        ("notes://a/b", &["notes://a/b"][..]),
        ("file:///data//secret/k", &["file:///data//secret/k", "file:///data/secret/k"]),
        ("notes://note/secret;v=1/a", &["notes://note/secret;v=1/a", "notes://note/secret/a"]),
        ("notes://index?x#y", &["notes://index?x#y", "notes://index?x", "notes://index"]),
        ("notes://index/#/y", &["notes://index/#/y", "notes://index/", "notes://index#/y", "notes://index"]),
        ("urn:a;b?c", &["urn:a;b?c", "urn:a;b", "urn:a?c", "urn:a"]),
        ("n://a/;x", &["n://a/;x", "n://a/", "n://a"]),
        ("n://a//b/", &["n://a//b/", "n://a/b/", "n://a//b", "n://a/b"]),
        ("n://a//b;x", &["n://a//b;x", "n://a//b", "n://a/b;x", "n://a/b"]),
    ] {
        assert_eq!(ResourceUri::parse(text).unwrap().readings().collect::<Vec<_>>(), readings, "{text}");
    }
}

/// Whatever of all that a server does, and whatever it does not.
#[test]
fn any_of_what_servers_do_is_known_without_the_rest() {
    let uri = ResourceUri::parse("n://h/a//b;v=1/?q#f").unwrap();
    let readings: Vec<&str> = uri.readings().collect();
    for path in ["/a//b", "/a/b"] {
        for parameters in [";v=1", ""] {
            for slash in ["/", ""] {
                for tail in ["?q#f", "?q", ""] {
                    let read = format!("n://h{path}{parameters}{slash}{tail}");
                    assert!(readings.contains(&read.as_str()), "{read}");
                }
            }
        }
    }
    assert_eq!(readings.len(), 24, "each once");
}

proptest! {
    #[test]
    fn the_normal_form_is_its_own_normal_form(text in "(?i)(https?|notes|file)://?/?[a-b%0-9A-F./:@?#; é]{0,12}") {
        if let Ok(uri) = ResourceUri::parse(&text) {
            prop_assert_eq!(ResourceUri::parse(uri.as_str()), Ok(uri.clone()));
        }
    }

    #[test]
    fn a_reading_stands_once_and_there_are_few(text in "(notes|file)://?/?[a;./?#]{0,16}") {
        if let Ok(uri) = ResourceUri::parse(&text) {
            let readings: Vec<&str> = uri.readings().collect();
            let once: std::collections::BTreeSet<&&str> = readings.iter().collect();
            prop_assert!(once.len() == readings.len() && once.len() <= 24, "{:?}", readings);
        }
    }

    #[test]
    fn no_climbing_is_left(text in "f://a(/([a.]|%2e|%2E){0,3}){0,6}") {
        if let Ok(uri) = ResourceUri::parse(&text) {
            prop_assert!(uri.as_str().split('/').skip(3).all(|s| s != ".." && s != "."), "{:?}", uri);
        }
    }

    #[test]
    fn any_text_is_answered(text in ".{0,40}") {
        let _ = ResourceUri::parse(&text);
    }
}
