//! `GET /v2/model/info`: deployments by pages.

use axum::{
    Json,
    extract::{Query, State},
};
use llm_router::Deployment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    models::{full, visible},
    pages::{Keyed, Refused, Shared},
};
use crate::{
    catalog,
    error::{Refusal, show},
};

/// The longest page.
const LONGEST: usize = 1000;

/// Which deployments, and in which order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Which {
    #[serde(default = "first")]
    page: usize,
    #[serde(default = "usual")]
    size: usize,
    search: Option<String>,
    model: Option<String>,
    model_id: Option<String>,
    team_id: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
}

fn first() -> usize {
    1
}

fn usual() -> usize {
    50
}

/// One page of the deployments.
pub(crate) async fn page(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Refused> {
    if which.page == 0 {
        return Err(Refusal::bad("page", "pages are counted from 1").into());
    }
    if which.size == 0 || which.size > LONGEST {
        let message = format!("a page has 1 to {LONGEST} entries");
        return Err(Refusal::bad("size", message).into());
    }
    let seen = visible(&gateway, &live, &caller).await?;
    let all = catalog::models(&live.router)
        .filter(|(name, _)| seen.contains(*name))
        .flat_map(|(_, deployments)| deployments);
    let mut data: Vec<Value> = all
        .filter(|deployment| which.wants(deployment))
        .map(|deployment| full(deployment))
        .collect();
    which.sort(&mut data)?;
    let total = data.len();
    let start = which.size.saturating_mul(which.page - 1);
    let data: Vec<Value> = data.into_iter().skip(start).take(which.size).collect();
    Ok(Json(json!({
        "data": data, "total_count": total, "current_page": which.page,
        "total_pages": total.div_ceil(which.size), "size": which.size,
    })))
}

impl Which {
    fn wants(&self, deployment: &Deployment) -> bool {
        let group = deployment.group.to_lowercase();
        let is = |wanted: &Option<String>, value: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let team = deployment.model_info.get("team_id").and_then(Value::as_str);
        let found = |words: &String| group.contains(&words.to_lowercase());
        self.search.as_ref().is_none_or(found)
            && is(&self.model, &deployment.group)
            && is(&self.model_id, &deployment.id)
            && is(&self.team_id, team.unwrap_or_default())
    }

    fn sort(&self, data: &mut [Value]) -> Result<(), Refusal> {
        let Some(by) = &self.sort_by else {
            return Ok(());
        };
        let path = match by.as_str() {
            "model_name" => "/model_name",
            "created_at" => "/model_info/created_at",
            "updated_at" => "/model_info/updated_at",
            "costs" => "/model_info/input_cost_per_token",
            "status" => "/model_info/db_model",
            _ => {
                let message = format!(
                    "'{}' is none of model_name, created_at, updated_at, costs, status",
                    show(by)
                );
                return Err(Refusal::bad("sortBy", message));
            }
        };
        let descending = match self.sort_order.as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                let message = format!("'{}' is neither asc nor desc", show(other));
                return Err(Refusal::bad("sortOrder", message));
            }
        };
        data.sort_by(|a, b| {
            let order = order(a.pointer(path), b.pointer(path));
            if descending { order.reverse() } else { order }
        });
        Ok(())
    }
}

/// Numbers by size, the rest by its text; what is not there comes first.
fn order(a: Option<&Value>, b: Option<&Value>) -> std::cmp::Ordering {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => {
            let text = |value: Option<&Value>| match value {
                Some(Value::String(text)) => text.clone(),
                Some(value) if !value.is_null() => value.to_string(),
                _ => String::new(),
            };
            text(a).cmp(&text(b))
        }
    }
}
