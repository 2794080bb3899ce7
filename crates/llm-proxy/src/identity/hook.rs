//! A service of the operator's own that says who asks (`custom_auth`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use llm_governance::{Caller, Governance, identity::Vouched};
use llm_providers::{Outgoing, Secret, transport::Transport};
use serde_json::{Map, Value, json};

use super::{
    fetch::{self, Fetched},
    remembered::Remembered,
    unavailable,
};
use crate::{door::Door, error::Refusal};

/// The service that says who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// Where it is.
    pub url: String,
    /// What it knows us by: sent as `Authorization: Bearer`.
    pub secret: Option<Secret>,
    /// The headers of requests that it is told, in lower case.
    pub headers: Vec<String>,
    /// How long it may take.
    pub patience: Duration,
    /// Whether keys and tokens count where it knows nobody (`mode: auto`).
    pub falls_back: bool,
    /// Whether users, teams and organizations bound whom it names (`custom_auth_run_common_checks`).
    pub checks: bool,
}

/// The longest that an answer is used again, whatever the service says.
const LONGEST: Duration = Duration::from_secs(300);

/// The longest message that is handed on.
const MESSAGE: usize = 500;

/// Who asks the service.
pub(crate) struct Asker {
    hook: Hook,
    seen: Remembered<Map<String, Value>>,
}

impl Asker {
    pub(crate) fn new(hook: &Hook) -> Self {
        Self {
            hook: hook.clone(),
            seen: Remembered::default(),
        }
    }

    /// Whoever the service says it is; `None` where it knows nobody and others may be asked.
    pub(crate) async fn caller(
        &self,
        net: &dyn Transport,
        governance: &Governance,
        key: &str,
        door: Door<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        let question = self.question(key, door, headers).to_string();
        let fields = match self.seen.get(&question) {
            Some(fields) => fields,
            None => match self.ask(net, question.clone()).await? {
                Some(fields) => {
                    let lasts = lasts(&fields);
                    self.seen.put(&question, fields, lasts)
                }
                None => return Ok(None),
            },
        };
        let vouched = Vouched {
            fields: &fields,
            name: key,
            checks: self.hook.checks,
        };
        Ok(Some(governance.caller_vouched(vouched).await?))
    }

    fn question(&self, key: &str, door: Door<'_>, headers: &HeaderMap) -> Value {
        let told = self.hook.headers.iter().filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.clone(), Value::from(value)))
        });
        json!({
            "key": key,
            "method": door.method.as_str(),
            "path": door.path,
            "headers": told.collect::<Map<_, _>>(),
            "client_ip": door.peer.client.to_string(),
        })
    }

    async fn ask(
        &self,
        net: &dyn Transport,
        question: String,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let mut request = Request::post(&self.hook.url).header(CONTENT_TYPE, "application/json");
        if let Some(secret) = &self.hook.secret {
            request = request.header(AUTHORIZATION, format!("Bearer {}", secret.expose()));
        }
        let request = request.body(Outgoing::Bytes(Bytes::from(question)));
        let asked = match request {
            Ok(request) => fetch::ask(net, request, self.hook.patience).await,
            Err(_) => Err("the address cannot be used".to_owned()),
        };
        let answer = asked.map_err(|why| away(&why))?;
        match answer.status {
            StatusCode::OK => match serde_json::from_slice(&answer.body) {
                Ok(fields) => Ok(Some(fields)),
                Err(_) => Err(away("the answer is no JSON object")),
            },
            StatusCode::UNAUTHORIZED if self.hook.falls_back => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(denied(&answer)),
            other => Err(away(&format!("status {}", other.as_u16()))),
        }
    }
}

/// How long an answer holds: as long as it says itself, and not for ever.
fn lasts(fields: &Map<String, Value>) -> Duration {
    let seconds = fields.get("cache_ttl").and_then(Value::as_f64);
    let lasts = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    lasts.unwrap_or_default().min(LONGEST)
}

/// Nobody gets in while the service does not say who it is.
fn away(why: &str) -> Refusal {
    tracing::error!(%why, "the service that says who asks (custom_auth) cannot be asked");
    unavailable("the service that says who may ask cannot be reached: ask again")
}

/// What the service says to whom it does not let in.
fn denied(answer: &Fetched) -> Refusal {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let places = ["/message", "/error/message", "/detail", "/error"];
    let message = places
        .iter()
        .find_map(|place| body.pointer(place)?.as_str());
    let message = message.unwrap_or("this key is not let in");
    let shown: String = message.chars().take(MESSAGE).collect();
    Refusal {
        param: Some("None".into()),
        ..Refusal::new(
            answer.status,
            "auth_error",
            format!("Authentication Error, {shown}"),
        )
    }
}
