use llm_store::{Moment, rows::Key};
use serde_json::{Value, json};

use super::{described, may_see, unknown};
use crate::{Answer, Call, Refusal};

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
    let mut info = described(&key)?;
    info.remove("token");
    info.remove("token_id");
    info.insert("status".to_owned(), status(&key).into());
    Ok(json!({"key": named, "info": info}).into())
}

/// `GET /key/list`.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let page = query.count("page").unwrap_or(1).max(1);
    let size = query.count("size").unwrap_or(10).clamp(1, 100);
    let own = call.caller.user_id().unwrap_or_default().to_owned();
    let mut filters: Vec<(&str, &str)> = Vec::new();
    for name in [
        "user_id",
        "team_id",
        "organization_id",
        "project_id",
        "agent_id",
        "key_alias",
    ] {
        filters.extend(query.text(name).map(|value| (name, value)));
    }
    if !call.caller.role.sees_all() {
        let team = query.text("team_id");
        let by_team = team.is_some_and(|team| call.caller.is_admin_of(team));
        if !by_team {
            filters.retain(|(name, _)| *name != "user_id");
            filters.push(("user_id", &own));
        }
    }
    let (limit, offset) = (bounded(size), bounded((page - 1).saturating_mul(size)));
    let found = match query.text("key_hash") {
        Some(hash) => {
            let key = call.governance.store().get::<Key>(&[hash]).await?;
            let rows: Vec<Key> = key
                .into_iter()
                .filter(|key| may_see(&call.caller, key))
                .collect();
            llm_store::Page {
                total: bounded(rows.len() as u64),
                rows,
            }
        }
        None => {
            call.governance
                .store()
                .list::<Key>(&filters, limit, offset)
                .await?
        }
    };
    let full = query.is_true("return_full_object");
    let keys: Result<Vec<Value>, Refusal> = found
        .rows
        .iter()
        .map(|key| match full {
            true => Ok(Value::Object(described(key)?)),
            false => Ok(key.token.clone().into()),
        })
        .collect();
    let pages = (found.total.max(0) as u64).div_ceil(size);
    Ok(json!({
        "keys": keys?, "total_count": found.total, "current_page": page, "total_pages": pages,
    })
    .into())
}

fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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
