use proptest::prelude::*;

use super::*;
use crate::mcp::operation::Target;

fn filter(chunks: &[&[u8]], limit: usize) -> (Vec<u8>, Report, Result<(), Denial>) {
    let visible = &mut |target: &Target| !target.name().starts_with('x');
    let mut stream = ListStream::new(limit, None);
    let mut out = Vec::new();
    let fed = chunks.iter().try_for_each(|chunk| stream.feed(chunk, visible, &mut out));
    let result = fed.and_then(|()| stream.finish(visible, &mut out));
    (out, stream.report(), result)
}

fn text(input: &str) -> String {
    let (out, _, result) = filter(&[input.as_bytes()], 10_000);
    assert_eq!(result, Ok(()), "{input}");
    String::from_utf8(out).unwrap()
}

const LIST: &str = r#"{"result":{"tools":[{"name":"x"},{"name":"a"}]}}"#;
const LEFT: &str = r#"{"result":{"tools":[{"name":"a"}]}}"#;

#[test]
fn only_the_data_of_an_event_that_changes_is_rewritten() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = |data: &str| {
            let lines = [
                ": hi",
                "id: 7",
                "retry: 10",
                "data: ",
                "",
                "event: message",
                data,
                "id: 8",
                ": c",
                "",
                "data: {}",
                "",
                "",
            ];
            lines.join(end)
        };
        for data in ["data: ", "data:"] {
            let left = stream(&format!("data: {LEFT}")).replace(end, "\n");
            assert_eq!(text(&stream(&format!("{data}{LIST}"))), left, "{end:?}");
        }
    }
}

#[test]
fn data_over_several_lines_stays_one_event_and_stands_on_one_line() {
    let before = "data: {\"result\":\ndata:{\"tools\":[\ndata: {\"name\":\"x\"},\nid: 1\ndata: {\"name\":\"a\"}\ndata\ndata: ]}}\n\n";
    let after = "data: {\"result\": {\"tools\":[ {\"name\":\"a\"}  ]}}\nid: 1\n\n";
    assert_eq!(text(before), after);
    assert_eq!(text(after), after);
}

#[test]
fn what_may_not_be_seen_ends_a_stream_where_it_stands_among_other_messages() {
    let hidden = r#"{"method":"notifications/resources/updated","params":{"uri":"x:y"}}"#;
    let seen = r#"{"method":"notifications/progress","params":{}}"#;
    assert_eq!(text(&format!("data: {hidden}\n\ndata: {seen}\n\n")), format!("data: {seen}\n\n"));
    let (out, _, result) = filter(&[format!("data: [{seen},{hidden}]\n\n").as_bytes()], 10_000);
    assert!(out.is_empty() && matches!(result, Err(Denial::UnsafeResponse(_))), "{result:?}");
}

#[test]
fn streams_without_lists_pass_byte_for_byte() {
    for stream in [
        "",
        "\n",
        ": ping\n\n",
        "id: 1\nretry: 5\ndata: \n\n",
        "event: endpoint\ndata: /messages?id=1\n\n",
        "data: {\"method\":\"notifications/progress\"}\n\n",
        "data: {\"cut\":1}",
    ] {
        assert_eq!(text(stream), stream);
    }
}

#[test]
fn a_list_is_filtered_behind_a_mark_in_a_foreign_event_and_without_its_blank_line() {
    assert_eq!(text(&format!("\u{feff}data: {LIST}\n\n")), format!("data: {LEFT}\n\n"));
    assert_eq!(text(&format!("event: other\ndata: {LIST}\n\n")), format!("event: other\ndata: {LEFT}\n\n"));
    assert_eq!(text(&format!("data: {LIST}")), format!("data: {LEFT}"));
}

/// Go's clients end lines at line feeds alone, so that all of this is one line of data for them.
#[test]
fn what_stands_behind_a_carriage_return_is_no_data_for_anybody() {
    let hidden = format!("data: \r{LIST}\n\ndata: {{}}\n\n");
    assert_eq!(text(&hidden), "data: \n\ndata: {}\n\n");
    let (out, _, result) =
        filter(&[format!("data: {{}}\n\n:\u{2028}data: {LIST}\u{2028}\u{2028}\n").as_bytes()], 1000);
    assert!(matches!(result, Err(Denial::UnsafeResponse(_))), "{result:?}");
    assert_eq!(out, b"data: {}\n\n");
}

#[test]
fn what_cannot_be_read_ends_the_stream_behind_the_events_before_it() {
    for bad in [
        "data: {\"result\":\n\n",
        "data: [1,]\n\n",
        "data: {}\ndata: {}\n\n",
        "data: {\"result\":1,\"result\":2}\n\n",
    ] {
        let (out, _, result) = filter(&[format!("data: {{}}\n\n{bad}data: 1\n\n").as_bytes()], 1000);
        assert!(matches!(result, Err(Denial::UnsafeResponse(_))), "{bad}");
        assert_eq!(out, b"data: {}\n\n", "{bad}");
    }
    let (out, _, result) = filter(&[b"data: {}\n\ndata: 0123456789\n\n"], 12);
    assert_eq!(
        (out.as_slice(), result),
        (&b"data: {}\n\n"[..], Err(Denial::UnsafeResponse("an event is too large")))
    );
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_bytes_and_filtering_again_changes_nothing(
        pieces in prop::collection::vec(prop_oneof![
            Just(format!("data: {LIST}")), Just("data:{\"result\":{\"prompts\":[".to_owned()), Just("data: {\"name\":\"x\"}".to_owned()),
            Just("data: ]}}".to_owned()), Just("data: {}".to_owned()), Just("id: 1".to_owned()), Just(": c".to_owned()), Just(String::new()),
            Just("data".to_owned()),
        ], 0..12),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        limit in prop_oneof![Just(10_000usize), 20usize..80],
    ) {
        let stream = pieces.join(end);
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        let whole = filter(&[bytes], limit);
        prop_assert_eq!(&filter(&chunks, limit), &whole);
        prop_assert_eq!(&filter(&bytes.chunks(1).collect::<Vec<_>>(), limit), &whole);
        if whole.2.is_ok() {
            let again = filter(&[&whole.0], 100_000);
            prop_assert_eq!(again.2, Ok(()));
            prop_assert_eq!(again.0, whole.0);
            prop_assert_eq!(again.1.removed, 0);
        }
    }
}
