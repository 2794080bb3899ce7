//! From what a file says to what a gateway runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use llm_providers::resolve::Surroundings;
use llm_sdk::router_settings::RouterSettings;

use super::{
    alerting,
    deployments::{Defaults, Deployments},
    file::{self, File, Values},
    identity, keys,
    names::Names,
    problem::{Problem, Problems},
    routing, sections, vouching,
};
use crate::{books::Place, discover, settings::Settings};

/// Reads `path`; every mistake in it at once. What is only worth knowing is among the settings' notices.
pub fn load(path: &Path, around: &dyn Surroundings) -> Result<Settings, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut file = file::read(path, &|name| around.var(name), &mut problems);
    let overlay = Overlay {
        own: std::mem::take(&mut file.environment),
        around,
    };
    let mut settings = build(path, file, &overlay, &mut problems);
    problems.sort();
    if problems.has_errors() {
        return Err(problems.all);
    }
    settings
        .notices
        .extend(problems.all.iter().map(Problem::to_string));
    Ok(settings)
}

/// `environment_variables` of the file, before the process's own.
struct Overlay<'a> {
    own: BTreeMap<String, String>,
    around: &'a dyn Surroundings,
}

impl Surroundings for Overlay<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.own
            .get(name)
            .cloned()
            .or_else(|| self.around.var(name))
    }

    fn file(&self, path: &str) -> Option<String> {
        self.around.file(path)
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        self.around.provider_of(model)
    }
}

fn build(path: &Path, mut file: File, around: &Overlay<'_>, problems: &mut Problems) -> Settings {
    let mut settings = Settings::base(around);
    settings.file = Some(path.to_owned());
    settings.files = std::mem::take(&mut file.files);
    let mut names = Names::default();
    let mut routing = RouterSettings {
        router: std::mem::take(&mut settings.router),
        ..RouterSettings::default()
    };
    sections::general(&mut file.general, &mut settings, &mut names, problems);
    alerting::read(&mut file.general, around, &mut settings, problems);
    identity::read(&mut file.general, around, &mut settings, problems);
    vouching::read(&mut file.general, around, &mut settings, problems);
    for (values, keys) in [
        (&mut file.litellm, routing::LITELLM),
        (&mut file.router, &keys::ROUTER.names().collect::<Vec<_>>()),
    ] {
        routing::read(values, keys, &mut routing, &mut names, problems);
    }
    sections::litellm(&mut file.litellm, &mut settings, problems);
    settings.router = routing.router.clone();
    settings.hidden = std::mem::take(&mut routing.hidden);
    settings.health.follow(std::mem::take(&mut routing.checks));
    let mut deployments = Deployments::new(Defaults::take(&mut file, routing, problems));
    for model in std::mem::take(&mut file.models) {
        deployments.add(model, around, problems);
    }
    for entry in std::mem::take(&mut file.beside) {
        deployments.add(entry, around, problems);
    }
    settings.default_params = deployments.defaults();
    settings.deployments = deployments.finish(problems);
    if let Some(filter) = settings.health.filter() {
        settings.router.filters.push(Arc::new(filter));
    }
    infer(&mut file.general, around, &mut settings, problems);
    if let Some(at) = file.empty_list.filter(|_| serves_nobody(&settings)) {
        let message = "'model_list' is empty, and no database with models is named: there is no deployment. \
                       Without 'model_list', models can be added while the gateway runs";
        problems.error(at, message);
    }
    names.check(&settings, problems);
    debug_assert_eq!(file.unread(), [""; 0], "an accepted key does something");
    settings
}

/// Whether nobody is there to answer, and nobody is known to come.
fn serves_nobody(settings: &Settings) -> bool {
    settings.deployments.is_empty() && !matches!(settings.database.place, Place::Named(_))
}

/// `infer_model_from_keys`: every vendor whose key is in the environment, beside the configured models.
fn infer(
    values: &mut Values,
    around: &dyn Surroundings,
    settings: &mut Settings,
    problems: &mut Problems,
) {
    if values.take("infer_model_from_keys", problems) != Some(true) {
        return;
    }
    let found = discover::vendors(around);
    let known: BTreeSet<String> = settings
        .deployments
        .iter()
        .map(|d| d.group.clone())
        .collect();
    settings.deployments.extend(
        found
            .deployments
            .into_iter()
            .filter(|d| !known.contains(&d.group)),
    );
}
