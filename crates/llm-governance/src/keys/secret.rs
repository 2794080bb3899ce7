//! Making keys.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::Refusal;

/// The shortest key that somebody may choose.
const SHORTEST: usize = 16;

/// A new key: `sk-` and sixteen random bytes.
pub(crate) fn new() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| {
        tracing::error!("there is no randomness");
        Refusal::internal()
    })?;
    Ok(format!("sk-{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A key that somebody chose.
pub(super) fn checked(key: &str) -> Result<String, Refusal> {
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !key.starts_with("sk-") || !plain {
        return Err(Refusal::bad(
            "key",
            "a key must start with 'sk-' and have no blanks",
        ));
    }
    if key.len() < SHORTEST {
        let message = format!("a key must have at least {SHORTEST} characters");
        return Err(Refusal::bad("key", message));
    }
    Ok(key.to_owned())
}

/// What people see of a key: its last four characters.
pub(crate) fn name(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let end: String = letters[letters.len().saturating_sub(4)..].iter().collect();
    format!("sk-...{end}")
}
