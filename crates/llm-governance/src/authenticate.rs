//! From a key to whoever it belongs to.

use std::sync::Arc;

use http::{Method, StatusCode};
use llm_store::{Moment, hash_token, rows::Key};
use serde_json::json;

use crate::{Access, Caller, Entry, Governance, Refusal, Role, behind::Ids, route_groups};

impl Governance {
    /// Whoever this key belongs to; `None` if nobody knows it. A key that is blocked or too old is refused.
    pub async fn caller(&self, key: &str) -> Result<Option<Arc<Caller>>, Refusal> {
        self.caller_by_hash(&hash_token(key)).await
    }

    /// The same of a key's hash.
    pub(crate) async fn caller_by_hash(&self, hash: &str) -> Result<Option<Arc<Caller>>, Refusal> {
        let found = match self.directory().key(hash).await {
            Ok(found) => found,
            Err(error) if error.is_unavailable() && self.settings().serve_without_database => {
                return Ok(Some(Arc::new(Caller {
                    name: Some("failed-to-connect-to-db".to_owned()),
                    ..Caller::plain(Role::Unowned)
                })));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(key) = found else {
            return Ok(None);
        };
        Ok(Some(Arc::new(self.caller_of(key).await?)))
    }

    /// Whoever has this key. Refuses a key that is not in force.
    pub(crate) async fn caller_of(&self, key: Arc<Entry<Key>>) -> Result<Caller, Refusal> {
        in_force(&key.row)?;
        let behind = self.behind(Ids::of(&key.row)).await?;
        let role = match &behind.user {
            Some(user) => {
                let given = user.row.user_role.as_deref();
                given.and_then(Role::of_user).unwrap_or(Role::InternalUser)
            }
            None => Role::Unowned,
        };
        Ok(behind.bind(Caller {
            key: Some(key),
            ..Caller::plain(role)
        }))
    }

    /// Refuses who may not call a route of this kind.
    pub fn may_call(
        &self,
        caller: &Caller,
        access: Access,
        method: &Method,
        path: &str,
    ) -> Result<(), Refusal> {
        if let Some(key) = &caller.key {
            let allowed = &key.row.allowed_routes;
            if access != Access::Public
                && !allowed.is_empty()
                && !route_groups::contain(allowed, access, path)
            {
                let message = format!(
                    "Virtual key is not allowed to call this route. Only allowed to call routes: {allowed:?}. \
                     Tried to call route: {path}"
                );
                return Err(Refusal {
                    detail: Some(json!(message)),
                    ..Refusal::forbidden(message)
                });
            }
        }
        if access.allows(caller.role, method) {
            return Ok(());
        }
        if caller.role == Role::Anyone {
            let message = "this route needs a master key: start the gateway with one";
            return Err(Refusal::unauthenticated(message));
        }
        if caller.role == Role::ProxyAdminViewer {
            let message = format!("a viewer may not call {path}");
            return Err(Refusal::forbidden(message));
        }
        Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "auth_error",
            format!(
                "Only proxy admin can be used to generate, delete, update info for new keys/users/teams. \
                 Route={path}. Your role={}. Your user_id={}",
                caller.role.name(),
                masked(caller.user_id().unwrap_or("none")),
            ),
        )
        .of("None"))
    }
}

pub(crate) fn in_force(key: &Key) -> Result<(), Refusal> {
    if key.blocked == Some(true) {
        return Err(Refusal::unauthenticated(
            "Key is blocked. Update via `/key/unblock` if you're an admin.",
        ));
    }
    let now = Moment::now();
    if let Some(expires) = key.expires.filter(|expires| *expires <= now) {
        let name = key.key_name.clone().unwrap_or_default();
        let message = format!(
            "Authentication Error - Expired Key. Key Expiry time {} and current time {}",
            expires.to_jiff(),
            now.to_jiff()
        );
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "expired_key", message).of(name));
    }
    Ok(())
}

/// Enough of an id for its owner to know it.
fn masked(id: &str) -> String {
    let start: String = id.chars().take(4).collect();
    format!("{start}****")
}
