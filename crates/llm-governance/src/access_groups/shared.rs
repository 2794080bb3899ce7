//! The budget that all requests for the models of a group share.

use llm_store::rows::{AccessGroup, Budget};
use serde_json::{Value, json};

use super::{named::blank, taken};
use crate::{
    Answer, Call, Refusal,
    budget::{
        described,
        linked::{given, with_budget},
    },
};

pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let group = call.governance.group(call.part("access_group")).await?;
    let budget = call.governance.budget_of_row(&group).await?;
    answer(&call, &group, budget.as_ref())
}

/// A group that only the configuration's models name has no row until it has a budget.
pub(super) async fn set(call: Call) -> Result<Answer, Refusal> {
    let (governance, name) = (&call.governance, call.part("access_group"));
    let before = match governance.group(name).await {
        Ok(group) => Some(group),
        Err(refusal) if refusal.status == http::StatusCode::NOT_FOUND => None,
        Err(refusal) => return Err(refusal),
    };
    let mut edit = governance.edit(&call.actor).await?;
    let present = before.as_ref().and_then(|group| group.budget_id.clone());
    let budget = given(&call, &mut edit, present.as_deref()).await?;
    let mut after = before.clone().unwrap_or_else(|| blank(&call, &edit, name));
    after.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    match &before {
        Some(before) => edit.update(before, &after, taken(&after)).await?,
        None => edit.insert(&after, taken(&after)).await?,
    }
    edit.commit().await?;
    governance.rewindow(&after, budget.as_ref()).await?;
    answer(&call, &after, budget.as_ref())
}

pub(super) async fn clear(call: Call) -> Result<Answer, Refusal> {
    let before = call.governance.group(call.part("access_group")).await?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let after = AccessGroup {
        budget_id: None,
        updated_at: edit.now(),
        updated_by: call.actor.user_id.clone(),
        ..before.clone()
    };
    edit.update(&before, &after, taken(&after)).await?;
    edit.commit().await?;
    answer(&call, &after, None)
}

fn answer(call: &Call, group: &AccessGroup, budget: Option<&Budget>) -> Result<Answer, Refusal> {
    let mut shown = match budget {
        Some(budget) => described(budget, &call.governance.settings().calendar)?,
        None => serde_json::Map::new(),
    };
    let group = with_budget(&call.governance, group, budget)?;
    for name in [
        "spend",
        "total_spend",
        "budget_reset_at",
        "litellm_budget_table",
    ] {
        shown.insert(
            name.to_owned(),
            group.get(name).cloned().unwrap_or_default(),
        );
    }
    shown.insert(
        "access_group".to_owned(),
        json!(group.get("access_group_name")),
    );
    shown.insert(
        "access_group_name".to_owned(),
        json!(group.get("access_group_name")),
    );
    Ok(Value::from(shown).into())
}
