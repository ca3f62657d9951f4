//! What is sent instead? Changes to a request at random, in its parts and in its bytes; the same for the same seed and number.

use super::frames;
use crate::gateway::bypass::{Message, plain};

/// Pieces that mean something to somebody on the way.
const WORDS: [&[u8]; 40] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b"null",
    b"1e999",
    b"-0",
    b"\"method\":\"tools/call\",",
    b"\"name\":\"drop_everything\",",
    b"\"params\":{}",
    b"{\"jsonrpc\":\"2.0\"}",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity, chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Mcp-Name: =?base64?ZHJvcF9ldmVyeXRoaW5n?=\r\n",
    b"Mcp-Method: tools/list\r\n",
    b"MCP-Protocol-Version: 2026-07-28\r\n",
    b"MCP-Protocol-Version: 2025-11-25\r\n",
    b"Mcp-Session-Id: s1\r\n",
    b"Last-Event-ID: 1\r\n",
    b"Authorization: Bearer x\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"%2f..%2f",
    b"?access_token=a",
    b"\xc5\xbf",
];
const VERSIONS: [&[u8]; 6] = [b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2", b"http/1.1"];
const VERBS: [&[u8]; 8] = [b"GET", b"DELETE", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"post"];

/// Numbers that look random (splitmix64).
pub(in crate::gateway) struct Random(u64);

// === impl Random ===

impl Random {
    /// Those of the `number`-th thing of a run.
    pub(in crate::gateway) fn of(seed: u64, number: u64) -> Self {
        Self(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but not including `limit`; 0 where that is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }

    pub(super) fn of_all<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn word(&mut self) -> &'static [u8] {
        WORDS[self.below(WORDS.len())]
    }

    /// The bytes of some request, changed. More often of one that may pass: most changes are refused.
    pub(super) fn spelled(&mut self, [may, may_not]: &[Vec<Message>; 2]) -> Vec<u8> {
        let messages = if self.below(3) == 0 { may_not } else { may };
        let mut message = self.of_all(messages).clone();
        for _ in 0..self.below(3) {
            self.change(&mut message, may);
        }
        if self.below(4) == 0 {
            let bytes = frames::spell(&message, self);
            return if self.below(2) == 0 { bytes } else { self.mutated_from(bytes, frames::PREFACE.len()) };
        }
        let mut bytes = plain(&message);
        if self.below(6) == 0 {
            // One behind the other on a connection that stays open.
            let text = String::from_utf8_lossy(&bytes).replace("Connection: close\r\n", "");
            bytes = [text.into_bytes(), plain(self.of_all(messages))].concat();
        }
        if self.below(4) == 0 { bytes } else { self.mutated(bytes) }
    }

    /// One part of a message is another.
    fn change(&mut self, message: &mut Message, others: &[Message]) {
        let other = self.of_all(others).clone();
        match self.below(9) {
            0 => message.verb = self.of_all(&VERBS).to_vec(),
            1 => message.path = other.path,
            2 => message.body = other.body,
            3 => message.fields = other.fields,
            4 => message.fields.extend(other.fields.into_iter().take(1 + self.below(2))),
            5 if !message.fields.is_empty() => drop(message.fields.remove(self.below(message.fields.len()))),
            6 => message.chunks = Some(1 + self.below(40)),
            7 => message.trailers = other.fields,
            _ => message.body = self.mutated(message.body.clone()),
        }
    }

    pub(super) fn mutated(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.mutated_from(bytes, 0)
    }

    /// Changed in a few places, none of them before `from`.
    fn mutated_from(&mut self, mut bytes: Vec<u8>, from: usize) -> Vec<u8> {
        for _ in 0..1 + self.below(4) {
            let at = from + self.below(bytes.len().saturating_sub(from));
            let end = (at + 1 + self.below(24)).min(bytes.len());
            match self.below(11) {
                _ if at >= bytes.len() => bytes.extend_from_slice(self.word()),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.next().to_le_bytes()[0],
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let again = bytes[at..end].to_vec();
                    insert(&mut bytes, at, &again);
                }
                4 | 5 => insert(&mut bytes, at, self.word()),
                6 => bytes.truncate(at),
                7 => self.change_line(&mut bytes),
                8 => self.change_number(&mut bytes, at),
                9 => self.change_version(&mut bytes),
                _ => insert(&mut bytes, at, &self.word().repeat(1 + self.below(300))),
            }
        }
        bytes
    }

    /// A line of the head goes, comes again, or changes its place.
    fn change_line(&mut self, bytes: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let (at, to) = (self.below(lines.len()), self.below(lines.len()));
        match self.below(3) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            _ => lines.swap(at, to),
        }
        *bytes = lines.join(&b'\n');
    }

    /// The next digit is another: a length, a size, an id.
    fn change_number(&mut self, bytes: &mut [u8], from: usize) {
        if let Some(digit) = bytes.iter_mut().skip(from).find(|byte| byte.is_ascii_digit()) {
            *digit = b'0' + u8::try_from(self.below(10)).unwrap();
        }
    }

    fn change_version(&mut self, bytes: &mut Vec<u8>) {
        if let Some(at) = bytes.windows(8).position(|window| window == b"HTTP/1.1") {
            bytes.splice(at..at + 8, self.of_all(&VERSIONS).iter().copied());
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |number| Random::of(7, number).mutated(b"POST /mcp HTTP/1.1\r\nHost: a\r\n\r\n{}".to_vec());
    assert_eq!(bytes(1), bytes(1));
    assert!((0..50).map(bytes).collect::<std::collections::BTreeSet<_>>().len() > 40);
}
