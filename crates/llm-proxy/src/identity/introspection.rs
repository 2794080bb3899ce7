//! OAuth 2 tokens that say nothing themselves: their issuer is asked (`enable_oauth2_auth`).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use llm_governance::{Caller, Governance, identity::Vouched};
use llm_providers::{Outgoing, Secret, transport::Transport};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{fetch, remembered::Remembered, unavailable};
use crate::error::Refusal;

/// Whom to ask about tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Introspection {
    /// Where (`OAUTH_TOKEN_INFO_ENDPOINT`).
    pub url: String,
    /// What we are known by (`OAUTH_CLIENT_ID`, `OAUTH_CLIENT_SECRET`): then it is asked as RFC 7662 says, and otherwise
    /// by the token itself.
    pub client: Option<(String, Secret)>,
    /// The field with the user.
    pub user: String,
    /// The field with the role.
    pub role: String,
    /// The field with the team.
    pub team: String,
}

/// How long the issuer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer is used again.
const TRUSTED: Duration = Duration::from_secs(60);

/// Who asks about tokens.
pub(crate) struct Inspector {
    settings: Introspection,
    seen: Remembered<Map<String, Value>>,
}

impl Inspector {
    pub(crate) fn new(settings: &Introspection) -> Self {
        Self {
            settings: settings.clone(),
            seen: Remembered::default(),
        }
    }

    /// Whoever has this token; `None` if its issuer does not know it.
    pub(crate) async fn caller(
        &self,
        net: &dyn Transport,
        governance: &Governance,
        token: &str,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        let said = match self.seen.get(token) {
            Some(said) => said,
            None => {
                let Some(said) = self.ask(net, token).await? else {
                    return Ok(None);
                };
                let lasts = lasts(&said);
                self.seen.put(token, said, lasts)
            }
        };
        let (fields, name) = self.fields(&said, token);
        let vouched = Vouched {
            fields: &fields,
            name: &name,
            checks: true,
        };
        Ok(Some(governance.caller_vouched(vouched).await?))
    }

    /// What the issuer says, in the shape of a key, and a name that outlives the token.
    fn fields(&self, said: &Map<String, Value>, token: &str) -> (Map<String, Value>, String) {
        let settings = &self.settings;
        let mut fields = Map::new();
        for (from, to) in [
            (&settings.user, "user_id"),
            (&settings.role, "user_role"),
            (&settings.team, "team_id"),
        ] {
            if let Some(value) = said.get(from) {
                fields.insert(to.to_owned(), value.clone());
            }
        }
        let user = fields.get("user_id").and_then(Value::as_str);
        let name = user.map_or_else(|| token.to_owned(), |user| format!("oauth2:{user}"));
        (fields, name)
    }

    async fn ask(
        &self,
        net: &dyn Transport,
        token: &str,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let asked = match self.request(token) {
            Some(request) => fetch::ask(net, request, PATIENCE).await,
            None => return Ok(None),
        };
        let answer = asked.map_err(|why| away(&why))?;
        if answer.status.is_client_error() {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(away(&format!("status {}", answer.status.as_u16())));
        }
        let said: Map<String, Value> = serde_json::from_slice(&answer.body)
            .map_err(|_| away("the answer is no JSON object"))?;
        let active = match (said.get("active"), &self.settings.client) {
            (Some(active), _) => *active == Value::Bool(true),
            // RFC 7662 has this field always.
            (None, Some(_)) => false,
            (None, None) => true,
        };
        Ok(Some(said).filter(|_| active))
    }

    fn request(&self, token: &str) -> Option<Request<Outgoing>> {
        let url = &self.settings.url;
        let json = "application/json";
        let Some((id, secret)) = &self.settings.client else {
            let request = Request::get(url)
                .header(ACCEPT, json)
                .header(AUTHORIZATION, format!("Bearer {token}"));
            return request.body(Outgoing::Bytes(Bytes::new())).ok();
        };
        let login = STANDARD.encode(format!("{id}:{}", secret.expose()));
        let body = format!("token={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
        let request = Request::post(url)
            .header(ACCEPT, json)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Basic {login}"));
        request.body(Outgoing::Bytes(Bytes::from(body))).ok()
    }
}

/// An answer is used again for a minute, and never after the token's end.
fn lasts(said: &Map<String, Value>) -> Duration {
    let Some(end) = said.get("exp").and_then(Value::as_u64) else {
        return TRUSTED;
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let left = end.saturating_sub(now.unwrap_or_default().as_secs());
    TRUSTED.min(Duration::from_secs(left))
}

fn away(why: &str) -> Refusal {
    tracing::error!(%why, "the issuer of tokens (OAUTH_TOKEN_INFO_ENDPOINT) cannot be asked");
    unavailable("the issuer of tokens cannot be reached: ask again")
}
