//! What LiteLLM writes into the metadata of a request's row, and scripts read there: worked out when a row is read, from what
//! the row says and whom it names.

use std::collections::{BTreeSet, HashMap};

use llm_cost::{Cost, Dollars, PriceTable, cost};
use llm_store::{
    Moment, Named,
    rows::{Object, SpendRow},
};
use llm_types::Usage;
use serde_json::{Value, json};

use crate::{Call, Refusal, price_basis};

/// What people call the keys, teams and projects of some rows.
#[derive(Debug, Default)]
pub(super) struct Names {
    keys: HashMap<String, String>,
    teams: HashMap<String, String>,
    projects: HashMap<String, String>,
}

impl Names {
    pub(super) async fn of(call: &Call, rows: &[SpendRow]) -> Result<Self, Refusal> {
        let store = call.governance.store();
        let tokens = each(rows, |row| Some(&row.api_key));
        let keys = store.key_names(&tokens, Moment::now()).await?;
        let named = |names: Vec<(String, Option<String>)>| {
            let named = names.into_iter();
            named.filter_map(|(id, name)| Some((id, name?))).collect()
        };
        let teams = each(rows, |row| row.team_id.as_ref());
        let projects = each(rows, |row| row.project_id.as_ref());
        Ok(Self {
            keys: keys
                .into_iter()
                .filter_map(|key| Some((key.token, key.key_alias?)))
                .collect(),
            teams: named(store.entity_names(Named::Teams, &teams).await?),
            projects: named(store.entity_names(Named::Projects, &projects).await?),
        })
    }

    /// Adds to a row's metadata what is not there.
    pub(super) fn fill(&self, row: &SpendRow, metadata: &mut Object) {
        let of = |names: &HashMap<String, String>, id: Option<&String>| {
            id.and_then(|id| names.get(id)).cloned()
        };
        let usage = row.usage_value.as_ref();
        let usage = usage.and_then(|usage| usage.read::<Value>());
        let known = json!({
            "user_api_key": row.api_key,
            "user_api_key_alias": of(&self.keys, Some(&row.api_key)),
            "user_api_key_team_id": row.team_id,
            "user_api_key_team_alias": of(&self.teams, row.team_id.as_ref()),
            "user_api_key_user_id": row.user_id,
            "user_api_key_org_id": row.organization_id,
            "user_api_key_project_id": row.project_id,
            "user_api_key_project_alias": of(&self.projects, row.project_id.as_ref()),
            "requester_ip_address": row.requester_ip_address,
            "litellm_call_id": row.call_id,
            "status": row.status,
            "error_information": null,
            "spend_logs_metadata": null,
            "usage_object": usage,
            "additional_usage_values": {
                "cache_read_input_tokens": row.cache_read_input_tokens,
                "cache_creation_input_tokens": row.cache_creation_input_tokens,
            },
            "cost_breakdown": breakdown(row),
            "attempted_retries": 0,
            "attempted_fallbacks": 0,
            "original_model_group": row.model_group,
        });
        let Value::Object(known) = known else { return };
        for (name, value) in known {
            metadata.entry(name).or_insert(value);
        }
    }
}

/// What rows name, once each.
fn each<'a>(
    rows: &'a [SpendRow],
    pick: impl Fn(&'a SpendRow) -> Option<&'a String>,
) -> Vec<String> {
    let all: BTreeSet<&String> = rows.iter().filter_map(pick).collect();
    all.into_iter()
        .filter(|id| !id.is_empty())
        .cloned()
        .collect()
}

/// What a request cost, and for what, where the listed prices say that it cost this. A deployment may have others.
fn breakdown(row: &SpendRow) -> Value {
    let total = row.spend.to_f64();
    let mut said = json!({"total_cost": total, "original_cost": total});
    if let (Some(bill), Value::Object(said)) = (billed(row), &mut said) {
        let both = |a: &Dollars, b: &Dollars| a.to_f64() + b.to_f64();
        said.insert("input_cost".into(), bill.input.to_f64().into());
        said.insert("cache_read_cost".into(), bill.cached.to_f64().into());
        said.insert(
            "cache_creation_cost".into(),
            bill.cache_write.to_f64().into(),
        );
        said.insert(
            "output_cost".into(),
            both(&bill.output, &bill.reasoning).into(),
        );
        said.insert("reasoning_cost".into(), bill.reasoning.to_f64().into());
        said.insert("tool_usage_cost".into(), bill.tools.to_f64().into());
    }
    said
}

fn billed(row: &SpendRow) -> Option<Cost> {
    let usage: Usage = row.usage_value.as_ref()?.read()?;
    let basis = price_basis::read(row)?;
    let found = PriceTable::embedded().get(&row.provider, &basis.model)?;
    let context = basis.measures.context(&row.provider);
    let bill = cost(found.row.pricing(), &usage, &context);
    (bill.total == row.spend).then_some(bill)
}
