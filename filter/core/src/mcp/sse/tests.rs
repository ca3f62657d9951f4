use proptest::prelude::*;

use super::*;

fn split(chunks: &[&[u8]], limit: usize) -> (Vec<Event>, Result<(), Overflow>) {
    let mut splitter = Splitter::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        if let Err(overflow) = splitter.push(chunk, &mut events) {
            return (events, Err(overflow));
        }
    }
    events.extend(splitter.finish());
    assert_eq!(splitter.held(), 0);
    (events, Ok(()))
}

fn data_of_stream(stream: &str) -> Vec<Option<String>> {
    let (events, result) = split(&[stream.as_bytes()], 1000);
    assert_eq!(result, Ok(()));
    events.into_iter().map(|e| e.data.map(|d| String::from_utf8(d).unwrap())).collect()
}

/// What the standard's own algorithm dispatches: the data of each event that has some.
fn dispatched(stream: &str) -> Vec<String> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let normal = stream.replace("\r\n", "\n").replace('\r', "\n");
    let mut data: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    // The last line has no end, or is empty behind the last end: it is not processed as blank line.
    let lines: Vec<&str> = normal.split('\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let complete = i + 1 < lines.len();
        match line.split_once(':') {
            None if line.is_empty() && complete && !data.is_empty() => {
                out.push(data.join("\n"));
                data.clear();
            }
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value)),
            None if *line == "data" => data.push(""),
            _ => {}
        }
    }
    // Ours gives the unfinished rest too.
    if !data.is_empty() {
        out.push(data.join("\n"));
    }
    out
}

#[test]
fn events_end_at_blank_lines_of_all_three_kinds() {
    let some = |s: &str| Some(s.to_owned());
    for end in ["\n", "\r\n", "\r"] {
        let stream = [
            "event: message",
            "id: 1",
            "data: {\"a\":",
            "data:1}",
            "",
            "data",
            "",
            "retry: 5",
            "",
            "data: tail",
        ]
        .join(end);
        assert_eq!(data_of_stream(&stream), [some("{\"a\":\n1}"), some(""), None, some("tail")], "{end:?}");
    }
    assert_eq!(data_of_stream("data: a\n\r\ndata: b\r\n\rdata: c\r\n\n"), [some("a"), some("b"), some("c")]);
    assert_eq!(data_of_stream("\u{feff}data: a\n\n\u{feff}data: b\n\n"), [None, some("a"), None]);
    assert_eq!(data_of_stream("Data: a\ndata : b\ndatax\n data: c\n\n"), [None]);
    assert_eq!(data_of_stream("data:  two spaces\n\n"), [some(" two spaces")]);
}

#[test]
fn comments_between_events_pass_at_once_and_inside_one_wait_for_it() {
    let mut splitter = Splitter::new(100);
    let mut out = Vec::new();
    splitter.push(b": ping\n", &mut out).unwrap();
    assert_eq!(out.pop().unwrap().raw, b": ping\n");
    splitter.push(b"id: 1\n: inside\n", &mut out).unwrap();
    assert_eq!(out, []);
    splitter.push(b"\n", &mut out).unwrap();
    assert_eq!(out.pop().unwrap().raw, b"id: 1\n: inside\n\n");
}

#[test]
fn a_stream_of_bare_returns_does_not_wait_for_the_next_event() {
    let mut splitter = Splitter::new(100);
    let mut out = Vec::new();
    splitter.push(b"data: a\r\r", &mut out).unwrap();
    assert_eq!(out.pop().unwrap().raw, b"data: a\r\r");
    let mut splitter = Splitter::new(100);
    splitter.push(b"data: a\r\n\r", &mut out).unwrap();
    assert_eq!(out, [], "the line feed is still to come");
    splitter.push(b"\n", &mut out).unwrap();
    assert_eq!(out.pop().unwrap().raw, b"data: a\r\n\r\n");
}

#[test]
fn an_event_over_the_limit_is_an_overflow_and_those_before_it_are_kept() {
    let stream = b"data: 1\n\ndata: 22\n\n";
    assert!(split(&[stream], 10).1.is_ok());
    for chunks in [vec![&stream[..]], stream.chunks(1).collect()] {
        let (events, result) = split(&chunks, 9);
        assert_eq!((events.len(), result), (1, Err(Overflow)));
    }
}

#[test]
fn the_room_of_a_large_event_is_given_back_with_it() {
    let mut splitter = Splitter::new(2_000_000);
    let mut out = Vec::new();
    let large = [b"data: ".as_slice(), &[b'x'; 1_000_000], b"\n\ndata: y"].concat();
    for chunk in large.chunks(16_384) {
        splitter.push(chunk, &mut out).unwrap();
    }
    assert_eq!((out.len(), splitter.held()), (1, 7));
    assert!(splitter.carry.capacity() <= 2 * KEPT_ROOM, "{}", splitter.carry.capacity());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events_and_every_byte_comes_out(
        stream in r"(data: ?|data|:|id: 1|x|\u{feff}|\r|\n|\r\n|\n\n|\r\n\r\n|\r\r|é){0,30}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        limit in prop_oneof![Just(1000usize), 1usize..40],
    ) {
        let bytes = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        let whole = split(&[bytes], limit);
        prop_assert_eq!(&split(&chunks, limit), &whole);
        prop_assert_eq!(&split(&bytes.chunks(1).collect::<Vec<_>>(), limit), &whole);
        let joined: Vec<u8> = whole.0.iter().flat_map(|e| e.raw.clone()).collect();
        if whole.1.is_ok() {
            prop_assert_eq!(joined, bytes);
            let ours: Vec<String> = whole.0.iter().filter_map(|e| e.data.clone())
                .map(|d| String::from_utf8(d).unwrap()).collect();
            prop_assert_eq!(ours, dispatched(&stream));
        } else {
            prop_assert!(bytes.starts_with(&joined));
        }
    }
}
