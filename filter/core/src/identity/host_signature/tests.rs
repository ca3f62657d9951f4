use super::*;
use crate::identity::key::PublicKey;

/// What Envoy does, done by our own code for the known texts: it stands in for the host.
fn right(spki: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
    let known = [&RSA, &P256].into_iter().find(|k| URL_SAFE_NO_PAD.decode(k.spki).unwrap() == spki)?;
    Some(text == TEXT && URL_SAFE_NO_PAD.decode(known.signature).unwrap() == signature)
}

/// `r || s` of a DER signature whose numbers have 31 to 33 bytes.
fn raw(der: &[u8]) -> Vec<u8> {
    let length = usize::from(der[3]);
    let numbers = [&der[4..4 + length], &der[6 + length..]];
    let padded = |n: &&[u8]| [&[0; 32][..], n].concat().split_off(n.len());
    numbers.iter().flat_map(padded).collect()
}

#[test]
fn a_host_that_is_right_is_asked() {
    let host = HostSignatures::tried(right);
    assert_eq!(host.count(), 2);
    let signature = URL_SAFE_NO_PAD.decode(P256.signature).unwrap();
    let spki = URL_SAFE_NO_PAD.decode(P256.spki).unwrap();
    assert_eq!(host.verify(Algorithm::Es256, &spki, &raw(&signature), TEXT), Some(true));
    assert_eq!(host.verify(Algorithm::Es256, &spki, &raw(&signature), b"other"), Some(false));
    assert_eq!(host.verify(Algorithm::EdDsa, &spki, &raw(&signature), TEXT), None);
    assert_eq!(host.verify(Algorithm::Ps256, &spki, &raw(&signature), TEXT), None);
}

#[test]
fn a_host_that_is_absent_or_wrong_is_not() {
    let absent: Ask = |_, _, _| None;
    let agreeable: Ask = |_, _, _| Some(true);
    let dull: Ask = |_, _, _| Some(false);
    let any_text: Ask = |spki, signature, _| right(spki, signature, TEXT);
    let any_key: Ask = |_, signature, text| {
        Some(
            [&RSA, &P256]
                .iter()
                .any(|k| right(&URL_SAFE_NO_PAD.decode(k.spki).unwrap(), signature, text) == Some(true)),
        )
    };
    for ask in [absent, agreeable, dull, any_text, any_key] {
        assert_eq!(HostSignatures::tried(ask).count(), 0);
    }
    assert_eq!(HostSignatures::NONE.count(), 0);
}

#[test]
fn one_algorithm_may_be_right_and_the_other_not() {
    let only_rsa: Ask =
        |spki, signature, text| if spki.len() > 200 { right(spki, signature, text) } else { None };
    let host = HostSignatures::tried(only_rsa);
    assert_eq!((host.count(), host.es256.is_none()), (1, true));
}

#[test]
fn jws_signatures_become_der_and_only_of_the_right_length() {
    let der = URL_SAFE_NO_PAD.decode(P256.signature).unwrap();
    assert_eq!(ecdsa_der(&raw(&der)), Some(der));
    let small = [[&[0; 31][..], &[1]].concat(), [&[0; 31][..], &[0x80]].concat()].concat();
    assert_eq!(ecdsa_der(&small).unwrap(), [0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]);
    assert_eq!(ecdsa_der(&[0; 64]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    for wrong in [0, 63, 65, 128] {
        assert_eq!(ecdsa_der(&vec![1; wrong]), None);
    }
}

#[test]
fn the_known_keys_are_keys_of_ours_too() {
    let spki = URL_SAFE_NO_PAD.decode(P256.spki).unwrap();
    let point = &spki[spki.len() - 64..];
    let key =
        PublicKey::p256(None, point[..32].try_into().unwrap(), point[32..].try_into().unwrap()).unwrap();
    assert_eq!(key.spki_der(), Some(&*spki));
}
