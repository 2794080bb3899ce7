//! Models that are added, changed and removed while the gateway runs. They stay through new configurations, and end with
//! the process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use llm_cost::PriceTable;
use llm_providers::resolve::Surroundings;
use llm_router::Deployment;
use llm_sdk::{deploy, surroundings::Process};
use llm_types::{JsonObject, Map};
use serde::Deserialize;
use serde_json::Value;

use crate::{config::keys::PARAMS_LATER, error::Refusal};

/// A model as it is given: LiteLLM's shape of an entry of `model_list`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Entry {
    #[serde(default)]
    pub(crate) model_name: String,
    #[serde(default)]
    pub(crate) litellm_params: Map,
    #[serde(default)]
    pub(crate) model_info: Map,
}

/// The models that were added, by their ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay(BTreeMap<String, (Entry, Deployment)>);

impl Overlay {
    /// The entry of an added model.
    pub(crate) fn entry(&self, id: &str) -> Option<&Entry> {
        self.0.get(id).map(|(entry, _)| entry)
    }

    /// Adds a model, or changes an added one.
    pub(crate) fn put(&mut self, entry: Entry, deployment: Deployment) {
        self.0.insert(deployment.id.clone(), (entry, deployment));
    }

    /// Forgets an added model.
    pub(crate) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// The deployments of a configuration, and the added ones beside them. The file has the last word on its own ids.
    pub(crate) fn over(&self, mut configured: Vec<Deployment>) -> Vec<Deployment> {
        let own: BTreeSet<String> = configured.iter().map(|d| d.id.clone()).collect();
        let added = self.0.values().map(|(_, deployment)| deployment);
        configured.extend(added.filter(|d| !own.contains(&d.id)).cloned());
        configured
    }

    /// `all` without the added ones.
    pub(crate) fn under(&self, all: impl Iterator<Item = Arc<Deployment>>) -> Vec<Deployment> {
        all.filter(|d| !self.0.contains_key(&d.id))
            .map(|d| (*d).clone())
            .collect()
    }
}

impl Entry {
    /// This entry with what `change` says over it.
    pub(crate) fn with(&self, change: Self) -> Self {
        let mut next = self.clone();
        if !change.model_name.is_empty() {
            next.model_name = change.model_name;
        }
        next.litellm_params.extend(change.litellm_params);
        next.model_info.extend(change.model_info);
        next
    }

    /// The deployment, and which of its parameters have no effect yet. `defaults` are the parameters of all deployments.
    pub(crate) fn build(&self, defaults: &Map) -> Result<(Deployment, Vec<String>), Refusal> {
        if self.model_name.is_empty() {
            return Err(Refusal::bad("model_name", "the model has no 'model_name'"));
        }
        let mut params = defaults.clone();
        params.extend(self.litellm_params.clone());
        params.retain(|_, value| !value.is_null());
        let model = params.get("model").and_then(Value::as_str);
        if model.is_none_or(str::is_empty) {
            let message = "'litellm_params' has no 'model'";
            return Err(Refusal::bad("litellm_params.model", message));
        }
        let mut notices = Vec::new();
        for (key, feature) in PARAMS_LATER {
            if params.remove(*key).is_some() {
                notices.push(format!("'{key}' has no effect yet: {feature} is not built"));
            }
        }
        for value in params.values_mut() {
            fill(value)?;
        }
        let params = JsonObject::from_serialize(&params).map_err(Refusal::json)?;
        let mut info = self.model_info.clone();
        info.insert("db_model".to_owned(), Value::Bool(true));
        let built = deploy::deployment(
            &self.model_name,
            params,
            info,
            PriceTable::embedded(),
            &Process,
        );
        let deployment = built.map_err(|error| {
            let param = error.param.clone().unwrap_or_else(|| "model".into());
            Refusal::bad(format!("litellm_params.{param}"), error.message)
        })?;
        Ok((deployment, notices))
    }
}

/// `os.environ/NAME` stands for a variable of the environment.
fn fill(value: &mut Value) -> Result<(), Refusal> {
    let name = value
        .as_str()
        .and_then(|text| text.strip_prefix("os.environ/"));
    let Some(name) = name else {
        return Ok(());
    };
    let Some(found) = Process.var(name) else {
        let message = format!("the environment has no variable '{name}'");
        return Err(Refusal::bad("litellm_params", message));
    };
    *value = Value::String(found);
    Ok(())
}
