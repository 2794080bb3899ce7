use llm_store::{
    Order, Page, any_of, containing,
    rows::{Key, Team, TeamMember, User},
};
use serde_json::{Value, json};

use super::{described, oversees, unknown};
use crate::{Answer, Call, Refusal, Role, edit::shown, keys, paging::Paging};

/// Keys and teams of one answer.
const ALL: i64 = 1_000;

/// `GET /user/info`: of the user that is named, of the caller, or, to an admin who names nobody, of everybody.
pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let store = call.governance.store();
    let named = call.query.text("user_id");
    if named.is_none() && call.caller.role.sees_all() {
        let keys = store.list::<Key>(&[], ALL, 0).await?.rows;
        let teams = store.list::<Team>(&[], ALL, 0).await?.rows;
        return Ok(json!({
            "user_id": null, "user_info": null, "keys": shown_keys(&keys)?, "teams": teams,
        })
        .into());
    }
    let user = visible(&call, named).await?;
    let of_user = [("user_id", user.user_id.as_str())];
    let keys = store.list::<Key>(&of_user, ALL, 0).await?.rows;
    let mut teams = Vec::new();
    for member in store.list::<TeamMember>(&of_user, ALL, 0).await?.rows {
        if let Some(team) = store.get::<Team>(&[&member.team_id]).await? {
            teams.push(shown(&team)?);
        }
    }
    let info = described(&call.governance, &user).await?;
    Ok(json!({
        "user_id": user.user_id, "user_info": info, "keys": shown_keys(&keys)?, "teams": teams,
    })
    .into())
}

fn shown_keys(keys: &[Key]) -> Result<Vec<Value>, Refusal> {
    let keys = keys.iter();
    keys.map(|key| Ok(Value::Object(keys::described(key)?)))
        .collect()
}

/// `GET /v2/user/info`.
pub(super) async fn flat(call: Call) -> Result<Answer, Refusal> {
    let user = visible(&call, call.query.text("user_id")).await?;
    Ok(Value::Object(described(&call.governance, &user).await?).into())
}

/// The user who is named, or else the caller, if the caller sees it.
async fn visible(call: &Call, named: Option<&str>) -> Result<User, Refusal> {
    let own = call.caller.user_id();
    let id = named.or(own).ok_or_else(unknown)?;
    let seen = call.caller.role.sees_all()
        || own == Some(id)
        || oversees(&call.governance, &call.caller, id).await?;
    if !seen {
        // Whether there is one is not the caller's to know.
        return Err(unknown());
    }
    let user = call.governance.store().get::<User>(&[id]).await?;
    user.ok_or_else(unknown)
}

/// `GET /user/list`.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let mut wanted = viewed(&call)?;
    for (name, condition) in [("role", "role"), ("team", "team")] {
        wanted.extend(query.text(name).map(|value| (condition, value.to_owned())));
    }
    for (name, condition) in [("user_email", "email_like"), ("search", "search")] {
        wanted.extend(query.text(name).map(|text| (condition, containing(text))));
    }
    for (name, condition) in [
        ("user_ids", "ids"),
        ("sso_user_ids", "sso_ids"),
        ("organization_ids", "organizations"),
    ] {
        if query.has(name) {
            let values = query.texts(name);
            wanted.push((condition, any_of(values.iter().map(String::as_str))));
        }
    }
    let paging = Paging::of(query, "page_size", 25);
    let order = Order {
        by: query.text("sort_by").unwrap_or_default(),
        up: query.text("sort_order") == Some("asc"),
    };
    let store = call.governance.store();
    let found: Page<User> = store
        .find(&wanted, order, paging.limit(), paging.offset())
        .await?;
    let mut users = Vec::new();
    for user in &found.rows {
        let mut row = described(&call.governance, user).await?;
        let of_user = [("user_id", user.user_id.as_str())];
        let keys = store.list::<Key>(&of_user, 0, 0).await?;
        row.insert("key_count".to_owned(), keys.total.into());
        users.push(Value::Object(row));
    }
    Ok(json!({
        "users": users, "total": found.total, "page": paging.page, "page_size": paging.size,
        "total_pages": paging.pages(found.total),
    })
    .into())
}

/// `GET /user/filter/ui`: whoever makes teams picks their members from it.
pub(super) async fn names(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let mut wanted = viewed(&call)?;
    wanted.extend(query.text("user_id").map(|id| ("ids", any_of([id]))));
    wanted.extend(
        query
            .text("user_email")
            .map(|text| ("email_like", containing(text))),
    );
    let paging = Paging::of(query, "page_size", 50);
    let store = call.governance.store();
    let found: Page<User> = store
        .find(&wanted, Order::default(), paging.limit(), paging.offset())
        .await?;
    let named = |user: &User| {
        json!({
            "user_id": user.user_id, "user_email": user.user_email, "user_alias": user.user_alias,
            "user_role": user.user_role,
        })
    };
    let users: Vec<Value> = found.rows.iter().map(named).collect();
    Ok(Value::Array(users).into())
}

/// Whom the caller sees in lists.
fn viewed(call: &Call) -> Result<Vec<(&'static str, String)>, Refusal> {
    if call.caller.role.sees_all() {
        return Ok(Vec::new());
    }
    if call.caller.standing.organizations().is_empty() {
        let message = "Only proxy admins and organization admins can list users.";
        return Err(Refusal {
            detail: Some(json!({"error": message})),
            ..Refusal::forbidden(message)
        });
    }
    let user = call.caller.user_id().unwrap_or_default();
    Ok(vec![("viewer", user.to_owned())])
}

/// `GET /user/available_roles`.
pub(super) async fn roles(_call: Call) -> Result<Answer, Refusal> {
    let role = |role: Role, label: &str, description: &str| {
        let about = json!({"description": description, "ui_label": label});
        (role.name().to_owned(), about)
    };
    let all = [
        role(
            Role::ProxyAdmin,
            "Admin (All Permissions)",
            "Runs the gateway: everything.",
        ),
        role(
            Role::ProxyAdminViewer,
            "Admin (View Only)",
            "Sees everything and changes nothing.",
        ),
        role(
            Role::InternalUser,
            "Internal User (Create/Delete/View)",
            "Uses models and manages its own keys.",
        ),
        role(
            Role::InternalUserViewer,
            "Internal User (View Only)",
            "Sees its own keys and what they spent.",
        ),
    ];
    Ok(Value::Object(all.into_iter().collect()).into())
}
