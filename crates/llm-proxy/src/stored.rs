//! Models that are kept in the database: put to work beside those of the configuration, and kept up with wherever they
//! are changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use llm_governance::{Changed, Governance, ModelEntry, StoredModel};
use llm_router::Deployment;
use llm_types::Map;
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    error::Refusal,
    overlay::{Entry, Overlay},
    state::Gateway,
};

/// The parameter that names credentials.
const CREDENTIAL: &str = "litellm_credential_name";

/// Puts the models of the database to work, and every change of them from now on.
pub(crate) async fn begin(gateway: &Arc<Gateway>, governance: &Governance) {
    // Before the first look: what is changed in between is not missed.
    let changes = governance.changes();
    look(gateway, governance).await;
    tokio::spawn(follow(Arc::downgrade(gateway), changes));
}

/// Ends by itself with the gateway.
async fn follow(gateway: Weak<Gateway>, mut changes: Receiver<Changed>) {
    loop {
        let matters = match changes.recv().await {
            Ok(change) => ["models", "credentials", ""].contains(&change.table.as_str()),
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return,
        };
        let Some(gateway) = gateway.upgrade() else {
            return;
        };
        if let Some(governance) = gateway.governance().filter(|_| matters) {
            look(&gateway, governance).await;
        }
    }
}

async fn look(gateway: &Gateway, governance: &Governance) {
    if let Err(refusal) = load(gateway, governance).await {
        tracing::error!(
            error = refusal.message,
            "models of the database were not read"
        );
    }
}

/// Puts the models of the database to work as they are now. One that cannot work is left out, and the log says why.
pub(crate) async fn load(gateway: &Gateway, governance: &Governance) -> Result<(), Refusal> {
    let mut models = governance.stored_models().await?;
    models.retain(|model| !model.row.blocked);
    let names: BTreeSet<String> = models.iter().filter_map(credential).collect();
    let mut credentials = BTreeMap::new();
    for name in names {
        let values = governance.credential_values(&name).await?;
        credentials.extend(values.map(|values| (name, values)));
    }
    let live = gateway.live();
    let mut overlay = Overlay::default();
    for model in models {
        let id = &model.row.model_id;
        let configured = live.router.deployment(id);
        if configured.is_some_and(|deployment| !deployment.model_info.contains_key("db_model")) {
            tracing::warn!(
                id,
                "a model of the database has the id of one that is configured"
            );
            continue;
        }
        let named = credential(&model);
        let values = named.and_then(|name| credentials.get(&name).cloned());
        match build(&model, values, &live.settings.default_params) {
            Ok((entry, deployment, _)) => overlay.put(entry, deployment),
            Err(refusal) => {
                tracing::error!(
                    id,
                    error = refusal.message,
                    "a model of the database is left out"
                );
            }
        }
    }
    gateway.amend(|present| {
        *present = overlay;
        Ok(())
    })
}

/// What a stored model makes, and which of its parameters have no effect yet. `credential` are the values of the
/// credentials that it names.
pub(crate) fn build(
    model: &StoredModel,
    credential: Option<Map>,
    defaults: &Map,
) -> Result<(Entry, Deployment, Vec<String>), Refusal> {
    let mut params = model.params.clone();
    if let Some(name) = params.remove(CREDENTIAL).filter(|name| !name.is_null()) {
        let Some(values) = credential else {
            let message = format!("there are no credentials with the name {name}");
            return Err(Refusal::bad(
                "litellm_params.litellm_credential_name",
                message,
            ));
        };
        for (name, value) in values {
            params.entry(name).or_insert(value);
        }
    }
    let entry = Entry {
        model_name: model.row.model_name.clone(),
        litellm_params: params,
        model_info: model.row.model_info.clone(),
    };
    let (deployment, notices) = entry.build(defaults)?;
    Ok((entry, deployment, notices))
}

/// The values of the credentials that a model names, or is about to.
pub(crate) async fn credential_of(
    governance: &Governance,
    change: &Entry,
    present: Option<&StoredModel>,
) -> Result<Option<Map>, Refusal> {
    let named = match change.litellm_params.get(CREDENTIAL) {
        Some(named) => named.as_str().map(str::to_owned),
        None => present.and_then(credential),
    };
    match named {
        Some(name) => Ok(governance.credential_values(&name).await?),
        None => Ok(None),
    }
}

/// What a request says, as governance keeps it.
pub(crate) fn said(entry: Entry) -> ModelEntry {
    ModelEntry {
        model_name: entry.model_name,
        litellm_params: entry.litellm_params,
        model_info: entry.model_info,
    }
}

fn credential(model: &StoredModel) -> Option<String> {
    let name = model.params.get(CREDENTIAL).and_then(Value::as_str);
    name.map(str::to_owned)
}
