//! However a stream is cut, the same events come out, and all its bytes.
#![no_main]
use wicketgate_core::mcp::sse::Splitter;

libfuzzer_sys::fuzz_target!(|input: (usize, &[u8])| {
    let (at, stream) = (input.0 % (input.1.len() + 1), input.1);
    let events = |chunks: &[&[u8]]| {
        let (mut splitter, mut events) = (Splitter::new(stream.len()), Vec::new());
        chunks.iter().for_each(|chunk| splitter.push(chunk, &mut events).expect("within the limit"));
        events.extend(splitter.finish());
        events
    };
    let whole = events(&[stream]);
    assert_eq!(events(&[&stream[..at], &stream[at..]]), whole);
    assert_eq!(whole.into_iter().flat_map(|event| event.raw).collect::<Vec<_>>(), stream);
});
