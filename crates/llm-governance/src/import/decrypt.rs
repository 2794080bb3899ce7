//! How LiteLLM encrypts what is secret: XSalsa20-Poly1305 or AES-256-GCM, with the SHA-256 of its salt key.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};

/// Before a value of AES-256-GCM.
const GCM: &str = "v2:gcm:";

/// The nonce of XSalsa20.
const LONG_NONCE: usize = 24;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);

/// The key that LiteLLM's secrets are encrypted with.
#[derive(Clone)]
pub struct Salt([u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

impl Salt {
    /// The key made of `LITELLM_SALT_KEY`, or of the master key where there is none.
    pub fn new(text: &str) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(key)
    }

    /// The text that a stored value stands for; nothing if it was encrypted with another key.
    pub(super) fn decrypt(&self, stored: &str) -> Option<String> {
        let plain = match stored.strip_prefix(GCM) {
            Some(value) => self.gcm(&decoded(value)?)?,
            None => self.secretbox(&decoded(stored)?)?,
        };
        String::from_utf8(plain).ok()
    }

    fn secretbox(&self, value: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = value.split_at_checked(LONG_NONCE)?;
        let nonce: [u8; LONG_NONCE] = nonce.try_into().ok()?;
        let cipher = XSalsa20Poly1305::new(&self.0.into());
        cipher.decrypt(&nonce.into(), ciphertext).ok()
    }

    fn gcm(&self, value: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = value.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0).ok()?);
        let mut body = ciphertext.to_vec();
        let plain = key.open_in_place(nonce, Aad::empty(), &mut body).ok()?;
        Some(plain.to_vec())
    }
}

/// Its values are URL-safe base64, and were standard base64 once.
fn decoded(text: &str) -> Option<Vec<u8>> {
    URL.decode(text).or_else(|_| PLAIN.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use proptest::prelude::*;

    use super::{PLAIN, Salt, URL};

    /// Made with another implementation: the key SHA-256("sk-salt"), the nonce 0, 1, 2, ... 23, the text "openai/gpt-4o".
    #[test]
    fn both_forms_are_read() {
        let salt = Salt::new("sk-salt");
        let nonce: Vec<u8> = (0..24).collect();
        let sealed = hex("1f8fa4d05006deb2aa20ffda71ee388824b74cb151e7304c5616f2bd53");
        let stored = [nonce, sealed].concat();
        for text in [URL.encode(&stored), PLAIN.encode(&stored)] {
            assert_eq!(salt.decrypt(&text).as_deref(), Some("openai/gpt-4o"));
        }
        assert_eq!(Salt::new("another").decrypt(&URL.encode(&stored)), None);
    }

    fn hex(text: &str) -> Vec<u8> {
        let bytes = text.as_bytes().chunks(2);
        bytes
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_no_ciphertext_is_nothing(text in ".{0,200}", gcm: bool) {
            let text = if gcm { format!("v2:gcm:{text}") } else { text };
            prop_assert_eq!(Salt::new("sk-salt").decrypt(&text), None);
        }
    }
}
