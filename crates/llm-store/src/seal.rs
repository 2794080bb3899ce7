use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{Error, Record};

/// The form of what is written: `v1:<key id>:<nonce, ciphertext and tag>`.
const VERSION: &str = "v1";

/// A secret as it is stored: ciphertext. It never appears in JSON or in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// What the database holds.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

/// The keys that secrets are sealed with: the first writes, all read.
pub struct Keyring {
    keys: Vec<(String, LessSafeKey)>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|(id, _)| id))
            .finish()
    }
}

impl Keyring {
    /// Keys made from salt keys: the present one first, then those that old rows may be sealed with.
    pub fn new<'a>(salts: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = salts
            .into_iter()
            .filter_map(|salt| Some((key_id(salt), derive(salt)?)))
            .collect();
        Self { keys }
    }

    /// Seals `secret` for one column of one row: moved to another place, it cannot be opened.
    pub fn seal<R: Record>(
        &self,
        column: &'static str,
        id: &str,
        secret: &[u8],
    ) -> Result<Sealed, Error> {
        let fault = |reason| fault::<R>(column, reason);
        let (key_id, key) = self.keys.first().ok_or_else(|| fault("no salt key"))?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| fault("no randomness"))?;
        let mut body = secret.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            place::<R>(column, id),
            &mut body,
        )
        .map_err(|_| fault("it cannot be encrypted"))?;
        let body = URL_SAFE_NO_PAD.encode([&nonce[..], &body].concat());
        Ok(Sealed(format!("{VERSION}:{key_id}:{body}")))
    }

    /// Opens what was sealed for this column of this row.
    pub fn open<R: Record>(
        &self,
        column: &'static str,
        id: &str,
        sealed: &Sealed,
    ) -> Result<Vec<u8>, Error> {
        let fault = |reason| fault::<R>(column, reason);
        let mut parts = sealed.0.splitn(3, ':');
        let (Some(VERSION), Some(key_id), Some(body)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(fault("its form is unknown"));
        };
        let (_, key) = self
            .keys
            .iter()
            .find(|(id, _)| id == key_id)
            .ok_or_else(|| fault("it was sealed with another salt key"))?;
        let mut body = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| fault("its form is unknown"))?;
        let (nonce, ciphertext) = body
            .split_at_mut_checked(NONCE_LEN)
            .ok_or_else(|| fault("it is too short"))?;
        let nonce =
            Nonce::try_assume_unique_for_key(nonce).map_err(|_| fault("it is too short"))?;
        let opened = key
            .open_in_place(nonce, place::<R>(column, id), ciphertext)
            .map_err(|_| fault("it was changed, or belongs to another row"))?;
        Ok(opened.to_vec())
    }

    /// Whether this was sealed with a key that no longer writes.
    pub fn is_old(&self, sealed: &Sealed) -> bool {
        let present = self.keys.first().map(|(id, _)| id.as_str());
        sealed.0.split(':').nth(1) != present
    }
}

fn fault<R: Record>(column: &'static str, reason: &'static str) -> Error {
    Error::Sealed {
        table: R::TABLE,
        column,
        reason,
    }
}

/// What the ciphertext is bound to. Lengths come first: no two places have one form.
fn place<R: Record>(column: &str, id: &str) -> Aad<Vec<u8>> {
    let form = format!("{}/{}/{}{column}{id}", R::TABLE, column.len(), id.len());
    Aad::from(form.into_bytes())
}

fn key_id(salt: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"interlingua key id ")
        .chain_update(salt)
        .finalize();
    data_encoding::HEXLOWER.encode(&digest[..4])
}

fn derive(salt: &str) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, b"interlingua secrets").extract(salt.as_bytes());
    let key = derived.expand(&[b"aes-256-gcm"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Keyring, Sealed};
    use crate::rows::{Credential, Model};

    const COLUMN: &str = "credential_values";

    #[test]
    fn a_secret_opens_in_its_place_alone() {
        let ring = Keyring::new(["salt"]);
        let sealed = ring
            .seal::<Credential>(COLUMN, "one", b"sk-secret")
            .unwrap();
        assert_eq!(
            ring.open::<Credential>(COLUMN, "one", &sealed).unwrap(),
            b"sk-secret"
        );
        assert!(!sealed.as_text().contains("secret"));
        assert!(ring.open::<Credential>(COLUMN, "two", &sealed).is_err());
        assert!(
            ring.open::<Credential>("credential_info", "one", &sealed)
                .is_err()
        );
        assert!(ring.open::<Model>(COLUMN, "one", &sealed).is_err());
    }

    #[test]
    fn an_old_salt_key_reads_and_the_present_one_writes() {
        let old = Keyring::new(["old"])
            .seal::<Credential>(COLUMN, "one", b"x")
            .unwrap();
        let ring = Keyring::new(["new", "old"]);
        assert_eq!(ring.open::<Credential>(COLUMN, "one", &old).unwrap(), b"x");
        assert!(ring.is_old(&old));
        let new = ring.seal::<Credential>(COLUMN, "one", b"x").unwrap();
        assert!(!ring.is_old(&new));
        let error = Keyring::new(["old"])
            .open::<Credential>(COLUMN, "one", &new)
            .unwrap_err();
        assert!(error.to_string().contains("another salt key"), "{error}");
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let ring = Keyring::new(["salt"]);
        let one = ring.seal::<Credential>(COLUMN, "one", b"x").unwrap();
        assert_ne!(one, ring.seal::<Credential>(COLUMN, "one", b"x").unwrap());
    }

    proptest! {
        #[test]
        fn what_was_tampered_with_is_refused(text in ".{0,80}", at in 0usize..200, flip in 1u8..127) {
            let ring = Keyring::new(["salt"]);
            prop_assert!(ring.open::<Credential>(COLUMN, "one", &Sealed(text)).is_err());
            let sealed = ring.seal::<Credential>(COLUMN, "one", b"sk-secret").unwrap();
            let mut bytes = sealed.as_text().as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let tampered = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(ring.open::<Credential>(COLUMN, "one", &Sealed(tampered)).is_err());
        }
    }
}
