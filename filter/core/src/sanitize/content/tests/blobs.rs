//! Text behind Base64, however that is written.

use super::*;

#[test]
fn text_behind_base64_is_read_however_that_is_written() {
    let mask = one(&json!({"detect": ["email"], "action": "mask"}));
    let member = |written: &str| format!(r#"{{"contents":[{{"blob":"{written}"}}]}}"#);
    for (written, left) in [
        // `mail a@example.com`, and what is left of it: in lines, with blanks, without padding or with too much of it.
        (r"bWFpbCBh\r\nQGV4YW1w\r\nbGUuY29t\r\n", "bWFpbCBbcmVkYWN0ZWQ6ZW1haWxd"),
        (r" bWFp bCBh\tQGV4 YW1wbGUuY29t ", "bWFpbCBbcmVkYWN0ZWQ6ZW1haWxd"),
        ("eHh4IGFAZXhhbXBsZS5jb20", "eHh4IFtyZWRhY3RlZDplbWFpbF0"),
        ("eHh4IGFAZXhhbXBsZS5jb20=", "eHh4IFtyZWRhY3RlZDplbWFpbF0="),
        // `?>?> a@example.com` in the alphabet for URLs, and `ÿ a@example.com` in both.
        ("Pz4_PiBhQGV4YW1wbGUuY29t", "Pz4_PiBbcmVkYWN0ZWQ6ZW1haWxd"),
        ("w78gYUBleGFtcGxlLmNvbQ==", "w78gW3JlZGFjdGVkOmVtYWlsXQ=="),
        // The last letter has bits that nobody reads.
        ("eHh4IGFAZXhhbXBsZS5jb21", "eHh4IFtyZWRhY3RlZDplbWFpbF0"),
    ] {
        let expected = member(left);
        assert_eq!(after(&mask, &member(written)), Ok((expected.clone(), 1)), "{written}");
        assert_eq!(after(&mask, &expected), Ok((expected, 0)), "{left}, once more");
    }
    let long = STANDARD_LINES.replace('\n', r"\n");
    let (text, found) = after(&mask, &member(&long)).unwrap();
    assert!(found == 1 && !text.contains(r"\n"), "{text}");
}

/// 90 letters and a mail address, in lines of 76 as MIME has them: it stands beyond the beginning.
const STANDARD_LINES: &str = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4\n\
                              eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4IGFAZXhhbXBsZS5jb20=\n";

#[test]
fn what_may_be_meant_as_it_stands_is_read_so_too() {
    // The number of a card; who passes over blanks reads Base64 of a text without one.
    let card = one(&json!({"detect": ["card"], "action": "mask"}));
    let result = r#"{"content":[{"data":"3556 0743 0600 0453"}]}"#;
    let left = r#"{"content":[{"data":"[redacted:card]"}]}"#;
    assert_eq!(after(&card, result), Ok((left.to_owned(), 1)));
}
