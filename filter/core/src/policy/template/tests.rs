use super::*;
use proptest::prelude::*;

/// template, pattern, whether some expansion matches, whether all do.
const CASES: &[(&str, &str, bool, bool)] = &[
    ("notes://{id}", "notes://*", true, true),
    ("notes://{id}", "notes://team/*", true, false),
    ("notes://team/{id}", "notes://*", true, true),
    ("notes://team/{id}", "notes://team/plan", true, false),
    ("notes://team/{id}", "notes://other/*", false, false),
    ("notes://team/{id}/raw", "notes://team/plan", false, false),
    ("notes://team/{id}/raw", "notes://team/*", true, true),
    ("NOTES://Team/{id}", "notes://team/*", true, true),
    ("notes://{id}Team/x", "notes://ateam/x", true, false),
    ("repo:{name}:read", "repo:*:read", true, false),
    ("repo:{name}:read", "repo:*:write", false, false),
    ("https://example.com:443/{x}", "https://example.com/*", true, true),
    ("https://{host}:443/x", "https://example.com/x", true, false),
    ("https://{host}/x", "https://example.com/y", false, false),
    ("ssh://Git@{host}/x", "ssh://Git@a/x", true, false),
    ("f://a/%7e{x}", "f://a/~*", true, true),
    ("f://a/b/../{x}", "f://a/c", true, false),
    ("f://a/b", "f://a/b", true, true),
    ("f://a/{x}", "*", true, true),
    ("f://{x}/b/{y}", "f://a/*/c", true, false),
    ("f://{x}/b", "f://a/*/c", false, false),
    ("f://a/{x}b", "f://a/*/c", false, false),
    ("f://a//c{x}", "f://a/*/c", false, false),
    ("f://a/b/c", "f://a/*/c", true, true),
    ("f://a/b/d/c", "f://a/*/c", false, false),
];

#[test]
fn templates_stand_for_what_the_table_says() {
    for (template, pattern, some, all) in CASES {
        let t = Template::parse(template).unwrap();
        let p = Pattern::parse(pattern).unwrap();
        assert_eq!((t.overlaps(&p), t.within(&p)), (*some, *all), "{template} and {pattern}");
    }
}

#[test]
fn what_is_no_template_is_none() {
    for text in
        ["{x}", "a://{", "a://}", "a://{}", "a://{{x}}", "a://b%2f{x}", "a://\\{x}", "nothing", "a://b/%{x}"]
    {
        assert_eq!(Template::parse(text), None, "{text}");
    }
}

#[test]
fn a_template_that_is_made_to_keep_us_busy_is_none() {
    let long = |bytes: usize| format!("a://{{x}}{}", "b".repeat(bytes - 7));
    assert!(Template::parse(&long(MAX_BYTES)).is_some());
    assert_eq!(Template::parse(&long(MAX_BYTES + 1)), None);
    let holes = |count: usize| format!("a://{}", "{x}b".repeat(count));
    assert!(Template::parse(&holes(MAX_HOLES)).is_some());
    assert_eq!(Template::parse(&holes(MAX_HOLES + 1)), None);
    assert_eq!(Template::parse("a://{x}{y}{z}/b"), Template::parse("a://{x}/b"));
    // A URI is as long as a name may be.
    assert!(Template::parse(&format!("a://{}", "b".repeat(2 * MAX_BYTES))).is_some());
}

proptest! {
    /// Whatever an expansion in normal form matches, the template overlaps; what holds the template, the expansion matches.
    #[test]
    fn an_expansion_agrees_with_its_template(
        (head, hole, tail) in ("[ab/]{0,3}", "[ab/:.]{0,4}", "[ab/]{0,3}"),
        pattern in "f://[ab/]{0,3}(\\*(/[ab]{0,2})?)?",
    ) {
        let template = Template::parse(&format!("f://h/{head}{{x}}{tail}")).unwrap();
        let Ok(uri) = ResourceUri::parse(&format!("f://h/{head}{hole}{tail}")) else { return Ok(()) };
        let text = format!("f://h/{head}{hole}{tail}");
        let Ok(pattern) = Pattern::parse(&pattern.replace("f://", "f://h/")) else { return Ok(()) };
        if uri.as_str() == text && pattern.matches(&text) {
            prop_assert!(template.overlaps(&pattern), "{} {:?}", text, pattern);
        }
        if uri.as_str() == text && template.within(&pattern) {
            prop_assert!(pattern.matches(&text), "{} {:?}", text, pattern);
        }
    }

    #[test]
    fn any_text_is_answered(text in "[a-b:/{}.%]{0,20}") {
        if let Some(template) = Template::parse(&text) {
            prop_assert!(template.overlaps(&Pattern::any()));
        }
    }
}
