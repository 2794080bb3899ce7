//! Reading and checking one token. No network, no clock: the time is given.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

/// The longest token that is read.
const LONGEST: usize = 16 << 10;

/// What a token says of itself. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: Option<String>,
    pub(crate) issuer: Option<String>,
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuers: &'a [String],
    pub(crate) audiences: &'a [String],
    /// Seconds that clocks may be apart.
    pub(crate) leeway: u64,
}

/// Why a token is not taken, as its bearer is told.
pub(crate) type Flaw = &'static str;

/// Whether a key has the form of a token: three parts, and no key of ours.
pub(crate) fn looks_like_one(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let mut parts = key.split('.');
    let three = [parts.next(), parts.next(), parts.next()];
    // A token without a signature is one, too: it is refused as such.
    parts.next().is_none()
        && three.iter().all(Option::is_some)
        && three[..2].iter().flatten().all(|part| !part.is_empty())
        && three.iter().flatten().all(|part| part.bytes().all(plain))
}

/// What the token says of itself, so that the key is found by which it was signed.
pub(crate) fn head(token: &str) -> Result<Head, Flaw> {
    if token.len() > LONGEST {
        return Err("the token is too long");
    }
    // Also one that says it is signed by nothing ends here: `none` is no algorithm.
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| "the token's header cannot be read, or names no algorithm that is taken")?;
    if matches!(
        header.alg,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    ) {
        return Err("tokens signed with a shared secret are not taken");
    }
    if header.extras.inner().contains_key("crit") {
        return Err("the token has critical headers that are not understood");
    }
    let claims = payload(token).ok_or("the token's claims cannot be read")?;
    Ok(Head {
        algorithm: header.alg,
        key: header.kid,
        issuer: claims.get("iss").and_then(Value::as_str).map(str::to_owned),
    })
}

fn payload(token: &str) -> Option<Map<String, Value>> {
    let text = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The token's claims, if it was signed by this key. What they have to say is checked apart, by a clock that tests can set.
pub(crate) fn verified(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Option<Map<String, Value>> {
    let (signed, signature) = token.rsplit_once('.')?;
    let is_right = crypto::verify(signature, signed.as_bytes(), key, algorithm).ok()?;
    payload(token).filter(|_| is_right)
}

/// Checks what verified claims must say, at `now`, in seconds since 1970.
pub(crate) fn check(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    now: u64,
) -> Result<(), Flaw> {
    let (now, leeway) = (now as f64, expected.leeway as f64);
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64().filter(|seconds| seconds.is_finite()) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err("a time of the token is no number"),
        },
    };
    match time("exp")? {
        None => return Err("the token has no end ('exp')"),
        Some(end) if now >= end + leeway => return Err("the token has expired"),
        Some(_) => {}
    }
    if time("nbf")?.is_some_and(|begin| now + leeway < begin) {
        return Err("the token does not hold yet ('nbf')");
    }
    let issuer = claims.get("iss").and_then(Value::as_str);
    if !expected.issuers.is_empty()
        && !issuer.is_some_and(|issuer| expected.issuers.iter().any(|one| one == issuer))
    {
        return Err("the token is from another issuer");
    }
    if !expected.audiences.is_empty() && !is_for(claims.get("aud"), expected.audiences) {
        return Err("the token is for another audience");
    }
    Ok(())
}

fn is_for(audience: Option<&Value>, expected: &[String]) -> bool {
    let named = |value: &Value| {
        let name = value.as_str();
        name.is_some_and(|name| expected.iter().any(|one| one == name))
    };
    match audience {
        Some(Value::Array(all)) => all.iter().any(named),
        Some(one) => named(one),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn expected<'a>(issuers: &'a [String], audiences: &'a [String]) -> Expected<'a> {
        Expected {
            issuers,
            audiences,
            leeway: 30,
        }
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_token_holds_up_to_the_edges_of_the_leeway() {
        let at = |claims: &Map<String, Value>, now| check(claims, expected(&[], &[]), now);
        let ends = claims(json!({"exp": 1_000}));
        assert!(at(&ends, 1_029).is_ok());
        assert!(at(&ends, 1_030).is_err());
        let begins = claims(json!({"exp": 9_000, "nbf": 1_000}));
        assert!(at(&begins, 969).is_err());
        assert!(at(&begins, 970).is_ok());
    }

    #[test]
    fn what_a_token_must_say_it_must_say() {
        let issuers = ["https://id".to_owned()];
        let audiences = ["gateway".to_owned()];
        let ok = json!({"exp": 2_000, "iss": "https://id", "aud": ["other", "gateway"]});
        let check = |value: Value| check(&claims(value), expected(&issuers, &audiences), 1_000);
        assert!(check(ok.clone()).is_ok());
        for (name, value) in [
            ("exp", Value::Null),
            ("exp", json!("2000")),
            ("exp", json!(0)),
            ("nbf", json!("soon")),
            ("iss", Value::Null),
            ("iss", json!("https://id/")),
            ("iss", json!(["https://id"])),
            ("aud", Value::Null),
            ("aud", json!("gateway2")),
            ("aud", json!([])),
            ("aud", json!({"gateway": true})),
        ] {
            let mut changed = ok.clone();
            changed[name] = value.clone();
            assert!(check(changed).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn keys_of_ours_are_no_tokens() {
        for key in [
            "sk-abc", "", "..", "a..", "a.b", "a.b.c.d", "a b.c.d", "a.b.ü",
        ] {
            assert!(!looks_like_one(key), "{key}");
        }
        assert!(looks_like_one("eyJ.eyJ.x-_"));
        assert!(looks_like_one("eyJ.eyJ."));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(token in ".{0,200}", a in "[A-Za-z0-9_-]{0,80}", b in "[A-Za-z0-9_-]{0,80}") {
            let _ = head(&token);
            let _ = head(&format!("{a}.{b}.{a}"));
            // {"alg":"ES256"}
            let _ = head(&format!("eyJhbGciOiJFUzI1NiJ9.{a}.{b}"));
            let _ = looks_like_one(&token);
        }

        #[test]
        fn no_claims_are_too_strange(exp in proptest::num::f64::ANY, nbf in proptest::num::f64::ANY, now in 0_u64..) {
            let _ = check(&claims(json!({"exp": exp, "nbf": nbf})), expected(&[], &[]), now);
        }
    }
}
