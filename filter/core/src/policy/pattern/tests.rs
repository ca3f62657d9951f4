use super::*;
use proptest::prelude::*;

/// pattern, names that match, names that do not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("get_note", &["get_note"], &["get_notes", "get_not", "GET_NOTE", "", "get_note "]),
    ("*", &["", "x", "a/b:c.d", "ü"], &[]),
    ("db_*", &["db_", "db_x", "db_/x"], &["db", "adb_x", "DB_x"]),
    ("files/*", &["files/a", "files/a/b", "files/"], &["files", "file/a"]),
    (
        "repo:*:read",
        &["repo:x:read", "repo:a.b/c:read"],
        &["repo::read", "repo:a:b:read", "repo:x:readx", "repo:read"],
    ),
    (
        "https://*.example.com/x",
        &["https://a.example.com/x"],
        &["https://a.b.example.com/x", "https://.example.com/x"],
    ),
    ("*.json", &["a.json", "a/b.json"], &[".json", "a.b.json", "a.jsonx"]),
];

#[test]
fn patterns_match_what_the_table_says() {
    for (pattern, yes, no) in CASES {
        let p = Pattern::parse(pattern).unwrap();
        for name in *yes {
            assert!(p.matches(name), "{pattern} should match {name:?}");
        }
        for name in *no {
            assert!(!p.matches(name), "{pattern} should not match {name:?}");
        }
        assert_eq!(p.to_text(), *pattern);
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (text, fault) in [
        ("", PatternFault::Empty),
        ("*a*", PatternFault::ManyStars),
        ("**", PatternFault::ManyStars),
        ("a*b", PatternFault::InsideSegment),
        ("a*/b", PatternFault::InsideSegment),
        ("a/*b", PatternFault::InsideSegment),
        ("a\n", PatternFault::Unprintable),
        (" a", PatternFault::Unprintable),
    ] {
        assert_eq!(Pattern::parse(text), Err(fault), "{text:?}");
    }
}

#[test]
fn a_segment_of_an_allowed_uri_ends_no_host_early() {
    let pattern = Pattern::parse("db://*.internal/x").unwrap();
    for (uri, allowed) in
        [("db://a.internal/x", true), ("db://evil?.internal/x", false), ("db://evil#.internal/x", false)]
    {
        assert_eq!(pattern.allows_uri(uri), allowed, "{uri}");
        assert!(pattern.matches(uri), "a deny rule means it all the same: {uri}");
    }
    let tail = Pattern::parse("notes://*").unwrap();
    assert!(tail.allows_uri("notes://a?b#c") && !tail.allows_uri("file://a"));
}

fn pattern() -> impl Strategy<Value = Pattern> {
    "[ab:/]{0,4}(\\*([:/][ab]{0,2})?)?".prop_filter_map("not a pattern", |t| Pattern::parse(&t).ok())
}

proptest! {
    /// `covers` never claims more than matching shows (the compiler refuses rules by it).
    #[test]
    fn what_covers_matches_all_that_the_other_matches(a in pattern(), b in pattern(), name in "[ab:/]{0,6}") {
        if a.covers(&b) && b.matches(&name) {
            prop_assert!(a.matches(&name));
        }
    }

    /// Byte by byte or at once.
    #[test]
    fn a_text_is_followed_to_the_end_exactly_when_it_matches(p in pattern(), name in "[ab:/é]{0,6}") {
        let stands = name.bytes().try_fold(0, |at, byte| p.next(at, byte));
        prop_assert_eq!(stands == Some(p.end()), p.matches(&name), "{:?} {}", p, name);
    }

    #[test]
    fn no_text_makes_matching_fail(text in ".{0,20}", name in ".{0,20}") {
        if let Ok(p) = Pattern::parse(&text) {
            let _ = p.matches(&name);
            prop_assert!(p.to_text() == text);
            prop_assert!(!p.matches(&name) || name.starts_with(p.literal_prefix()));
        }
    }
}
