use std::collections::BTreeMap;

use llm_store::{
    Moment, Order, Page, containing, hash_token,
    rows::{DeletedKey, Key, User},
};
use serde_json::{Value, json};

use super::{described, may_see, unknown};
use crate::{Answer, Call, Refusal, edit::shown, paging::Paging};

/// `GET /key/info`: of the key that is named, or of the caller's own.
pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let named = match call.query.text("key") {
        Some(named) => named.to_owned(),
        None => call.caller.key_hash().to_owned(),
    };
    let key = call.governance.named_key(Some(&named), None).await?;
    if !may_see(&call.caller, &key) {
        // Whether it exists is not the caller's to know.
        return Err(unknown(&named));
    }
    Ok(json!({"key": named, "info": informed(&key)?}).into())
}

/// `POST /v2/key/info`: of those that there are and that the caller sees.
pub(super) async fn infos(call: Call) -> Result<Answer, Refusal> {
    if call.body.get("keys").is_none() {
        return Err(Refusal::invalid(
            "body",
            "keys",
            "missing",
            "Field required",
        ));
    }
    let named = call.body.texts("keys");
    if named.len() > 500 {
        return Err(Refusal::bad("keys", "at most 500 keys are told of at once"));
    }
    let (mut keys, mut infos) = (Vec::new(), Vec::new());
    for name in named {
        match call.governance.named_key(Some(&name), None).await {
            Ok(key) if may_see(&call.caller, &key) => {
                infos.push(informed(&key)?);
                keys.push(name);
            }
            Err(refusal) if refusal.status.is_server_error() => return Err(refusal),
            _ => {}
        }
    }
    if keys.is_empty() {
        return Err(Refusal::missing("keys", "none of these keys is known"));
    }
    Ok(json!({"key": keys, "info": infos}).into())
}

fn informed(key: &Key) -> Result<Value, Refusal> {
    let mut info = described(key)?;
    info.remove("token");
    info.remove("token_id");
    info.insert("status".to_owned(), status(key).into());
    Ok(info.into())
}

/// `POST /key/health`.
pub(super) async fn health(call: Call) -> Result<Answer, Refusal> {
    let key = call.caller.key.as_ref();
    let logging = key.and_then(|key| key.row.metadata.get("logging")?.as_array());
    let names = logging.into_iter().flatten();
    let names: Vec<&Value> = names.filter_map(|one| one.get("callback_name")).collect();
    let logging = match names.is_empty() {
        true => Value::Null,
        false => {
            json!({"callbacks": names, "status": "unknown", "details": "they are not called for this answer"})
        }
    };
    Ok(json!({"key": "healthy", "logging_callbacks": logging}).into())
}

/// `GET /key/aliases`.
pub(super) async fn aliases(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let paging = Paging::of(query, "size", 50);
    let mut wanted = vec![("aliased", "1".to_owned())];
    if let Some(text) = query.text("search") {
        wanted.push(("alias_like", containing(text)));
    }
    if let Some(team) = query.text("team_id") {
        wanted.push(("team_id", team.to_owned()));
    }
    if !call.caller.role.sees_all() {
        wanted.push(seen(&call));
    }
    let order = Order {
        by: "key_alias",
        up: true,
    };
    let found: Page<Key> = call
        .governance
        .store()
        .find(&wanted, order, paging.limit(), paging.offset())
        .await?;
    let aliases: Vec<String> = found
        .rows
        .into_iter()
        .filter_map(|key| key.key_alias)
        .collect();
    Ok(json!({
        "aliases": aliases, "total_count": found.total, "current_page": paging.page,
        "total_pages": paging.pages(found.total), "size": paging.size,
    })
    .into())
}

/// `GET /key/list`.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let paging = Paging::of(query, "size", 10);
    if query.text("status") == Some("deleted") {
        return deleted(&call, paging).await;
    }
    let wanted = wanted(&call);
    let order = Order {
        by: query.text("sort_by").unwrap_or_default(),
        up: query.text("sort_order") == Some("asc"),
    };
    let found: Page<Key> = call
        .governance
        .store()
        .find(&wanted, order, paging.limit(), paging.offset())
        .await?;
    let expand = query.texts("expand");
    let with_users = expand.iter().any(|one| one == "user");
    let users = match with_users {
        true => users(&call, &found.rows).await?,
        false => BTreeMap::new(),
    };
    let full = with_users || query.is_true("return_full_object");
    let keys = found.rows.iter().map(|key| {
        if !full {
            return Ok(key.token.clone().into());
        }
        let mut object = described(key)?;
        object.insert("status".to_owned(), status(key).into());
        if with_users {
            let user = key.user_id.as_ref().and_then(|id| users.get(id));
            object.insert("user".to_owned(), json!(user));
        }
        Ok(Value::Object(object))
    });
    let keys: Vec<Value> = keys.collect::<Result<_, Refusal>>()?;
    Ok(paged(keys, found.total, paging))
}

fn paged(keys: Vec<Value>, total: i64, paging: Paging) -> Answer {
    json!({
        "keys": keys, "total_count": total, "current_page": paging.page, "total_pages": paging.pages(total),
    })
    .into()
}

/// What the query asks for, and what the caller may see of that.
fn wanted(call: &Call) -> Vec<(&'static str, String)> {
    let query = &call.query;
    let mut wanted = Vec::new();
    for name in ["team_id", "organization_id", "project_id", "agent_id"] {
        wanted.extend(query.text(name).map(|value| (name, value.to_owned())));
    }
    if let Some(group) = query.text("access_group_id") {
        wanted.push(("access_group_id", containing(&json!(group).to_string())));
    }
    if let Some(key) = query.text("key_hash") {
        wanted.push(("token", super::token_of(key)));
    }
    if let Some(alias) = query.text("key_alias") {
        wanted.push(match query.is_true("substring_matching") {
            true => ("alias_like", containing(alias)),
            false => ("key_alias", alias.to_owned()),
        });
    }
    if let Some(text) = query.text("search") {
        let text = match text.starts_with("sk-") {
            true => hash_token(text),
            false => text.to_owned(),
        };
        wanted.push(("search", containing(&text)));
    }
    let now = Moment::now();
    let by = query.moment("expires");
    let by = match query.text("status") {
        Some("expired") => Some(by.map_or(now, |by| by.min(now))),
        _ => by,
    };
    wanted.extend(by.map(|by| ("expired_at", by.0.to_string())));
    match query.text("status") {
        Some("active") => wanted.extend([
            ("blocked", "0".to_owned()),
            ("in_force_at", now.0.to_string()),
        ]),
        Some("revoked" | "blocked") => wanted.push(("blocked", "1".to_owned())),
        _ => {}
    }
    wanted.extend(owner(call));
    if !call.caller.role.sees_all() {
        wanted.push(seen(call));
    }
    wanted
}

/// Whose keys: for somebody who does not see all, its own unless it names a team, an organization or a key.
fn owner(call: &Call) -> Option<(&'static str, String)> {
    let query = &call.query;
    let named = ["team_id", "organization_id", "project_id", "key_hash"];
    let own = || {
        let all =
            call.caller.role.sees_all() || named.iter().any(|name| query.text(name).is_some());
        call.caller.user_id().filter(|_| !all)
    };
    let owner = query.text("user_id").or_else(own)?;
    let teams = query.is_true("include_team_keys");
    let created = query.is_true("include_created_by_keys");
    let condition = match (teams, created) {
        (true, true) => "owner_or_both",
        (true, false) => "owner_or_teams",
        (false, true) => "owner_or_creator",
        (false, false) => "owner",
    };
    Some((condition, owner.to_owned()))
}

/// What the caller sees: of a key without an owner, itself alone.
fn seen(call: &Call) -> (&'static str, String) {
    match call.caller.user_id() {
        Some(user) => ("viewer", user.to_owned()),
        None => ("itself", call.caller.key_hash().to_owned()),
    }
}

async fn users(call: &Call, keys: &[Key]) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut users = BTreeMap::new();
    for id in keys.iter().filter_map(|key| key.user_id.as_ref()) {
        if users.contains_key(id) {
            continue;
        }
        if let Some(user) = call.governance.store().get::<User>(&[id]).await? {
            users.insert(
                id.clone(),
                json!({"user_id": id, "user_email": user.user_email, "user_alias": user.user_alias}),
            );
        }
    }
    Ok(users)
}

/// Keys that were deleted, as they were.
async fn deleted(call: &Call, paging: Paging) -> Result<Answer, Refusal> {
    let query = &call.query;
    let mut filters: Vec<(&str, &str)> = Vec::new();
    for (name, column) in [
        ("user_id", "user_id"),
        ("team_id", "team_id"),
        ("organization_id", "organization_id"),
        ("key_alias", "key_alias"),
        ("key_hash", "token"),
    ] {
        filters.extend(query.text(name).map(|value| (column, value)));
    }
    let caller = &call.caller;
    let own = caller.user_id().unwrap_or_default();
    let by_team = query
        .text("team_id")
        .is_some_and(|team| caller.is_admin_of(team));
    if !caller.role.sees_all() && !by_team {
        filters.retain(|(name, _)| *name != "user_id");
        filters.push(("user_id", own));
    }
    let store = call.governance.store();
    let found = store
        .list::<DeletedKey>(&filters, paging.limit(), paging.offset())
        .await?;
    let full = query.is_true("return_full_object");
    let keys = found.rows.iter().map(|key| shown_deleted(key, full));
    let keys: Vec<Value> = keys.collect::<Result<_, Refusal>>()?;
    Ok(paged(keys, found.total, paging))
}

fn shown_deleted(key: &DeletedKey, full: bool) -> Result<Value, Refusal> {
    if !full {
        return Ok(key.token.clone().into());
    }
    let mut object = key.row_value.clone();
    if let Some(object) = object.as_object_mut() {
        object.insert("token_id".to_owned(), key.token.clone().into());
        object.insert("status".to_owned(), "deleted".into());
        object.insert("deleted_at".to_owned(), shown(&key.deleted_at)?);
        object.insert("deleted_by".to_owned(), json!(key.deleted_by));
        object.insert("litellm_changed_by".to_owned(), json!(key.changed_by));
    }
    Ok(object)
}

fn status(key: &Key) -> &'static str {
    if key.blocked == Some(true) {
        "blocked"
    } else if key.expires.is_some_and(|expires| expires <= Moment::now()) {
        "expired"
    } else {
        "active"
    }
}
