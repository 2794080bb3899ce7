//! Callers whom a proxy in front names in headers (`enable_oauth2_proxy_auth`).

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName};
use llm_governance::{Caller, Governance, identity::Vouched};
use serde_json::{Map, Value};

use super::Networks;
use crate::error::Refusal;

/// The proxy that is believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxied {
    /// The header of each field of a key.
    pub headers: Vec<(String, HeaderName)>,
    /// Where the proxy is. Headers from anywhere else are a caller's own words.
    pub from: Networks,
}

impl Proxied {
    /// Whoever the proxy names; `None` if nobody, or if it is no proxy of ours that says so.
    pub(crate) async fn caller(
        &self,
        governance: &Governance,
        socket: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        if !self.from.contain(socket) {
            return Ok(None);
        }
        let mut fields = Map::new();
        for (field, header) in &self.headers {
            let value = headers.get(header).and_then(|value| value.to_str().ok());
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                fields.insert(field.clone(), read(field, value));
            }
        }
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = format!("proxied:{}\u{1f}{}", text("user_id"), text("team_id"));
        if text("user_id").is_empty() && text("team_id").is_empty() {
            return Ok(None);
        }
        let vouched = Vouched {
            fields: &fields,
            name: &name,
            checks: true,
        };
        Ok(Some(governance.caller_vouched(vouched).await?))
    }
}

/// A header's text as the field has it: lists have commas, and limits are numbers.
fn read(field: &str, value: &str) -> Value {
    match field {
        "models" | "allowed_routes" | "tags" => {
            let items = value.split(',').map(str::trim);
            items.filter(|item| !item.is_empty()).collect()
        }
        "max_budget" | "rpm_limit" | "tpm_limit" | "max_parallel_requests" => {
            serde_json::from_str(value).unwrap_or_else(|_| value.into())
        }
        _ => value.into(),
    }
}
