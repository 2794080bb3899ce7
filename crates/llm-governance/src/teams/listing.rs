use std::collections::BTreeMap;

use llm_store::{
    Order, Page, containing,
    rows::{Budget, Key, Object, Team, TeamMember},
};
use serde_json::{Value, json};

use super::{MOST, may_see, member_budget, membership_of, named, unknown, with_members};
use crate::{Answer, Call, Refusal, keys, paging::Paging};

/// Teams of one answer without pages.
const ALL: i64 = 1_000;

/// Keys of one team that are told.
const KEYS: i64 = 1_000;

/// `GET /team/info`.
pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let id = call.query.text("team_id").or(call.caller.team_id());
    let Some(id) = id else {
        return Err(Refusal::invalid(
            "query",
            "team_id",
            "missing",
            "Field required",
        ));
    };
    let team = named(&call.governance, id).await?;
    if !may_see(&call.caller, &team) {
        return Err(unknown(id));
    }
    let Whole {
        mut row,
        memberships,
        keys,
    } = whole(&call, &team).await?;
    let edits = if super::runs(&call.caller, &team).is_ok() {
        "full"
    } else if call.caller.is_admin_of(id) {
        "team_admin"
    } else {
        "none"
    };
    row.insert("caller_edit_access".to_owned(), json!({"kind": edits}));
    let budget = call.governance.budget(member_budget(&team)).await?;
    row.insert("team_member_budget_table".to_owned(), json!(budget));
    Ok(
        json!({"team_id": id, "team_info": row, "keys": keys, "team_memberships": memberships})
            .into(),
    )
}

/// A team with its members, and those of its keys that the caller sees.
struct Whole {
    row: Object,
    memberships: Vec<Value>,
    keys: Vec<Value>,
}

async fn whole(call: &Call, team: &Team) -> Result<Whole, Refusal> {
    let store = call.governance.store();
    let of_team = [("team_id", team.team_id.as_str())];
    let members = store.list::<TeamMember>(&of_team, MOST, 0).await?.rows;
    let mut budgets: BTreeMap<String, Budget> = BTreeMap::new();
    let mut memberships = Vec::new();
    for member in &members {
        if let Some(id) = member
            .budget_id
            .as_ref()
            .filter(|id| !budgets.contains_key(*id))
            && let Some(budget) = store.get::<Budget>(&[id]).await?
        {
            budgets.insert(id.clone(), budget);
        }
        let budget = member.budget_id.as_ref().and_then(|id| budgets.get(id));
        memberships.push(membership_of(team, member, budget)?);
    }
    let keys = store.list::<Key>(&of_team, KEYS, 0).await?.rows;
    let keys = keys.iter().filter(|key| keys::may_see(&call.caller, key));
    let keys = keys.map(|key| Ok(Value::Object(keys::described(key)?)));
    Ok(Whole {
        row: with_members(team, &members)?,
        memberships,
        keys: keys.collect::<Result<_, Refusal>>()?,
    })
}

/// What the query asks for, and what the caller may see of that.
fn wanted(call: &Call) -> Vec<(&'static str, String)> {
    let query = &call.query;
    let mut wanted = Vec::new();
    for (name, condition) in [
        ("user_id", "member"),
        ("organization_id", "organization_id"),
        ("team_id", "team_id"),
    ] {
        wanted.extend(query.text(name).map(|value| (condition, value.to_owned())));
    }
    for (name, condition) in [("team_alias", "alias_like"), ("search", "search")] {
        wanted.extend(query.text(name).map(|text| (condition, containing(text))));
    }
    if !call.caller.role.sees_all() {
        wanted.push(match (call.caller.user_id(), call.caller.team_id()) {
            (Some(user), _) => ("viewer", user.to_owned()),
            (None, team) => ("itself", team.unwrap_or_default().to_owned()),
        });
    }
    wanted
}

/// `GET /team/list`.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let store = call.governance.store();
    let found: Page<Team> = store.find(&wanted(&call), Order::default(), ALL, 0).await?;
    let mut teams = Vec::new();
    for team in &found.rows {
        let Whole {
            mut row,
            memberships,
            keys,
        } = whole(&call, team).await?;
        row.insert("team_memberships".to_owned(), memberships.into());
        row.insert("keys".to_owned(), keys.into());
        teams.push(Value::Object(row));
    }
    Ok(Value::Array(teams).into())
}

/// `GET /v2/team/list`.
pub(super) async fn pages(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let paging = Paging::of(query, "page_size", 10);
    let order = Order {
        by: query.text("sort_by").unwrap_or_default(),
        up: query.text("sort_order") == Some("asc"),
    };
    let store = call.governance.store();
    let found: Page<Team> = store
        .find(&wanted(&call), order, paging.limit(), paging.offset())
        .await?;
    let mut teams = Vec::new();
    for team in &found.rows {
        let mut row = super::described(&call.governance, team).await?;
        let of_team = [("team_id", team.team_id.as_str())];
        let keys = store.list::<Key>(&of_team, 0, 0).await?;
        row.insert("keys_count".to_owned(), keys.total.into());
        teams.push(Value::Object(row));
    }
    Ok(json!({
        "teams": teams, "total": found.total, "page": paging.page, "page_size": paging.size,
        "total_pages": paging.pages(found.total),
    })
    .into())
}

/// `GET /team/filter/ui`.
pub(super) async fn names(call: Call) -> Result<Answer, Refusal> {
    let paging = Paging::of(&call.query, "page_size", 50);
    let store = call.governance.store();
    let found: Page<Team> = store
        .find(
            &wanted(&call),
            Order::default(),
            paging.limit(),
            paging.offset(),
        )
        .await?;
    let named = |team: &Team| {
        json!({
            "team_id": team.team_id, "team_alias": team.team_alias, "organization_id": team.organization_id,
        })
    };
    let teams: Vec<Value> = found.rows.iter().map(named).collect();
    Ok(Value::Array(teams).into())
}

/// `GET /team/available`.
pub(super) async fn available(call: Call) -> Result<Answer, Refusal> {
    let mut teams = Vec::new();
    for id in call.governance.open_teams() {
        if call.caller.standing.is_in(&id) {
            continue;
        }
        if let Some(team) = call.governance.store().get::<Team>(&[&id]).await? {
            teams.push(json!({"team_id": team.team_id, "team_alias": team.team_alias, "models": team.models}));
        }
    }
    Ok(Value::Array(teams).into())
}

/// `GET /team/{team_id}/members/me`.
pub(super) async fn me(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("team_id");
    let user = call.caller.user_id().unwrap_or_default();
    let store = call.governance.store();
    let member = store.get::<TeamMember>(&[id, user]).await?;
    let Some(member) = member else {
        return Err(unknown(id));
    };
    let team = named(&call.governance, id).await?;
    let budget = call.governance.budget(member.budget_id.as_deref()).await?;
    Ok(membership_of(&team, &member, budget.as_ref())?.into())
}
