//! Requests and tokens by day: `/global/activity*`.

use std::collections::BTreeMap;

use llm_store::{Days, Failures, Grouping, Moment, rows::SpendDay};
use serde_json::{Value, json};

use super::{csv, dates, view::View};
use crate::{Answer, Call, Refusal};

/// Sums that are added up for an answer.
const SUMS: i64 = 100_000;

/// Models of an answer.
const MODELS: usize = 10;

/// `GET /global/activity`: of everybody, or of the caller.
pub(super) async fn all(call: Call) -> Result<Answer, Refusal> {
    let rows = seen(&call).await?;
    let days = Counts::of(rows.iter());
    Ok(csv::answer(&call.query, days.described(None)))
}

/// `GET /global/activity/model`: the models that were asked most.
pub(super) async fn models(call: Call) -> Result<Answer, Refusal> {
    let rows = seen(&call).await?;
    let mut models: BTreeMap<&str, Vec<&SpendDay>> = BTreeMap::new();
    for row in &rows {
        models.entry(&row.model_group).or_default().push(row);
    }
    let mut models: Vec<(&str, Counts<'_>)> = models
        .into_iter()
        .map(|(model, rows)| (model, Counts::of(rows.into_iter())))
        .collect();
    models.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.requests));
    models.truncate(MODELS);
    let models: Vec<Value> = models
        .iter()
        .map(|(model, counts)| counts.described(Some(model)))
        .collect();
    Ok(csv::answer(&call.query, models.into()))
}

/// `GET /global/activity/cache_hits`.
pub(super) async fn cache_hits(call: Call) -> Result<Answer, Refusal> {
    let range = dates::needed(&call.query)?;
    let days = Days {
        dimension: "user",
        from: &range.from,
        to: &range.to,
        ..Days::default()
    };
    let store = call.governance.store();
    let mut sums = store
        .grouped_days(&days, Grouping::KeyAndOperation, SUMS)
        .await?;
    sums.sort_by(|a, b| {
        let place = (&a.api_key, &a.endpoint, &a.model);
        place.cmp(&(&b.api_key, &b.endpoint, &b.model))
    });
    let rows: Vec<Value> = sums
        .into_iter()
        .map(|sum| {
            json!({
                "api_key": sum.api_key,
                "call_type": sum.endpoint,
                "model": sum.model,
                "total_rows": sum.api_requests,
                "cache_hit_true_rows": sum.cache_hits,
                "cached_completion_tokens": sum.cached_completion_tokens,
                "generated_completion_tokens": sum.completion_tokens - sum.cached_completion_tokens,
            })
        })
        .collect();
    Ok(csv::answer(&call.query, rows.into()))
}

/// `GET /global/activity/exceptions`.
pub(super) async fn exceptions(call: Call) -> Result<Answer, Refusal> {
    let refused = refused(&call, false).await?;
    Ok(csv::answer(&call.query, by_day(&refused)))
}

/// `GET /global/activity/exceptions/deployment`.
pub(super) async fn exceptions_by_deployment(call: Call) -> Result<Answer, Refusal> {
    let refused = refused(&call, true).await?;
    let mut deployments: BTreeMap<&str, Vec<Failures>> = BTreeMap::new();
    for row in &refused {
        let rows = deployments.entry(&row.place).or_default();
        rows.push(row.clone());
    }
    let deployments: Vec<Value> = deployments
        .into_iter()
        .map(|(place, rows)| {
            let mut days = by_day(&rows);
            if let Value::Object(days) = &mut days {
                days.insert("api_base".to_owned(), place.into());
            }
            days
        })
        .collect();
    Ok(csv::answer(&call.query, deployments.into()))
}

/// The sums that the caller sees.
async fn seen(call: &Call) -> Result<Vec<SpendDay>, Refusal> {
    let range = dates::needed(&call.query)?;
    let base = Days {
        from: &range.from,
        to: &range.to,
        ..Days::default()
    };
    let view = View::of(call, None).await?;
    let days = match &view {
        View::All => Days {
            dimension: "all",
            ..base
        },
        View::User(user) => Days {
            dimension: "user",
            entity: Some(user),
            ..base
        },
        View::Team(team) => Days {
            dimension: "team",
            entity: Some(team),
            ..base
        },
        View::Key(key) => Days {
            dimension: "user",
            api_key: Some(key),
            ..base
        },
    };
    let mut rows = call.governance.store().days(&days, SUMS, 0).await?;
    if let Some(group) = call.query.text("model_group") {
        rows.retain(|row| row.model_group == group);
    }
    Ok(rows)
}

/// Requests that a provider refused because there were too many, by the day on which they began.
async fn refused(call: &Call, by_place: bool) -> Result<Vec<Failures>, Refusal> {
    let query = &call.query;
    let range = dates::needed(query)?;
    let (from, to) = (start(&range.from), start(&range.to).plus(86_400_000 - 1));
    let group = query.text("model_group");
    let store = call.governance.store();
    Ok(store.failures("429", group, by_place, from, to).await?)
}

fn start(day: &str) -> Moment {
    let read = format!("{day}T00:00:00Z").parse::<jiff::Timestamp>();
    read.map_or(Moment(0), Moment::from)
}

fn by_day(failures: &[Failures]) -> Value {
    let mut days: BTreeMap<String, i64> = BTreeMap::new();
    for some in failures {
        *days.entry(some.day.day()).or_default() += some.count;
    }
    let sum: i64 = days.values().sum();
    let daily = days.iter().map(|(day, count)| {
        json!({
            "date": dates::short(day), "num_rate_limit_exceptions": count,
        })
    });
    json!({"daily_data": daily.collect::<Vec<_>>(), "sum_num_rate_limit_exceptions": sum})
}

/// Requests and tokens by day.
struct Counts<'a> {
    days: BTreeMap<&'a str, (i64, i64)>,
    requests: i64,
    tokens: i64,
}

impl<'a> Counts<'a> {
    fn of(rows: impl Iterator<Item = &'a SpendDay>) -> Self {
        let mut counts = Self {
            days: BTreeMap::new(),
            requests: 0,
            tokens: 0,
        };
        for row in rows {
            let day = counts.days.entry(&row.day).or_default();
            day.0 += row.api_requests;
            day.1 += row.total_tokens;
            counts.requests += row.api_requests;
            counts.tokens += row.total_tokens;
        }
        counts
    }

    fn described(&self, model: Option<&str>) -> Value {
        let daily = self.days.iter().map(|(day, (requests, tokens))| {
            json!({
                "date": dates::short(day), "api_requests": requests, "total_tokens": tokens,
            })
        });
        let mut all = json!({
            "daily_data": daily.collect::<Vec<_>>(),
            "sum_api_requests": self.requests,
            "sum_total_tokens": self.tokens,
        });
        if let (Some(model), Value::Object(all)) = (model, &mut all) {
            all.insert("model".to_owned(), model.into());
        }
        all
    }
}
