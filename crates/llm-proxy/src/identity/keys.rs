//! The public keys of identity providers: fetched, remembered, and fetched again when a token names one that is new.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use llm_providers::transport::Transport;
use serde_json::{Map, Value};

use super::{fetch, settings::Tokens};

/// Keys of one provider that are looked at.
const MOST: usize = 200;

/// How long one fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts, where the provider does not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// A public key.
pub(crate) struct PublicKey {
    pub(crate) id: Option<String>,
    /// The algorithms that it may be used with.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

/// The keys that stood at an address.
pub(crate) struct KeySet {
    keys: Vec<PublicKey>,
    at: Instant,
}

/// The keys could not be fetched, and there are none that still count.
#[derive(Debug)]
pub(crate) struct Unreachable;

/// An address where keys are.
pub(crate) struct KeySource {
    url: String,
    /// Whose discovery document this has to be, if it is one.
    issuer: Option<String>,
    fresh: Duration,
    stale: Duration,
    refresh_every: Duration,
    known: ArcSwapOption<KeySet>,
    fetching: tokio::sync::Mutex<()>,
    tried: Mutex<Option<(Instant, bool)>>,
}

impl KeySet {
    /// Keys by which a token with this head may have been signed.
    pub(crate) fn fitting(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &PublicKey> {
        let named = move |key: &&PublicKey| match (id, &key.id) {
            (Some(id), Some(own)) => id == own,
            // A provider with a single key may leave its name out.
            (Some(_), None) | (None, _) => true,
        };
        let keys = self.keys.iter().filter(named);
        keys.filter(move |key| key.algorithms.contains(&algorithm))
    }

    fn knows(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        self.fitting(id, algorithm).next().is_some()
    }
}

impl KeySource {
    pub(crate) fn new(url: &str, issuer: Option<&str>, tokens: &Tokens) -> Self {
        Self {
            url: url.to_owned(),
            issuer: issuer.map(str::to_owned),
            fresh: tokens.fresh,
            stale: tokens.stale.max(tokens.fresh),
            refresh_every: tokens.refresh_every,
            known: ArcSwapOption::empty(),
            fetching: tokio::sync::Mutex::new(()),
            tried: Mutex::new(None),
        }
    }

    /// The keys, fetched again where they are old or do not have the one that is looked for.
    pub(crate) async fn keys(
        &self,
        net: &dyn Transport,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, Unreachable> {
        if let Some(known) = self.settled(id, algorithm) {
            return known;
        }
        // One fetches; the others wait for what it finds.
        let _fetching = self.fetching.lock().await;
        if let Some(known) = self.settled(id, algorithm) {
            return known;
        }
        let fetched = self.fetch(net).await;
        self.note(fetched.is_ok());
        match fetched {
            Ok(keys) => {
                let set = Arc::new(KeySet {
                    keys,
                    at: Instant::now(),
                });
                self.known.store(Some(Arc::clone(&set)));
                Ok(set)
            }
            Err(why) => {
                tracing::warn!(url = %self.url, %why, "the keys of an identity provider cannot be fetched");
                self.usable().ok_or(Unreachable)
            }
        }
    }

    /// What holds without asking anybody; `None` where somebody should be asked.
    fn settled(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Option<Result<Arc<KeySet>, Unreachable>> {
        let known = self.usable();
        if let Some(set) = &known
            && set.at.elapsed() < self.fresh
            && set.knows(id, algorithm)
        {
            return known.map(Ok);
        }
        let tried = *self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answered) = tried?;
        let pause = match answered {
            // Whoever invents names of keys makes us ask no more often than this.
            true => self.refresh_every,
            false => PAUSE,
        };
        let is_old = known
            .as_ref()
            .is_none_or(|set| set.at.elapsed() >= self.fresh);
        let waits = at.elapsed() < pause && (!answered || !is_old);
        waits.then(|| known.ok_or(Unreachable))
    }

    /// What was fetched and is not too old.
    fn usable(&self) -> Option<Arc<KeySet>> {
        let known = self.known.load_full();
        known.filter(|set| set.at.elapsed() < self.stale)
    }

    fn note(&self, answered: bool) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        *tried = Some((Instant::now(), answered));
    }

    async fn fetch(&self, net: &dyn Transport) -> Result<Vec<PublicKey>, String> {
        let document = fetch::object(net, &self.url, PATIENCE).await?;
        if document.contains_key("keys") {
            return read(&document);
        }
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if let Some(expected) = &self.issuer
            && text("issuer") != Some(expected)
        {
            return Err("the discovery document is another issuer's".to_owned());
        }
        let url = text("jwks_uri").ok_or("neither 'keys' nor 'jwks_uri' stand there")?;
        read(&fetch::object(net, url, PATIENCE).await?)
    }
}

/// The keys of a set that can be used; others may be for other purposes.
fn read(set: &Map<String, Value>) -> Result<Vec<PublicKey>, String> {
    let all = set.get("keys").and_then(Value::as_array);
    let all = all.ok_or("'keys' is no list")?;
    let keys: Vec<PublicKey> = all.iter().take(MOST).filter_map(key).collect();
    match keys.is_empty() {
        true => Err("none of the keys can be used to check signatures".to_owned()),
        false => Ok(keys),
    }
}

fn key(value: &Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let common = &jwk.common;
    if matches!(&common.public_key_use, Some(other) if *other != PublicKeyUse::Signature) {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm);
    if let Some(own) = value.get("alg").and_then(Value::as_str) {
        algorithms.retain(|algorithm| format!("{algorithm:?}").eq_ignore_ascii_case(own));
    }
    if algorithms.is_empty() {
        return None;
    }
    Some(PublicKey {
        id: common.key_id.clone(),
        algorithms,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}

/// What a key of this kind signs with. Secrets that both sides share are no public keys.
fn algorithms(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![EdDSA],
        _ => Vec::new(),
    }
}
