use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What is stored of a virtual key: its SHA-256, as lower-case hex.
pub fn hash_token(key: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(key))
}

#[cfg(test)]
mod tests {
    use super::hash_token;

    #[test]
    fn a_key_is_stored_as_the_sha256_of_its_text() {
        assert_eq!(
            hash_token("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
