//! From a token to its caller.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use llm_governance::{
    Caller, Governance,
    identity::{Asked, Claims},
};
use llm_providers::transport::Transport;
use serde_json::{Map, Value};

use super::{
    keys::KeySource,
    remembered::Remembered,
    settings::{Issuer, Tokens},
    token::{self, Expected, Flaw, Head},
    unavailable,
};
use crate::error::Refusal;

/// How long a signature is not checked again. What the claims say is checked each time.
const TRUSTED: Duration = Duration::from_secs(60);

/// Keys that are tried where a token names none.
const TRIED: usize = 10;

/// Reads tokens.
pub(crate) struct Verifier {
    issuers: Vec<Known>,
    leeway: u64,
    seen: Remembered<Seen>,
}

/// An issuer and its keys.
struct Known {
    issuer: Issuer,
    sources: Vec<KeySource>,
}

/// A token whose signature is right.
struct Seen {
    /// Whose it is, by its place among the issuers.
    issuer: usize,
    claims: Map<String, Value>,
}

impl Verifier {
    pub(crate) fn new(tokens: &Tokens) -> Self {
        let known = |issuer: &Issuer| {
            let name = match issuer.names.as_slice() {
                [one] => Some(one.as_str()),
                _ => None,
            };
            let sources = issuer.urls.iter();
            Known {
                issuer: issuer.clone(),
                sources: sources
                    .map(|url| KeySource::new(url, name, tokens))
                    .collect(),
            }
        };
        Self {
            issuers: tokens.issuers.iter().map(known).collect(),
            leeway: tokens.leeway.as_secs(),
            seen: Remembered::default(),
        }
    }

    /// Whoever this token is for.
    pub(crate) async fn caller(
        &self,
        net: &dyn Transport,
        governance: &Governance,
        token: &str,
        asked: Asked<'_>,
    ) -> Result<Arc<Caller>, Refusal> {
        let seen = self.seen(net, token).await?;
        let issuer = &self.issuers[seen.issuer].issuer;
        let expected = Expected {
            issuers: &issuer.names,
            audiences: &issuer.audiences,
            leeway: self.leeway,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        token::check(&seen.claims, expected, now).map_err(refused)?;
        let claims = Claims::new(seen.claims.clone());
        let caller = governance.caller_of_claims(&issuer.rules, &claims, asked);
        Ok(caller.await?)
    }

    /// The token, if its signature is right.
    async fn seen(&self, net: &dyn Transport, text: &str) -> Result<Arc<Seen>, Refusal> {
        if let Some(seen) = self.seen.get(text) {
            return Ok(seen);
        }
        let head = token::head(text).map_err(refused)?;
        let (place, known) = self
            .issuer(head.issuer.as_deref())
            .ok_or_else(|| refused("the token is from another issuer"))?;
        let claims = known.verified(net, text, &head).await?;
        let seen = Seen {
            issuer: place,
            claims,
        };
        Ok(self.seen.put(text, seen, TRUSTED))
    }

    /// Who issued a token: the one of this name, or else the one that has none.
    fn issuer(&self, name: Option<&str>) -> Option<(usize, &Known)> {
        let all = || self.issuers.iter().enumerate();
        let named = all().find(|(_, known)| {
            name.is_some_and(|name| known.issuer.names.iter().any(|own| own == name))
        });
        named.or_else(|| all().find(|(_, known)| known.issuer.names.is_empty()))
    }
}

impl Known {
    async fn verified(
        &self,
        net: &dyn Transport,
        text: &str,
        head: &Head,
    ) -> Result<Map<String, Value>, Refusal> {
        let id = head.key.as_deref();
        let mut away = false;
        let mut found = false;
        for source in &self.sources {
            let Ok(set) = source.keys(net, id, head.algorithm).await else {
                away = true;
                continue;
            };
            for key in set.fitting(id, head.algorithm).take(TRIED) {
                found = true;
                if let Some(claims) = token::verified(text, &key.key, head.algorithm) {
                    return Ok(claims);
                }
            }
        }
        match (away, found) {
            // Whether it is right, nobody can say who did not see all keys.
            (true, _) => Err(unavailable(
                "the keys of the identity provider cannot be fetched: ask again",
            )),
            (false, true) => Err(refused("the token's signature is wrong")),
            (false, false) => Err(refused(
                "nobody knows the key that the token was signed with",
            )),
        }
    }
}

fn refused(flaw: Flaw) -> Refusal {
    Refusal {
        param: Some("None".into()),
        ..Refusal::new(
            StatusCode::UNAUTHORIZED,
            "auth_error",
            format!("Authentication Error, {flaw}"),
        )
    }
}
