//! From a request's headers to its caller.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION};
use llm_governance::{Caller, Role, route_groups};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    door::Door,
    error::Refusal,
    identity::{Asking, Identities},
    state::{Gateway, Live},
};

/// The header that is asked first.
static OURS: HeaderName = HeaderName::from_static("x-litellm-api-key");

/// Headers that hold a bare key, in the order in which they are asked after `x-litellm-api-key` and `authorization`.
const BARE: [&str; 4] = [
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
];

/// The caller, or why there is none.
pub(crate) async fn caller(
    gateway: &Gateway,
    live: &Live,
    door: Door<'_>,
    headers: &HeaderMap,
    query_key: Option<&str>,
) -> Result<Arc<Caller>, Refusal> {
    let Some(master) = &live.settings.master_key else {
        return Ok(Arc::new(Caller::anyone()));
    };
    let routes = &live.settings.routes;
    let is_among = |names: &[String]| route_groups::contain(names, door.access, door.path);
    if routes
        .allowed
        .as_ref()
        .is_some_and(|allowed| !is_among(allowed))
    {
        return Err(closed(door.path, "not allowed"));
    }
    if is_among(&routes.public) {
        return Ok(Arc::new(Caller::plain(Role::InternalUserViewer)));
    }
    let key = match &live.settings.key_header {
        Some(name) => own_header(headers, name),
        None => find(headers, query_key),
    };
    let asking = Asking {
        governance: gateway.governance(),
        door,
        headers,
    };
    let is_master = |key: &str| bool::from(key.as_bytes().ct_eq(master.expose().as_bytes()));
    let caller = match key {
        Ok(key) if is_master(key) => Arc::new(Caller::master()),
        key => known(&live.identities, asking, key).await?,
    };
    if !caller.is_admin() && is_among(&routes.admin_only) {
        return Err(closed(door.path, "for admins alone"));
    }
    Ok(caller)
}

/// Whoever has this key, or needs none as somebody vouches for it.
async fn known(
    identities: &Identities,
    asking: Asking<'_>,
    key: Result<&str, Refusal>,
) -> Result<Arc<Caller>, Refusal> {
    // On the heap, as most gateways ask nobody.
    if identities.asks_others() {
        let given = key.as_ref().map_or("", |key| key);
        if let Some(caller) = Box::pin(identities.named(asking, given)).await? {
            return Ok(caller);
        }
    }
    let key = key?;
    if let Some(governance) = asking.governance.filter(|_| key.starts_with("sk-"))
        && let Some(caller) = governance.caller(key).await?
    {
        return Ok(caller);
    }
    if !key.starts_with("sk-")
        && !key.is_empty()
        && let Some(caller) = Box::pin(identities.bearer(asking, key)).await?
    {
        return Ok(caller);
    }
    Err(unknown(key))
}

fn closed(path: &str, why: &str) -> Refusal {
    let message = format!("Route {path} {why}");
    Refusal::new(StatusCode::FORBIDDEN, "auth_error", message)
}

/// The key in the one header that the operator named.
fn own_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let value = value.ok_or_else(|| denied("Authentication Error, No api key passed in."))?;
    Ok(strip_scheme(value, &["Bearer ", "bearer "]).unwrap_or(value))
}

/// The key as the client sent it.
fn find<'a>(headers: &'a HeaderMap, query_key: Option<&'a str>) -> Result<&'a str, Refusal> {
    let text = |value: &'a HeaderValue| value.to_str().unwrap_or("");
    if let Some(value) = headers.get(&OURS).map(text) {
        return Ok(strip_scheme(value, &["Bearer ", "bearer "]).unwrap_or(value));
    }
    if let Some(value) = headers.get(AUTHORIZATION) {
        let value = value.to_str().unwrap_or("");
        return authorization(value).ok_or_else(|| {
            denied("Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")
        });
    }
    BARE.iter()
        .find_map(|name| headers.get(*name).map(text))
        .or(query_key)
        .filter(|key| !key.is_empty())
        .ok_or_else(|| denied("Authentication Error, No api key passed in."))
}

/// `Bearer KEY`, `Basic KEY`, or the credential of a request that an AWS client signed with the key as its identity.
fn authorization(value: &str) -> Option<&str> {
    if let Some(key) = strip_scheme(
        value,
        &["Bearer ", "bearer ", "BEARER ", "Basic ", "basic "],
    ) {
        return Some(key);
    }
    let signed = value.strip_prefix("AWS4-HMAC-SHA256")?;
    let credential = signed.split_once("Credential=")?.1;
    let credential = strip_scheme(credential, &["Bearer "]).unwrap_or(credential);
    credential.split('/').next()
}

fn strip_scheme<'a>(value: &'a str, schemes: &[&str]) -> Option<&'a str> {
    let key = schemes
        .iter()
        .find_map(|scheme| value.strip_prefix(scheme))?;
    Some(key.trim())
}

/// A refusal that shows of the key only what helps its owner to tell which one it was.
fn unknown(key: &str) -> Refusal {
    let end = |n: usize| -> String {
        let letters: Vec<char> = key.chars().collect();
        letters[letters.len().saturating_sub(n)..].iter().collect()
    };
    if key.is_empty() {
        return denied("Malformed API Key passed in. Ensure Key has `Bearer ` prefix.");
    }
    if !key.starts_with("sk-") {
        let start: String = key.chars().take(4).collect();
        let shown = if key.chars().count() > 12 {
            format!("{start}****{}", end(4))
        } else {
            "****".to_owned()
        };
        return denied(&format!(
            "LiteLLM Virtual Key expected. Received={shown}, expected to start with 'sk-'."
        ));
    }
    let shown = if key.chars().count() > 12 {
        end(4)
    } else {
        "****".to_owned()
    };
    let hash = hex::encode(Sha256::digest(key.as_bytes()));
    Refusal {
        param: Some("key".into()),
        kind: "token_not_found_in_db",
        ..denied(&format!(
            "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...{shown}, \
             Key Hash (Token) ={hash}. Unable to find token."
        ))
    }
}

fn denied(message: &str) -> Refusal {
    Refusal {
        param: Some("None".into()),
        ..Refusal::new(StatusCode::UNAUTHORIZED, "auth_error", message)
    }
}
