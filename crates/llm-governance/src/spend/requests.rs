//! Single requests: `/spend/logs*`.

use std::collections::BTreeMap;

use llm_store::{
    Days, Find, Moment, Narrow, Requests, Sort,
    rows::{Key, Object, SpendDay, SpendRow},
};
use serde_json::{Value, json};

use super::{
    csv,
    dates::{self, Range},
    shown,
    view::View,
};
use crate::{Answer, Call, Form, Refusal, keys, terms::dollars};

/// Rows of an answer that is not in pages.
const LONGEST: u64 = 1_000;

/// Sums of days that are added up for an answer.
const SUMS: i64 = 100_000;

/// The columns whose index finds rows, the narrowest first.
const FOUND_BY: [(&str, Find); 8] = [
    ("request_id", Find::Request),
    ("call_id", Find::Call),
    ("session_id", Find::Session),
    ("api_key", Find::Key),
    ("end_user", Find::EndUser),
    ("user_id", Find::User),
    ("team_id", Find::Team),
    ("model", Find::Model),
];

/// `GET /spend/logs`.
pub(super) async fn logs(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let dated = query.has("start_date") && query.has("end_date");
    let summarize = dated && query.get("summarize") != Some(&Value::Bool(false));
    if let Some(id) = query.text("request_id") {
        let found = find(&call, id).await?;
        let rows = shown::listed(&call, &found).await?;
        return Ok(csv::answer(query, rows.into()));
    }
    if summarize {
        return summary(&call).await;
    }
    let Some(ask) = asked(&call).await? else {
        return Ok(csv::answer(query, json!([])));
    };
    let limit = query.count("limit").unwrap_or(LONGEST).clamp(1, LONGEST);
    let rows = call
        .governance
        .store()
        .requests(&ask, bounded(limit), 0)
        .await?;
    let rows = shown::listed(&call, &rows).await?;
    Ok(csv::answer(query, rows.into()))
}

/// `GET /spend/logs/ui` and `/spend/logs/v2`. Besides pages by number there is `next_cursor`, which is as fast far back
/// as it is in front.
pub(super) async fn pages(call: Call) -> Result<Answer, Refusal> {
    for name in ["start_date", "end_date"] {
        if call.query.text(name).is_none() {
            let message = "Start date and end date are required, as 2026-11-21 14:00:00";
            return Err(Refusal::bad(name, message));
        }
    }
    let ask = asked(&call).await?;
    paged(&call, ask).await
}

/// `GET /spend/logs/session/ui`.
pub(super) async fn session(call: Call) -> Result<Answer, Refusal> {
    if call.query.text("session_id").is_none() {
        return Err(Refusal::invalid(
            "query",
            "session_id",
            "missing",
            "Field required",
        ));
    }
    let ask = asked(&call).await?;
    paged(&call, ask).await
}

/// `GET /spend/logs/ui/{request_id}`.
pub(super) async fn one(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("request_id").to_owned();
    let found = find(&call, &id).await?;
    let unknown = || Refusal::missing("request_id", "no such request");
    let row = found.first().ok_or_else(unknown)?;
    Ok(shown::whole(&call, row).await?.into())
}

async fn paged(call: &Call, ask: Option<Requests>) -> Result<Answer, Refusal> {
    let query = &call.query;
    let page = query.count("page").unwrap_or(1).max(1);
    let size = query.count("page_size").unwrap_or(50).clamp(1, 100);
    let Some(mut ask) = ask else {
        return Ok(csv::answer(
            query,
            json!({
                "data": [], "total": 0, "page": page, "page_size": size, "total_pages": 0,
            }),
        ));
    };
    let store = call.governance.store();
    let total = store.count_requests(&ask, i64::MAX).await?;
    let mut offset = (page - 1).saturating_mul(size);
    if let Some(cursor) = query.text("cursor") {
        let (to, before) = cursor_of(cursor)?;
        (ask.to, ask.before, offset) = (to.min(ask.to), Some(before), 0);
        ask.sort = Sort::Newest;
    }
    let rows = store.requests(&ask, bounded(size), bounded(offset)).await?;
    let full = rows.len() as u64 == size && ask.sort == Sort::Newest;
    let next = rows.last().filter(|_| full);
    let next = next.map(|row| format!("{}.{}", row.start_time.0, row.id));
    let data = shown::listed(call, &rows).await?;
    let pages = u64::try_from(total).unwrap_or(0).div_ceil(size);
    Ok(csv::answer(
        query,
        json!({
            "data": data, "total": total, "page": page, "page_size": size, "total_pages": pages, "next_cursor": next,
        }),
    ))
}

fn cursor_of(text: &str) -> Result<(Moment, String), Refusal> {
    let parts = text.split_once('.');
    let read = parts.and_then(|(at, id)| Some((Moment(at.parse().ok()?), id.to_owned())));
    read.ok_or_else(|| Refusal::bad("cursor", "'cursor' is not one that an answer gave"))
}

/// What the query asks for, of what the caller sees; nothing if that cannot be any.
async fn asked(call: &Call) -> Result<Option<Requests>, Refusal> {
    let query = &call.query;
    let Some(mut texts) = filters(call).await? else {
        return Ok(None);
    };
    let status = texts.iter().find(|(name, _)| *name == "status");
    let failed = status.is_some_and(|(_, status)| status != "success");
    let found = FOUND_BY.iter().find_map(|(name, find)| {
        let at = texts.iter().position(|(column, _)| column == name)?;
        Some((*find, texts.swap_remove(at).1))
    });
    let otherwise = if failed { Find::Failed } else { Find::Time };
    let from = dates::moment(query, "start_date", false)?.unwrap_or(Moment(0));
    let to = dates::moment(query, "end_date", true)?.unwrap_or(Moment::now().plus(86_400_000));
    Ok(Some(Requests {
        find: found.unwrap_or((otherwise, String::new())),
        from,
        to,
        before: None,
        narrow: Narrow {
            texts,
            min_spend: query.get("min_spend").and_then(dollars),
            max_spend: query.get("max_spend").and_then(dollars),
        },
        sort: sort(query),
    }))
}

/// The values that columns must have, with those that the caller's view adds.
async fn filters(call: &Call) -> Result<Option<Vec<(&'static str, String)>>, Refusal> {
    let query = &call.query;
    let mut texts: Vec<(&'static str, String)> = Vec::new();
    for (field, column) in [
        ("user_id", "user_id"),
        ("team_id", "team_id"),
        ("organization_id", "organization_id"),
        ("project_id", "project_id"),
        ("end_user", "end_user"),
        ("session_id", "session_id"),
        ("model", "model"),
        ("model_group", "model_group"),
        ("model_id", "model_id"),
        ("custom_llm_provider", "provider"),
        ("status_filter", "status"),
        ("error_code", "error_code"),
    ] {
        texts.extend(query.text(field).map(|text| (column, text.to_owned())));
    }
    if let Some(key) = query.text("api_key") {
        texts.push(("api_key", keys::token_of(key)));
    }
    if let Some(id) = query.text("request_id") {
        texts.push(("request_id", id.to_owned()));
    }
    if let Some(alias) = query.text("key_alias") {
        let found = call
            .governance
            .store()
            .list::<Key>(&[("key_alias", alias)], 1, 0)
            .await?;
        match found.rows.into_iter().next() {
            Some(key) => texts.push(("api_key", key.token)),
            None => return Ok(None),
        }
    }
    let own = match View::of(call, query.text("team_id")).await? {
        View::All => return Ok(Some(texts)),
        View::User(user) => ("user_id", user),
        View::Team(team) => ("team_id", team),
        View::Key(key) => ("api_key", key),
    };
    texts.push(own);
    // Two values of one column exclude each other.
    let agree = texts.iter().all(|(column, text)| {
        texts
            .iter()
            .all(|(other, value)| column != other || text == value)
    });
    texts.sort_unstable();
    texts.dedup();
    Ok(agree.then_some(texts))
}

fn sort(query: &Form) -> Sort {
    let ascending = query.text("sort_order") == Some("asc");
    let column = match query.text("sort_by") {
        Some("spend") => "spend",
        Some("total_tokens") => "total_tokens",
        Some("endTime") => "end_time",
        Some("request_duration_ms") => "duration",
        _ if ascending => "start_time",
        _ => return Sort::Newest,
    };
    Sort::By { column, ascending }
}

/// The requests that go by this id: ours, the client's or the provider's. What the caller does not see is not there.
async fn find(call: &Call, id: &str) -> Result<Vec<SpendRow>, Refusal> {
    let store = call.governance.store();
    let mut rows: Vec<SpendRow> = store.get(&[id]).await?.into_iter().collect();
    for way in [Find::Call, Find::Request] {
        if !rows.is_empty() {
            break;
        }
        let ask = Requests {
            find: (way, id.to_owned()),
            from: Moment(0),
            to: Moment(i64::MAX),
            before: None,
            narrow: Narrow::default(),
            sort: Sort::Newest,
        };
        rows = store.requests(&ask, 100, 0).await?;
    }
    let mut seen = Vec::new();
    for row in rows {
        let own = match View::of(call, row.team_id.as_deref()).await? {
            View::All => true,
            View::User(user) => row.user_id.as_deref() == Some(&user),
            View::Team(team) => row.team_id.as_deref() == Some(&team),
            View::Key(key) => row.api_key == key,
        };
        if own {
            seen.push(row);
        }
    }
    Ok(seen)
}

/// One day of a summary.
#[derive(Default)]
struct Summary {
    spend: i64,
    keys: BTreeMap<String, i64>,
    users: BTreeMap<String, i64>,
    models: BTreeMap<String, i64>,
}

/// `[{"startTime": day, "spend": x, "users": {..}, "models": {..}, key: x}]`, every day up to the last.
async fn summary(call: &Call) -> Result<Answer, Refusal> {
    let range = dates::needed(&call.query)?;
    let mut days: BTreeMap<String, Summary> = BTreeMap::new();
    let store = call.governance.store();
    let Some(filters) = filters(call).await? else {
        return Ok(csv::answer(&call.query, filled(days, &range).into()));
    };
    let of = |name: &str| {
        filters
            .iter()
            .find(|(column, _)| *column == name)
            .map(|(_, text)| text.as_str())
    };
    let (user, team, key) = (of("user_id"), of("team_id"), of("api_key"));
    let base = Days {
        from: &range.from,
        to: &range.to,
        ..Days::default()
    };
    if filters.is_empty() {
        let (from, to) = (range.from.as_str(), range.to.as_str());
        for sum in store.days_by_model("all", from, to).await? {
            let day = days.entry(sum.day).or_default();
            day.spend += sum.spend.0;
            *day.models.entry(sum.name).or_default() += sum.spend.0;
        }
        for sum in store.days_by_entity("user_total", from, to).await? {
            let day = days.entry(sum.day).or_default();
            *day.users.entry(sum.name).or_default() += sum.spend.0;
        }
        for sum in store.days_by_entity("key_total", from, to).await? {
            let day = days.entry(sum.day).or_default();
            *day.keys.entry(sum.name).or_default() += sum.spend.0;
        }
        return Ok(csv::answer(&call.query, filled(days, &range).into()));
    }
    let (dimension, entity) = match team {
        Some(team) => ("team", Some(team)),
        None => ("user", user),
    };
    let ask = Days {
        dimension,
        entity,
        api_key: key,
        ..base
    };
    for row in store.days(&ask, SUMS, 0).await? {
        let day = days.entry(row.day.clone()).or_default();
        add_model(day, &row);
        *day.keys.entry(row.api_key.clone()).or_default() += row.spend.0;
        if dimension == "user" {
            add_user(day, &row);
        }
    }
    Ok(csv::answer(&call.query, filled(days, &range).into()))
}

fn add_model(day: &mut Summary, row: &SpendDay) {
    day.spend += row.spend.0;
    *day.models.entry(row.model.clone()).or_default() += row.spend.0;
}

fn add_user(day: &mut Summary, row: &SpendDay) {
    *day.users.entry(row.entity.clone()).or_default() += row.spend.0;
}

fn filled(mut days: BTreeMap<String, Summary>, range: &Range) -> Vec<Value> {
    if let Some((last, _)) = days.last_key_value() {
        for day in dates::days_after(&last.clone(), range) {
            days.insert(day, Summary::default());
        }
    }
    days.into_iter()
        .map(|(day, sums)| described(&day, &sums))
        .collect()
}

fn described(day: &str, sums: &Summary) -> Value {
    let each = |sums: &BTreeMap<String, i64>| -> Object {
        sums.iter()
            .map(|(name, nano)| (name.clone(), super::sums::dollars(*nano)))
            .collect()
    };
    let mut object = each(&sums.keys);
    object.insert("startTime".to_owned(), day.into());
    object.insert("spend".to_owned(), super::sums::dollars(sums.spend));
    object.insert("users".to_owned(), each(&sums.users).into());
    object.insert("models".to_owned(), each(&sums.models).into());
    object.into()
}

fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
