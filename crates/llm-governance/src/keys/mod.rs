//! Virtual keys: `/key/*`.

mod change;
mod fields;
mod generate;
mod listing;
mod secret;

use llm_store::{
    hash_token,
    rows::{Key, Object},
};
use serde_json::{Value, json};

use crate::{
    Caller, Governance, Refusal,
    edit::shown,
    routes::{Route, route},
};

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/key/generate", Managed, generate::generate, "Makes a key.", body fields::GENERATE),
    route!(Post "/key/service-account/generate", Managed, generate::service_account, "Makes a key of a team that belongs to no user.", body fields::GENERATE),
    route!(Post "/key/update", Managed, change::update, "Changes a key.", body fields::UPDATE),
    route!(Post "/key/delete", Managed, change::delete, "Deletes keys.", body fields::DELETE),
    route!(Post "/key/block", Managed, change::block, "Blocks a key.", body fields::WHICH),
    route!(Post "/key/unblock", Managed, change::unblock, "Lets a blocked key work again.", body fields::WHICH),
    route!(Get "/key/info", Info, listing::info, "Says what is known of a key.", query fields::INFO),
    route!(Get "/key/list", Info, listing::list, "Lists keys.", query fields::LIST),
];

/// The hash of a key that is named by itself or by its hash.
pub(crate) fn token_of(named: &str) -> String {
    let is_hash = named.len() == 64 && named.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        return named.to_ascii_lowercase();
    }
    hash_token(named)
}

/// A key as its readers see it.
fn described(key: &Key) -> Result<Object, Refusal> {
    match shown(key)? {
        Value::Object(mut object) => {
            object.insert("token_id".to_owned(), json!(key.token));
            Ok(object)
        }
        _ => Err(Refusal::internal()),
    }
}

/// A key that nobody knows.
fn unknown(named: &str) -> Refusal {
    let shown: String = named
        .chars()
        .rev()
        .take(4)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    Refusal::missing("key", format!("no key ends in ...{shown}"))
}

/// Refuses who may not change this key: its owner, its team's admins and the gateway's may.
fn may_manage(caller: &Caller, key: &Key, route: &str) -> Result<(), Refusal> {
    let own = key.user_id.is_some() && key.user_id.as_deref() == caller.user_id();
    let of_team = key.team_id.as_deref();
    let as_member = of_team.is_some_and(|team| member_may(caller, team, route));
    let by_team = of_team.is_some_and(|team| caller.is_admin_of(team));
    // What a team's key may do is the team's to say.
    if caller.is_admin() || by_team || as_member || (own && of_team.is_none()) {
        return Ok(());
    }
    Err(Refusal::forbidden(format!(
        "this key belongs to somebody else: {route} is for its owner and for admins"
    )))
}

/// Whether the team lets its members call this route for its keys.
fn member_may(caller: &Caller, team: &str, route: &str) -> bool {
    let own = caller.team.as_ref().filter(|own| own.row.team_id == team);
    let is_member = caller.member.is_some();
    own.is_some_and(|own| {
        is_member
            && own
                .row
                .team_member_permissions
                .iter()
                .any(|one| one == route)
    })
}

/// Whether the caller sees this key.
fn may_see(caller: &Caller, key: &Key) -> bool {
    caller.role.sees_all()
        || caller.key_hash() == key.token
        || (key.user_id.is_some() && key.user_id.as_deref() == caller.user_id())
        || key
            .team_id
            .as_deref()
            .is_some_and(|team| caller.is_admin_of(team))
}

impl Governance {
    /// The key that a request names by itself, by its hash or by its alias.
    async fn named_key(&self, key: Option<&str>, alias: Option<&str>) -> Result<Key, Refusal> {
        if let Some(named) = key {
            let found = self.store().get::<Key>(&[&token_of(named)]).await?;
            return found.ok_or_else(|| unknown(named));
        }
        let Some(alias) = alias else {
            return Err(Refusal::invalid("body", "key", "missing", "Field required"));
        };
        let page = self
            .store()
            .list::<Key>(&[("key_alias", alias)], 1, 0)
            .await?;
        let found = page.rows.into_iter().next();
        found
            .ok_or_else(|| Refusal::missing("key_alias", format!("no key has the alias '{alias}'")))
    }
}
