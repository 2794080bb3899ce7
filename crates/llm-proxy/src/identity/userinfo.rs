//! Tokens that say nothing themselves: their identity provider says whom they are for (`oidc_userinfo_enabled`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION},
};
use llm_governance::{
    Caller, Governance,
    identity::{Asked, Claims, TokenRules},
};
use llm_providers::{Outgoing, transport::Transport};
use serde_json::{Map, Value};

use super::{fetch, remembered::Remembered, unavailable};
use crate::error::Refusal;

/// Whom to ask about tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct UserInfo {
    /// The provider's UserInfo endpoint (`oidc_userinfo_endpoint`).
    pub url: String,
    /// How long an answer is used again (`oidc_userinfo_cache_ttl`).
    pub lasts: Duration,
    /// What its claims mean.
    pub rules: TokenRules,
}

/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks about tokens.
pub(super) struct Informer {
    settings: UserInfo,
    seen: Remembered<Map<String, Value>>,
}

impl Informer {
    pub(super) fn new(settings: &UserInfo) -> Self {
        Self {
            settings: settings.clone(),
            seen: Remembered::default(),
        }
    }

    /// Whoever this token is for; `None` if its provider does not know it.
    pub(super) async fn caller(
        &self,
        net: &dyn Transport,
        governance: &Governance,
        token: &str,
        asked: Asked<'_>,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        let claims = match self.seen.get(token) {
            Some(claims) => claims,
            None => match self.ask(net, token).await? {
                Some(claims) => self.seen.put(token, claims, self.settings.lasts),
                None => return Ok(None),
            },
        };
        let claims = Claims::new((*claims).clone());
        let caller = governance.caller_of_claims(&self.settings.rules, &claims, asked);
        Ok(Some(caller.await?))
    }

    async fn ask(
        &self,
        net: &dyn Transport,
        token: &str,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let request = Request::get(&self.settings.url)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {token}"));
        // What is no header's value is no token.
        let Ok(request) = request.body(Outgoing::Bytes(Bytes::new())) else {
            return Ok(None);
        };
        let answer = fetch::ask(net, request, PATIENCE).await;
        let answer = answer.map_err(|why| away(&why))?;
        match answer.status {
            status if status.is_success() => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Ok(None);
            }
            status => return Err(away(&format!("status {}", status.as_u16()))),
        }
        let claims: Map<String, Value> = serde_json::from_slice(&answer.body)
            .map_err(|_| away("the answer is no JSON object"))?;
        // OpenID Connect has this claim always: without it the answer is something else's.
        match claims.get("sub").is_some_and(Value::is_string) {
            true => Ok(Some(claims)),
            false => Err(away("the answer does not say whom it is about ('sub')")),
        }
    }
}

fn away(why: &str) -> Refusal {
    tracing::error!(%why, "the identity provider (oidc_userinfo_endpoint) cannot be asked");
    unavailable("the identity provider cannot be asked about the token: ask again")
}
