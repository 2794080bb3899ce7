//! The deployments of `model_list`.

use std::collections::BTreeMap;

use llm_cost::PriceTable;
use llm_providers::{Credential, Error, resolve::Surroundings};
use llm_router::Deployment;
use llm_sdk::{Beside, deploy, router_settings::RouterSettings};
use llm_types::{JsonObject, Map};

use super::{
    file::File,
    model_list::Model,
    node::{At, Node},
    problem::Problems,
};

/// What every deployment starts from.
pub(super) struct Defaults {
    routing: RouterSettings,
    drop_params: bool,
    modify_params: bool,
}

/// The deployments so far.
pub(super) struct Deployments {
    defaults: Defaults,
    built: Vec<Deployment>,
    /// How often each id came, before it was made unique.
    ids: BTreeMap<String, u32>,
    left_out: Vec<LeftOut>,
}

/// An entry that cannot work.
struct LeftOut {
    name: String,
    at: At,
    error: Error,
}

impl Defaults {
    /// Takes them from the sections that have some.
    pub(super) fn take(file: &mut File, routing: RouterSettings, problems: &mut Problems) -> Self {
        Self {
            routing,
            drop_params: file
                .litellm
                .take("drop_params", problems)
                .unwrap_or_default(),
            modify_params: file
                .litellm
                .take("modify_params", problems)
                .unwrap_or_default(),
        }
    }

    fn under(&self, params: &mut JsonObject) {
        self.routing.under(params);
        self.manners(params);
    }

    fn manners(&self, params: &mut JsonObject) {
        for (key, on) in [
            ("drop_params", self.drop_params),
            ("modify_params", self.modify_params),
        ] {
            if on && !params.contains(key) {
                params.set(key, &true);
            }
        }
    }
}

impl Deployments {
    pub(super) fn new(defaults: Defaults) -> Self {
        Self {
            defaults,
            built: Vec::new(),
            ids: BTreeMap::new(),
            left_out: Vec::new(),
        }
    }

    /// The parameters that every deployment starts from.
    pub(super) fn defaults(&self) -> Map {
        let mut params = JsonObject::new();
        self.defaults.under(&mut params);
        params.to_map().unwrap_or_default()
    }

    /// Makes a deployment of an entry.
    pub(super) fn add(&mut self, model: Model, around: &dyn Surroundings, problems: &mut Problems) {
        let own_id = model.get("model_info", "id");
        if let Some(node) = own_id.filter(|node| node.text().is_none()) {
            problems.error(node.at, format!("'{}': an id must be a text", model.name));
        }
        let own_id = own_id.map(|node| node.at);
        if let Some(node) = model.get("litellm_params", "weight")
            && node.number().is_some_and(|weight| weight < 0.0)
        {
            problems.error(
                node.at,
                format!("'{}': a weight cannot be negative", model.name),
            );
        }
        let mut params = model.params.clone();
        match Beside::of(&model.name) {
            None => self.defaults.under(&mut params),
            // What models are told to do is nothing for the others.
            Some(_) => self.defaults.manners(&mut params),
        }
        let table = PriceTable::embedded();
        match deploy::deployment(&model.name, params, model.info.clone(), table, around) {
            Ok(deployment) => {
                if let Credential::Missing(what) = &deployment.target.credential {
                    let name = &model.name;
                    problems.warn(
                        model.at(),
                        format!("'{name}': {what}; until then its requests fail"),
                    );
                }
                self.keep(deployment, own_id, problems);
            }
            // Who is let in must not depend on what could be read.
            Err(error) if is_about(&error, "model_info.access_windows") => {
                let node = model.get("model_info", "access_windows");
                let at = node.map_or(model.at(), |node| node.at);
                problems.error(at, format!("'{}': {}", model.name, error.message));
            }
            Err(error) => self.left_out.push(LeftOut {
                at: error
                    .param
                    .as_deref()
                    .and_then(|param| model.get("litellm_params", param))
                    .map_or(model.at(), |node: &Node| node.at),
                name: model.name,
                error,
            }),
        }
    }

    /// The same entry twice is the same deployment with twice the share; the same id of one's own is a mistake.
    fn keep(&mut self, mut deployment: Deployment, own_id: Option<At>, problems: &mut Problems) {
        let seen = self.ids.entry(deployment.id.clone()).or_default();
        *seen += 1;
        match own_id {
            Some(at) if *seen > 1 => {
                problems.error(
                    at,
                    format!("another deployment has the id '{}'", deployment.id),
                );
            }
            None if *seen > 1 => deployment.id = format!("{}-{seen}", deployment.id),
            _ => {}
        }
        self.built.push(deployment);
    }

    /// All of them. As in LiteLLM, one that cannot work is left out and the others serve; but a model that nobody is
    /// left to answer for is a mistake.
    pub(super) fn finish(self, problems: &mut Problems) -> Vec<Deployment> {
        for LeftOut { name, at, error } in self.left_out {
            let message = error.message.replace('\n', " ");
            if self.built.iter().any(|d| d.group == name) {
                problems.warn(
                    at,
                    format!("'{name}': this deployment is left out: {message}"),
                );
            } else {
                problems.error(
                    at,
                    format!("'{name}' has no deployment that works: {message}"),
                );
            }
        }
        self.built
    }
}

/// Whether a parameter at or below `place` is what is wrong.
fn is_about(error: &Error, place: &str) -> bool {
    let param = error.param.as_deref();
    param.is_some_and(|param| param.starts_with(place))
}
