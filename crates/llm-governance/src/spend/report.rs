//! Reports by entity: `/global/spend/report` and `/key|user|team|organization/spend/report`.

use std::collections::BTreeMap;

use llm_store::{
    Days, Grouping,
    rows::{SpendDay, Team},
};
use serde_json::{Value, json};

use super::{csv, dates, sums::dollars, view};
use crate::{Answer, Call, Refusal, keys::token_of};

/// Sums that a report is made of.
const SUMS: i64 = 100_000;

/// Which sums are whose: an entity of a dimension, or a key.
type Part = (Option<String>, Option<String>);

/// `GET /global/spend/report`.
pub(super) async fn global(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let by_id = [
        ("api_key", "api_key"),
        ("internal_user_id", "internal_user"),
    ];
    let named = by_id
        .into_iter()
        .find(|(field, _)| query.text(field).is_some());
    let group = named.map_or(query.text("group_by").unwrap_or("team"), |(_, group)| group);
    match group {
        "customer" => {
            by_day(
                &call,
                "customer",
                "customers",
                "customer",
                query.text("customer_id"),
            )
            .await
        }
        "organization" => {
            by_day(
                &call,
                "organization",
                "organizations",
                "organization",
                query.text("organization_id"),
            )
            .await
        }
        "api_key" => {
            by_model(
                &call,
                "user",
                "api_key",
                vec![(None, query.text("api_key").map(token_of))],
            )
            .await
        }
        "internal_user" => {
            let user = query.text("internal_user_id").map(str::to_owned);
            by_model(&call, "user", "api_key", vec![(user, None)]).await
        }
        _ => by_day(&call, "team", "teams", "team_name", query.text("team_id")).await,
    }
}

/// `GET /key/spend/report`.
pub(super) async fn key(call: Call) -> Result<Answer, Refusal> {
    let wanted = call.query.text("api_key").map(token_of);
    let parts = match call.caller.role.sees_all() {
        true => vec![(None, wanted)],
        false => {
            let own = view::keys(&call).await?.into_iter();
            own.filter(|key| wanted.as_ref().is_none_or(|wanted| wanted == key))
                .map(|key| (None, Some(key)))
                .collect()
        }
    };
    by_model(&call, "user", "api_key", parts).await
}

/// `GET /user/spend/report`.
pub(super) async fn user(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let wanted = query
        .text("user_id")
        .or(query.text("internal_user_id"))
        .map(str::to_owned);
    let own: Vec<String> = call
        .caller
        .user_id()
        .map(str::to_owned)
        .into_iter()
        .collect();
    by_model(&call, "user", "user_id", parts(&call, wanted, own)).await
}

/// `GET /team/spend/report`.
pub(super) async fn team(call: Call) -> Result<Answer, Refusal> {
    let wanted = call.query.text("team_id").map(str::to_owned);
    let mut own = Vec::new();
    if !call.caller.role.sees_all() {
        for team in view::teams(&call).await? {
            if view::sees_team(&call, &team).await? {
                own.push(team);
            }
        }
    }
    by_model(&call, "team", "team_id", parts(&call, wanted, own)).await
}

/// `GET /organization/spend/report`.
pub(super) async fn organization(call: Call) -> Result<Answer, Refusal> {
    let wanted = call.query.text("organization_id").map(str::to_owned);
    let own = view::organizations(&call).await?;
    by_model(
        &call,
        "organization",
        "organization_id",
        parts(&call, wanted, own),
    )
    .await
}

/// What was named, or everything, of what the caller sees.
fn parts(call: &Call, wanted: Option<String>, own: Vec<String>) -> Vec<Part> {
    if call.caller.role.sees_all() {
        return vec![(wanted, None)];
    }
    let seen = own
        .into_iter()
        .filter(|one| wanted.as_ref().is_none_or(|wanted| wanted == one));
    seen.map(|one| (Some(one), None)).collect()
}

/// The sums of the parts, each as they are or added up. A report that cannot be whole is refused rather than cut.
async fn sums(
    call: &Call,
    dimension: &str,
    parts: &[Part],
    grouping: Option<Grouping>,
) -> Result<Vec<SpendDay>, Refusal> {
    let range = dates::needed(&call.query)?;
    let store = call.governance.store();
    let mut rows = Vec::new();
    for (entity, api_key) in parts {
        let days = Days {
            dimension,
            from: &range.from,
            to: &range.to,
            entity: entity.as_deref(),
            api_key: api_key.as_deref(),
            ..Days::default()
        };
        rows.extend(match grouping {
            Some(grouping) => store.grouped_days(&days, grouping, SUMS + 1).await?,
            None => store.days(&days, SUMS + 1, 0).await?,
        });
        if i64::try_from(rows.len()).is_ok_and(|rows| rows > SUMS) {
            let message =
                format!("this report is made of more than {SUMS} sums: please narrow it down");
            return Err(Refusal::bad("start_date", message));
        }
    }
    Ok(rows)
}

#[derive(Default)]
struct Whose {
    total: SpendDay,
    models: BTreeMap<String, SpendDay>,
}

/// `[{"api_key": .., "total_cost": .., "model_details": [..]}]`.
async fn by_model(
    call: &Call,
    dimension: &str,
    name: &str,
    parts: Vec<Part>,
) -> Result<Answer, Refusal> {
    let of_keys = name == "api_key";
    let grouping = match of_keys {
        true => Grouping::KeyAndModel,
        false => Grouping::EntityAndModel,
    };
    let rows = sums(call, dimension, &parts, Some(grouping)).await?;
    let mut all: BTreeMap<&str, Whose> = BTreeMap::new();
    for row in &rows {
        let whose = if of_keys { &row.api_key } else { &row.entity };
        let whose = all.entry(whose).or_default();
        whose.total.add(row);
        whose.models.entry(row.model.clone()).or_default().add(row);
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(_, whose)| std::cmp::Reverse(whose.total.spend.0));
    let rows: Vec<Value> = all
        .iter()
        .map(|(id, whose)| {
            json!({
                name: id,
                "total_cost": dollars(whose.total.spend.0),
                "total_input_tokens": whose.total.prompt_tokens,
                "total_output_tokens": whose.total.completion_tokens,
                "model_details": whose.models.iter().map(|(model, sum)| json!({
                    "model": model,
                    "total_cost": dollars(sum.spend.0),
                    "total_input_tokens": sum.prompt_tokens,
                    "total_output_tokens": sum.completion_tokens,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(csv::answer(&call.query, rows.into()))
}

/// `[{"group_by_day": .., "teams": [{"team_name": .., "total_spend": .., "metadata": [..]}]}]`.
async fn by_day(
    call: &Call,
    dimension: &str,
    list: &str,
    name: &str,
    wanted: Option<&str>,
) -> Result<Answer, Refusal> {
    let rows = sums(call, dimension, &[(wanted.map(str::to_owned), None)], None).await?;
    let mut days: BTreeMap<&str, BTreeMap<&str, Vec<&SpendDay>>> = BTreeMap::new();
    for row in &rows {
        days.entry(&row.day)
            .or_default()
            .entry(&row.entity)
            .or_default()
            .push(row);
    }
    let mut answer = Vec::new();
    for (day, entities) in days {
        let mut all = Vec::new();
        for (entity, rows) in entities {
            let total: i64 = rows.iter().map(|row| row.spend.0).sum();
            let metadata: Vec<Value> = rows
                .iter()
                .map(|row| {
                    json!({
                        "model": row.model,
                        "spend": dollars(row.spend.0),
                        "total_tokens": row.total_tokens,
                        "api_key": row.api_key,
                    })
                })
                .collect();
            let mut one = json!({"total_spend": dollars(total), "metadata": metadata});
            if let Value::Object(one) = &mut one {
                one.insert(
                    name.to_owned(),
                    called(call, dimension, entity).await?.into(),
                );
                one.insert(format!("{dimension}_id"), entity.into());
            }
            all.push(one);
        }
        answer.push(json!({"group_by_day": day, list: all}));
    }
    Ok(csv::answer(&call.query, answer.into()))
}

/// What people call it.
async fn called(call: &Call, dimension: &str, entity: &str) -> Result<String, Refusal> {
    if dimension == "team" {
        let team = call.governance.directory().get::<Team>(&[entity]).await?;
        if let Some(alias) = team.and_then(|team| team.row.team_alias.clone()) {
            return Ok(alias);
        }
    }
    Ok(entity.to_owned())
}
