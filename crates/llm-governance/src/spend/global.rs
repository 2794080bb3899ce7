//! What everybody spent: `/global/spend*`, `/spend/tags`.

use std::collections::{BTreeMap, BTreeSet};

use llm_store::{
    Account, Days, Grouping, Moment, Scope,
    rows::{Key, Object, SpendDay, Team, User},
};
use serde_json::{Value, json};

use super::{
    csv,
    dates::{self, Range},
    sums::dollars,
};
use crate::{Answer, Call, Refusal, keys::token_of};

/// Names of an answer at most.
const NAMES: i64 = 10_000;

/// Sums that are added up for an answer.
const SUMS: i64 = 100_000;

/// From the first day to the last that has a sum.
const EVER: [&str; 2] = ["0000-00-00", "9999-99-99"];

/// `GET /global/spend`.
pub(super) async fn spend(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let everybody = Account::of(Scope::Global, "");
    let balance = governance.ledger().balance(&everybody).await?;
    let over = balance.resets_at.is_some_and(|end| end <= Moment::now());
    let spent = if over { 0 } else { balance.spent.0 };
    let max = governance
        .settings()
        .max_budget
        .map_or(json!(0.0), |max| dollars(max.0));
    Ok(json!({"spend": dollars(spent), "max_budget": max}).into())
}

/// `GET /global/spend/logs`: of everybody, or of a key.
pub(super) async fn logs(call: Call) -> Result<Answer, Refusal> {
    let range = dates::days(&call.query)?;
    let key = call.query.text("api_key").map(token_of);
    let (dimension, entity) = match &key {
        Some(key) => ("key_total", Some(key.as_str())),
        None => ("all", None),
    };
    let rows = of(&call, dimension, entity, &range).await?;
    let mut days: BTreeMap<&str, i64> = BTreeMap::new();
    for row in &rows {
        *days.entry(&row.day).or_default() += row.spend.0;
    }
    let days: Vec<Value> = days
        .into_iter()
        .map(|(date, nano)| json!({"date": date, "spend": dollars(nano)}))
        .collect();
    Ok(csv::answer(&call.query, days.into()))
}

/// `GET /global/spend/keys`.
pub(super) async fn keys(call: Call) -> Result<Answer, Refusal> {
    let top = top(&call, "key_total", 10).await?;
    let directory = call.governance.directory();
    let mut rows = Vec::new();
    for sum in top {
        let key = directory.key(&sum.entity).await?;
        let named = |pick: fn(&Key) -> Option<String>| key.as_ref().and_then(|key| pick(&key.row));
        rows.push(json!({
            "api_key": sum.entity,
            "key_alias": named(|key| key.key_alias.clone()),
            "key_name": named(|key| key.key_name.clone()),
            "total_spend": dollars(sum.spend.0),
        }));
    }
    Ok(csv::answer(&call.query, rows.into()))
}

/// `GET /global/spend/models`.
pub(super) async fn models(call: Call) -> Result<Answer, Refusal> {
    by(&call, "model", "total_spend", |row| &row.model, 10).await
}

/// `GET /global/spend/provider`.
pub(super) async fn providers(call: Call) -> Result<Answer, Refusal> {
    by(&call, "provider", "spend", |row| &row.provider, 1_000).await
}

async fn by(
    call: &Call,
    name: &str,
    sum: &str,
    which: fn(&SpendDay) -> &String,
    usual: usize,
) -> Result<Answer, Refusal> {
    let range = dates::days(&call.query)?;
    let rows = of(call, "all", None, &range).await?;
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| !which(row).is_empty()) {
        *sums.entry(which(row)).or_default() += row.spend.0;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, nano)| std::cmp::Reverse(*nano));
    let limit = call
        .query
        .count("limit")
        .and_then(|limit| usize::try_from(limit).ok());
    sums.truncate(limit.unwrap_or(usual));
    let rows: Vec<Value> = sums
        .into_iter()
        .map(|(one, nano)| json!({name: one, sum: dollars(nano)}))
        .collect();
    Ok(csv::answer(&call.query, rows.into()))
}

/// `GET /global/spend/teams`.
pub(super) async fn teams(call: Call) -> Result<Answer, Refusal> {
    let range = dates::days(&call.query)?;
    let rows = of(&call, "team_total", None, &range).await?;
    let directory = call.governance.directory();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for id in rows
        .iter()
        .map(|row| row.entity.as_str())
        .collect::<BTreeSet<_>>()
    {
        let team = directory.get::<Team>(&[id]).await?;
        let alias = team.and_then(|team| team.row.team_alias.clone());
        names.insert(id, alias.unwrap_or_else(|| id.to_owned()));
    }
    let mut days: BTreeMap<&str, Object> = BTreeMap::new();
    let mut totals: BTreeMap<&str, i64> = BTreeMap::new();
    for row in &rows {
        let name = names.get(row.entity.as_str()).unwrap_or(&row.entity);
        let day = days.entry(&row.day).or_default();
        day.insert(name.clone(), dollars(row.spend.0));
        *totals.entry(name).or_default() += row.spend.0;
    }
    let daily: Vec<Value> = days
        .into_iter()
        .map(|(date, mut teams)| {
            teams.insert("date".to_owned(), date.into());
            teams.into()
        })
        .collect();
    let mut totals: Vec<_> = totals.into_iter().collect();
    totals.sort_by_key(|(_, nano)| std::cmp::Reverse(*nano));
    let teams: Vec<&str> = totals.iter().map(|(name, _)| *name).collect();
    let per_team: Vec<Value> = totals
        .iter()
        .map(|(name, nano)| json!({"team_id": name, "total_spend": dollars(*nano)}))
        .collect();
    Ok(csv::answer(
        &call.query,
        json!({"daily_spend": daily, "teams": teams, "total_spend_per_team": per_team}),
    ))
}

/// `GET /global/spend/tags`.
pub(super) async fn tags(call: Call) -> Result<Answer, Refusal> {
    let range = dates::days(&call.query)?;
    let only = call.query.texts("tags");
    // The page's own word for all of them.
    let all = only.is_empty() || only.iter().any(|tag| tag == "all-tags");
    let sums = call
        .governance
        .store()
        .sums_by_entity("tag_total", &range.from, &range.to, NAMES)
        .await?;
    let rows = sums.iter().filter(|sum| all || only.contains(&sum.entity)).map(|sum| {
        json!({"name": sum.entity, "spend": dollars(sum.spend.0), "log_count": sum.api_requests})
    });
    Ok(csv::answer(
        &call.query,
        json!({"spend_per_tag": rows.collect::<Vec<_>>()}),
    ))
}

/// `GET /spend/tags`: ever, or between two days.
pub(super) async fn individual_tags(call: Call) -> Result<Answer, Refusal> {
    let dated = call.query.text("start_date").is_some() || call.query.text("end_date").is_some();
    let [from, to] = EVER.map(str::to_owned);
    let range = if dated {
        dates::days(&call.query)?
    } else {
        Range { from, to }
    };
    let sums = call
        .governance
        .store()
        .sums_by_entity("tag_total", &range.from, &range.to, NAMES)
        .await?;
    let rows: Vec<Value> = sums.iter().map(|sum| json!({
        "individual_request_tag": sum.entity, "log_count": sum.api_requests, "total_spend": dollars(sum.spend.0),
    })).collect();
    Ok(csv::answer(&call.query, rows.into()))
}

/// `GET /global/spend/all_tag_names`.
pub(super) async fn tag_names(call: Call) -> Result<Answer, Refusal> {
    let names = names(&call, "tag_total").await?;
    Ok(json!({"tag_names": names}).into())
}

/// `GET /global/all_end_users`.
pub(super) async fn all_end_users(call: Call) -> Result<Answer, Refusal> {
    let names = names(&call, "customer_total").await?;
    let rows: Vec<Value> = names.iter().map(|name| json!({"end_user": name})).collect();
    Ok(Value::from(rows).into())
}

async fn names(call: &Call, dimension: &str) -> Result<Vec<String>, Refusal> {
    let [from, to] = EVER;
    let sums = call
        .governance
        .store()
        .sums_by_entity(dimension, from, to, NAMES)
        .await?;
    Ok(sums.into_iter().map(|sum| sum.entity).collect())
}

/// `POST /global/spend/end_users`.
pub(super) async fn end_users(call: Call) -> Result<Answer, Refusal> {
    let form = &call.body;
    let range = dates::range(form, "startTime", "endTime", 29)?;
    let store = call.governance.store();
    let sums = match form.text("api_key").map(token_of) {
        None => {
            store
                .sums_by_entity("customer_total", &range.from, &range.to, 100)
                .await?
        }
        Some(key) => {
            let days = Days {
                dimension: "customer",
                from: &range.from,
                to: &range.to,
                api_key: Some(&key),
                ..Days::default()
            };
            let mut sums = store.grouped_days(&days, Grouping::Entity, SUMS).await?;
            sums.sort_by(|a, b| (b.spend, &a.entity).cmp(&(a.spend, &b.entity)));
            sums.truncate(100);
            sums
        }
    };
    let rows: Vec<Value> = sums.iter().map(|sum| json!({
        "end_user": sum.entity, "total_count": sum.api_requests, "total_spend": dollars(sum.spend.0),
    })).collect();
    Ok(Value::from(rows).into())
}

/// `POST /global/spend/refresh`. There is nothing to bring up to date.
pub(super) async fn refresh(_: Call) -> Result<Answer, Refusal> {
    Ok(json!({"message": "sums are kept as requests are charged", "status": "success"}).into())
}

/// `POST /global/spend/reset`: what keys, users and teams have spent in their windows. Rows and totals stay.
pub(super) async fn reset(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let store = governance.store();
    let mut accounts = Vec::new();
    for key in store
        .keys_by_spend(i64::MAX)
        .await?
        .iter()
        .take_while(|key| key.spend.0 != 0)
    {
        accounts.push(("keys", key.token.clone(), key.account()));
    }
    let teams = store.list::<Team>(&[], i64::MAX, 0).await?.rows;
    for team in teams.iter().filter(|team| team.spend.0 != 0) {
        accounts.push((
            "teams",
            team.team_id.clone(),
            Account::of(Scope::Team, &team.team_id),
        ));
    }
    for (_, _, account) in &accounts {
        governance
            .ledger()
            .set_spent(account, llm_cost::NanoDollars(0))
            .await?;
    }
    let mut edit = governance.edit(&call.actor).await?;
    for (table, id, _) in &accounts {
        let (before, after) = (None, Some(json!({"spend": 0.0})));
        let id = std::slice::from_ref(id);
        match *table {
            "keys" => edit.note::<Key>("reset", id, before, after).await?,
            "teams" => edit.note::<Team>("reset", id, before, after).await?,
            _ => edit.note::<User>("reset", id, before, after).await?,
        }
    }
    edit.commit().await?;
    Ok(json!({
        "message": "Spend for all API Keys and Teams reset successfully", "status": "success",
    })
    .into())
}

/// The entities that spent most.
async fn top(call: &Call, dimension: &str, usual: u64) -> Result<Vec<SpendDay>, Refusal> {
    let range = dates::days(&call.query)?;
    let limit = call.query.count("limit").unwrap_or(usual).clamp(1, 1_000);
    let limit = i64::try_from(limit).unwrap_or(1);
    Ok(call
        .governance
        .store()
        .sums_by_entity(dimension, &range.from, &range.to, limit)
        .await?)
}

async fn of(
    call: &Call,
    dimension: &str,
    entity: Option<&str>,
    range: &Range,
) -> Result<Vec<SpendDay>, Refusal> {
    let days = Days {
        dimension,
        from: &range.from,
        to: &range.to,
        entity,
        ..Days::default()
    };
    Ok(call.governance.store().days(&days, SUMS, 0).await?)
}
