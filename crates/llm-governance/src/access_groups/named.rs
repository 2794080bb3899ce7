//! Groups of models, by their names.

use llm_store::rows::{AccessGroup, Model};
use serde_json::{Value, json};

use super::{taken, unknown};
use crate::{Answer, Call, Edit, Governance, Refusal};

pub(super) async fn make(call: Call) -> Result<Answer, Refusal> {
    let name = call.body.need("access_group")?;
    let models = models(&call).await?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let group = AccessGroup {
        access_model_names: models,
        ..blank(&call, &edit, name)
    };
    edit.insert(&group, taken(&group)).await?;
    edit.commit().await?;
    changed(&call, &group)
}

pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let before = call.governance.group(call.part("access_group")).await?;
    let models = models(&call).await?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let after = AccessGroup {
        access_model_names: models,
        updated_at: edit.now(),
        updated_by: call.actor.user_id.clone(),
        ..before.clone()
    };
    edit.update(&before, &after, taken(&after)).await?;
    edit.commit().await?;
    changed(&call, &after)
}

pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let page = governance
        .store()
        .list::<AccessGroup>(&[], i64::MAX, 0)
        .await?;
    let mut all: Vec<Value> = Vec::new();
    for group in &page.rows {
        all.push(described(governance, group).await?);
    }
    Ok(json!({"access_groups": all}).into())
}

pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let group = call.governance.group(call.part("access_group")).await?;
    Ok(described(&call.governance, &group).await?.into())
}

pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let group = call.governance.group(call.part("access_group")).await?;
    let mut edit = call.governance.edit(&call.actor).await?;
    super::sets::unassign(&mut edit, &group).await?;
    edit.delete(&group).await?;
    edit.commit().await?;
    let name = &group.access_group_name;
    Ok(json!({
        "access_group": name,
        "models_updated": group.access_model_names.len(),
        "message": format!("Access group '{name}' deleted successfully"),
    })
    .into())
}

/// A group that nothing is in. Its id is its name: models of the configuration name it, too.
pub(super) fn blank(call: &Call, edit: &Edit<'_>, name: &str) -> AccessGroup {
    AccessGroup {
        access_group_id: name.to_owned(),
        access_group_name: name.to_owned(),
        created_at: edit.now(),
        created_by: call.actor.user_id.clone(),
        updated_at: edit.now(),
        updated_by: call.actor.user_id.clone(),
        ..AccessGroup::default()
    }
}

/// The models that a request names, by themselves or by the ids of stored deployments.
async fn models(call: &Call) -> Result<Vec<String>, Refusal> {
    let mut names = call.body.texts("model_names");
    for id in call.body.texts("model_ids") {
        let model = call.governance.store().get::<Model>(&[&id]).await?;
        let unknown = || Refusal::bad("model_ids", format!("no stored model has the id '{id}'"));
        let model = model.ok_or_else(unknown)?;
        if !names.contains(&model.model_name) {
            names.push(model.model_name);
        }
    }
    if names.is_empty() {
        let message = "name the models of the group: 'model_names' or 'model_ids'";
        return Err(Refusal::bad("model_names", message));
    }
    Ok(names)
}

fn changed(call: &Call, group: &AccessGroup) -> Result<Answer, Refusal> {
    Ok(json!({
        "access_group": group.access_group_name,
        "model_names": group.access_model_names,
        "model_ids": call.body.get("model_ids"),
        "models_updated": group.access_model_names.len(),
    })
    .into())
}

/// The number of deployments is at least one for each model: those of the configuration are not counted here.
async fn described(governance: &Governance, group: &AccessGroup) -> Result<Value, Refusal> {
    let mut deployments = 0;
    for model in &group.access_model_names {
        let filter = [("model_name", model.as_str())];
        let stored = governance.store().list::<Model>(&filter, 0, 0).await?;
        deployments += stored.total.max(1);
    }
    Ok(json!({
        "access_group": group.access_group_name,
        "model_names": group.access_model_names,
        "deployment_count": deployments,
    }))
}

impl Governance {
    /// The group of this name.
    pub(super) async fn group(&self, name: &str) -> Result<AccessGroup, Refusal> {
        let filter = [("access_group_name", name)];
        let page = self.store().list::<AccessGroup>(&filter, 1, 0).await?;
        page.rows.into_iter().next().ok_or_else(|| unknown(name))
    }
}
