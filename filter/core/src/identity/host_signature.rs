//! Can the host check signatures for us, and rightly? Envoy's own code does it some 14 (ES256) to 26 times (RS256) faster
//! than the same in Wasm.
//!
//! The host is trusted: it is the proxy that we run in. Whether *this* host has the function, and with the meaning that we
//! know, is tried with known signatures, good and bad, before it is used; where it fails, our own code checks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::issuer::Algorithm;

/// Asks the host whether the key signed `text`, with SHA-256: `spki` is DER `SubjectPublicKeyInfo`, `signature` is PKCS #1
/// v1.5 for RSA and DER `ECDSA-Sig-Value` for P-256. `None` when the host could not say.
pub type Ask = fn(spki: &[u8], signature: &[u8], text: &[u8]) -> Option<bool>;

/// What may be left to the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostSignatures {
    rs256: Option<Ask>,
    es256: Option<Ask>,
}

/// A signature that is known to be good.
struct Known {
    spki: &'static str,
    signature: &'static str,
}

const TEXT: &[u8] = b"wicketgate asks its host";

/// By a key that was made for this and thrown away.
const RSA: Known = Known {
    spki: "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxFkOvHmT-MWRKAlqM0g27WU4CefbnNpe-\
        R7TgNpNWuNnRqCRt6OI71R2bSaMzUXGPobgzxInDLOXbMKRxbyUYb7eROjjoS15_VWZWwLB-XPnn8AFS4xp-\
        ihc2mtMZOf9vWa6EIN--zLV-\
        qOqbnk_1m_pZEDaX6Uf03zVb4sOD3y3iHXC60Pk35Q9mUfJx46y1sOcw72VDfJ3BwQNxLxUFOLG9oOBvV-qr_mCiPSOc\
        z0UTiFjXAjYhT0VFLaUsoLS6cxIA_WvN0M0_aYW_0XH_9j3v1BbpllEOlx4x3GFYoicc9rzSyYYi3XUHCQzj_Zs42dIT\
        PZbbT3_z-XwqAcmgQIDAQAB",
    signature: "KUsLOR0OceIHvg39hVHC0TNi-ut8pNFKzP4DbzQ7lQs1aco6ZNPmKikPgfYUvRvRSpLeqwvhDfnVb7zFSxPMM68nFSNf\
        5FXYaXjjFfgqpi3XZ4wGUfjUuOq60jN6YLRz4ceAtqsFO9UsqKmSTRP1WLnKgEasIdAgYNcYwc4uEDSojCCrTXNyEOVp\
        PcW4CUKECv8vqVQAvY8Q1EkSq189KyD66vp6FF8q_qJ2HoGqoxVXcrPwCbmNcXVnPkXd4Q0n6a0h7D-\
        GIR92UVExoju3WU5bKZzeMkDpVTeHT_H9Zkd9S-KYBN5wqG16UjB0aAVSKG5ZsvfRRCs6Gpj_gf5W3w",
};

/// The same, on P-256.
const P256: Known = Known {
    spki: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2WdlHxysPuk76XB6Wnh0pypqNr2N_gBHHq_z0OsOUexO3Utbl2xwUJcW\
        eUj23_NHFJTcPYGtRKwq3NzDP5rZ8A",
    signature: "MEYCIQCdU2xRIGYoUJc8m36hBR0P0iJAwXAdB94AB9Spq2iyPQIhAPWMNt4UuvO7YiMvZsjOWAoXVAqcUq0KoEGWhoGv\
        ZB3k",
};

// === impl HostSignatures ===

impl HostSignatures {
    /// The host checks nothing.
    pub const NONE: Self = Self { rs256: None, es256: None };

    /// What this host does rightly.
    pub fn tried(ask: Ask) -> Self {
        Self { rs256: RSA.holds(ask).then_some(ask), es256: P256.holds(ask).then_some(ask) }
    }

    /// How many algorithms are left to the host.
    pub fn count(&self) -> u8 {
        u8::from(self.rs256.is_some()) + u8::from(self.es256.is_some())
    }

    /// The host's word on a JWS signature (RFC 7518 section 3); `None` where our own code has to check.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        spki: &[u8],
        signature: &[u8],
        text: &[u8],
    ) -> Option<bool> {
        match algorithm {
            Algorithm::Rs256 => self.rs256?(spki, signature, text),
            Algorithm::Es256 => self.es256?(spki, &ecdsa_der(signature)?, text),
            Algorithm::Ps256 | Algorithm::EdDsa => None,
        }
    }
}

// === impl Known ===

impl Known {
    /// Whether the host says yes to it, and no to another text, another signature and another key.
    fn holds(&self, ask: Ask) -> bool {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let (spki, signature) = (decode(self.spki), decode(self.signature));
        let (mut other_signature, other_text) = (signature.clone(), b"wicketgate asks its h0st");
        if let Some(last) = other_signature.last_mut() {
            *last ^= 1;
        }
        let other_key = decode(if std::ptr::eq(self, &RSA) { P256.spki } else { RSA.spki });
        ask(&spki, &signature, TEXT) == Some(true)
            && ask(&spki, &signature, other_text) == Some(false)
            && ask(&spki, &other_signature, TEXT) == Some(false)
            && ask(&other_key, &signature, TEXT) != Some(true)
    }
}

/// `r || s` of a JWS as DER `ECDSA-Sig-Value` (RFC 3279 section 2.2.3); `None` unless it is 64 bytes long.
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    let mut der = vec![0x30, 0];
    for number in [r, s] {
        let zeros = number.iter().take_while(|b| **b == 0).count().min(31);
        let digits = number.get(zeros..)?;
        // A leading one bit would make it negative.
        let sign = usize::from(digits.first()? & 0x80 != 0);
        der.extend([2, u8::try_from(digits.len() + sign).ok()?]);
        der.extend(std::iter::repeat_n(0, sign));
        der.extend_from_slice(digits);
    }
    let length = u8::try_from(der.len() - 2).ok()?;
    *der.get_mut(1)? = length;
    Some(der)
}

#[cfg(test)]
mod tests;
