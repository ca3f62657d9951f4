//! How is a message said in HTTP/2 by somebody whom no library keeps from mistakes? Frames and HPACK by hand (RFC 9113, RFC
//! 7541: every field literal, without the table and without Huffman's code).

use super::mutate::Random;
use crate::gateway::bypass::Message;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// The frames of one request; their sizes, padding and what comes between them are as it happens.
pub(super) fn spell(message: &Message, random: &mut Random) -> Vec<u8> {
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let mut block = Vec::new();
    let pseudo: [(&str, &[u8]); 4] = [
        (":method", &message.verb),
        (":scheme", b"http"),
        (":path", &message.path),
        (":authority", &message.host),
    ];
    for (name, value) in pseudo {
        field(&mut block, name.as_bytes(), value);
    }
    for (name, value) in &message.fields {
        field(&mut block, name.to_ascii_lowercase().as_bytes(), value);
    }
    let bare = message.body.is_empty() && message.trailers.is_empty();
    let end = if bare { END_STREAM } else { 0 };
    let cut = if random.below(4) == 0 { random.below(block.len()) } else { block.len() };
    if cut == block.len() {
        bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block));
    } else {
        bytes.extend(frame(HEADERS, end, 1, &block[..cut]));
        bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &block[cut..]));
    }
    let size = message.chunks.unwrap_or(1 + random.below(message.body.len()));
    let pieces: Vec<&[u8]> = message.body.chunks(size.max(1)).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let last = number + 1 == pieces.len() && message.trailers.is_empty();
        bytes.extend(data(piece, if last { END_STREAM } else { 0 }, random));
        bytes.extend(between(random));
    }
    if !message.trailers.is_empty() {
        let mut block = Vec::new();
        for (name, value) in &message.trailers {
            field(&mut block, name.to_ascii_lowercase().as_bytes(), value);
        }
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
    }
    bytes
}

fn data(piece: &[u8], end: u8, random: &mut Random) -> Vec<u8> {
    if random.below(5) > 0 {
        return frame(DATA, end, 1, piece);
    }
    let padding = u8::try_from(random.below(200)).unwrap();
    frame(DATA, end | PADDED, 1, &[&[padding], piece, &vec![0; padding.into()]].concat())
}

/// What may stand between two frames of a request, and what may not.
fn between(random: &mut Random) -> Vec<u8> {
    match random.below(30) {
        0 => frame(PING, 0, 0, &[0; 8]),
        1 => frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]),
        2 => frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
        3 => frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]),
        4 => frame(DATA, 0, 1, &[]),
        5 => frame(DATA, 0, 3, b"{}"),
        _ => Vec::new(),
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field without indexing, with a new name.
fn field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for text in [name, value] {
        length(block, text.len());
        block.extend_from_slice(text);
    }
}

/// An integer with a prefix of seven bits.
fn length(block: &mut Vec<u8>, mut length: usize) {
    if length < 127 {
        return block.push(u8::try_from(length).unwrap());
    }
    block.push(127);
    length -= 127;
    while length >= 128 {
        block.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    block.push(u8::try_from(length).unwrap());
}
