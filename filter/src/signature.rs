//! How is Envoy asked for a signature check? By its foreign function `verify_signature`, whose messages are
//! `VerifySignatureArguments` and `VerifySignatureResult` (Envoy, `source/extensions/common/wasm/ext/verify_signature.proto`).

use crate::host;

/// As [`wicketgate_core::identity::host_signature::Ask`].
pub(crate) fn ask(spki: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
    let mut arguments = Vec::with_capacity(spki.len() + signature.len() + text.len() + 32);
    for (number, value) in [(1, &b"sha256"[..]), (2, spki), (3, signature), (4, text)] {
        write_field(&mut arguments, number, value);
    }
    let result = host::foreign("verify_signature", &arguments).ok()?;
    // Field 1 is a bool; absent means false (proto3), and an error text (field 2) only comes with false.
    Some(matches!(result.as_slice(), [0x08, 0x01, ..]))
}

/// One length-delimited field of a protobuf message.
fn write_field(message: &mut Vec<u8>, number: u8, value: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = value.len();
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or_default());
    message.extend_from_slice(value);
}
