//! Passwords: `scrypt:` and the base64 of sixteen bytes of salt and thirty-two of hash.

use aws_lc_rs::{constant_time, digest, rand};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::Refusal;

const PREFIX: &str = "scrypt:";

const SALT: usize = 16;

const HASH: usize = 32;

/// The shortest password.
const SHORTEST: usize = 12;

/// The longest password: hashing it must stay cheap.
const LONGEST: usize = 1_000;

/// How a password and what is stored of one compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// They do not.
    No,
    /// They do.
    Yes,
    /// They do, and what is stored is an old form: it should be written anew.
    Old,
}

/// Refuses a password that is guessed too easily.
pub(super) fn check(password: &str) -> Result<(), Refusal> {
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let well = password.chars().count() >= SHORTEST
        && password.len() <= LONGEST
        && has(char::is_uppercase)
        && has(char::is_lowercase)
        && has(char::is_numeric)
        && has(|letter| !letter.is_alphanumeric());
    if well {
        return Ok(());
    }
    Err(Refusal::bad(
        "password",
        "a password has at least 12 characters, an upper and a lower case letter, a digit and a special character",
    ))
}

/// What is stored of a password. Takes a while and belongs on a thread that may wait.
pub(super) fn hashed(password: &str) -> Option<String> {
    let mut bytes = [0; SALT + HASH];
    let (salt, hash) = bytes.split_at_mut(SALT);
    rand::fill(salt).ok()?;
    derive(password, salt, hash)?;
    Some(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// Whether `password` is the one that `stored` was made of. Takes a while, also where nothing is stored.
pub(super) fn compare(password: &str, stored: Option<&str>) -> Match {
    if password.len() > LONGEST {
        return Match::No;
    }
    let bytes = stored
        .and_then(|stored| stored.strip_prefix(PREFIX))
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|bytes| bytes.len() == SALT + HASH);
    // Nobody learns from the time it takes whether there is a password.
    let known = bytes.is_some();
    let bytes = bytes.unwrap_or_else(|| vec![0; SALT + HASH]);
    let (salt, expected) = bytes.split_at(SALT);
    let mut hash = [0; HASH];
    if derive(password, salt, &mut hash).is_none() {
        return Match::No;
    }
    if known && constant_time::verify_slices_are_equal(&hash, expected).is_ok() {
        return Match::Yes;
    }
    // Older gateways stored the bare SHA-256.
    let old = digest::digest(&digest::SHA256, password.as_bytes());
    let old: String = old
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let is_old = stored.is_some_and(|stored| {
        constant_time::verify_slices_are_equal(stored.as_bytes(), old.as_bytes()).is_ok()
    });
    if is_old { Match::Old } else { Match::No }
}

fn derive(password: &str, salt: &[u8], hash: &mut [u8]) -> Option<()> {
    #[cfg(test)]
    tests::DERIVED.set(tests::DERIVED.get() + 1);
    let cost = scrypt::Params::new(14, 8, 1, HASH).ok()?;
    scrypt::scrypt(password.as_bytes(), salt, &cost, hash).ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{Match, check, compare, hashed};

    thread_local! {
        /// How often a password was hashed: nearly all of the time that a comparison takes.
        pub(super) static DERIVED: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn a_comparison_takes_as_long_whatever_is_stored_and_where_nothing_is() {
        let stored = hashed("Correct-Horse-1").unwrap();
        let old = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        for stored in [
            None,
            Some(&*stored),
            Some(old),
            Some("scrypt:AAAA"),
            Some(""),
        ] {
            for password in ["Correct-Horse-1", "Wrong-Horse-1", ""] {
                DERIVED.set(0);
                compare(password, stored);
                assert_eq!(DERIVED.get(), 1, "{stored:?} {password}");
            }
        }
    }

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let stored = hashed("Correct-Horse-1").unwrap();
        assert!(stored.starts_with("scrypt:"));
        assert_eq!(compare("Correct-Horse-1", Some(&stored)), Match::Yes);
        assert_eq!(compare("correct-horse-1", Some(&stored)), Match::No);
        assert_eq!(compare("Correct-Horse-1", None), Match::No);
        assert_eq!(compare("Correct-Horse-1", Some("scrypt:AAAA")), Match::No);
        assert_eq!(compare("", Some("")), Match::No);
        // printf secret | sha256sum
        let old = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        assert_eq!(compare("secret", Some(old)), Match::Old);
    }

    #[test]
    fn a_stored_password_of_another_gateway_is_read() {
        // hashlib.scrypt(b"Correct-Horse-1", salt=bytes(range(16)), n=16384, r=8, p=1, dklen=32)
        let stored = "scrypt:AAECAwQFBgcICQoLDA0OD3Kr/0HE+rCe+TK90s9BVghrLSqdBAY/SJR/FJW7LgI1";
        assert_eq!(compare("Correct-Horse-1", Some(stored)), Match::Yes);
    }

    #[test]
    fn what_is_guessed_too_easily_is_refused() {
        for weak in [
            "Short-1",
            "no-upper-case-1",
            "NO-LOWER-CASE-1",
            "No-Digit-Here",
            "NoSpecial1234",
        ] {
            assert!(check(weak).is_err(), "{weak}");
        }
        check("Correct-Horse-1").unwrap();
    }
}
