//! Virtual keys: `/key/*`.

pub(crate) mod allocation;
mod belonging;
mod bulk;
mod change;
pub(crate) mod fields;
pub(crate) mod generate;
mod listing;
pub(crate) mod rotation;
pub(crate) mod secret;

use llm_store::{
    Moment, hash_token,
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
    route!(Post "/key/bulk_update", Managed, bulk::update, "Changes several keys, each by itself.", body fields::BULK),
    route!(Post "/team/key/bulk_update", Managed, bulk::of_team, "Changes keys of a team alike, each by itself.", body fields::BULK_OF_TEAM),
    route!(Post "/key/regenerate", Managed, rotation::regenerate, "Replaces a key; the old one works for its grace period.", body fields::REGENERATE),
    route!(Post "/key/{key}/regenerate", Managed, rotation::regenerate, "Replaces a key; the old one works for its grace period.", body fields::REGENERATE),
    route!(Post "/key/{key}/reset_spend", Managed, change::reset_spend, "Sets what a key has spent in its present window to less.", body fields::RESET),
    route!(Post "/key/delete", Managed, change::delete, "Deletes keys.", body fields::DELETE),
    route!(Post "/key/block", Managed, change::block, "Blocks a key.", body fields::WHICH),
    route!(Post "/key/unblock", Managed, change::unblock, "Lets a blocked key work again.", body fields::WHICH),
    route!(Get "/key/info", Info, listing::info, "Says what is known of a key.", query fields::INFO),
    route!(Post "/v2/key/info", Info, listing::infos, "Says what is known of several keys.", body fields::MANY),
    route!(Post "/key/health", Info, listing::health, "Says whether the caller's key works, and where its requests are logged."),
    route!(Get "/key/aliases", Info, listing::aliases, "Lists the aliases of keys.", query fields::ALIASES),
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
pub(crate) fn described(key: &Key) -> Result<Object, Refusal> {
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

/// Refuses who may not change this key: its owner, its team's admins, its organization's and the gateway's may. That it
/// exists is told to who may see it.
fn may_manage(caller: &Caller, key: &Key, route: &str) -> Result<(), Refusal> {
    let of_team = key.team_id.as_deref();
    let as_member = of_team.is_some_and(|team| member_may(caller, team, route));
    // What a team's key may do is the team's to say.
    if administers(caller, key) || as_member || (owns(caller, key) && of_team.is_none()) {
        return Ok(());
    }
    if !may_see(caller, key) {
        return Err(unknown(&key.token));
    }
    Err(Refusal::forbidden(format!(
        "this key belongs to somebody else: {route} is for its owner and for admins"
    )))
}

/// Whether it is the caller's own.
fn owns(caller: &Caller, key: &Key) -> bool {
    key.user_id.is_some() && key.user_id.as_deref() == caller.user_id()
}

/// Whether the caller is an admin of whatever the key belongs to.
fn administers(caller: &Caller, key: &Key) -> bool {
    let team = key.team_id.as_deref();
    let organization = key.organization_id.as_deref();
    caller.is_admin()
        || team.is_some_and(|team| caller.is_admin_of(team))
        || organization.is_some_and(|one| caller.is_admin_of_organization(one))
}

/// Whether the team lets its members call this route for its keys.
fn member_may(caller: &Caller, team: &str, route: &str) -> bool {
    caller.standing.may(team, route)
}

/// Whether the caller sees this key.
pub(crate) fn may_see(caller: &Caller, key: &Key) -> bool {
    let of_team = key.team_id.as_deref();
    caller.role.sees_all()
        || caller.key_hash() == key.token
        || owns(caller, key)
        || administers(caller, key)
        || of_team.is_some_and(|team| member_may(caller, team, "/key/list"))
}

impl Governance {
    /// The key that a request names by itself, by its hash or by its alias.
    async fn named_key(&self, key: Option<&str>, alias: Option<&str>) -> Result<Key, Refusal> {
        if let Some(named) = key {
            // One that was replaced is its successor while its grace lasts.
            let found = self.store().key(&token_of(named), Moment::now()).await?;
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
