//! From what a user writes (`groq/llama-3.3-70b`, an address, a key) to a [`Target`].

use std::collections::BTreeMap;

use llm_types::JsonObject;

use crate::{Credential, Error, Kind, Provider, Target, lookup};

/// What a process knows besides the request: passed in, so that nothing here reads the environment by itself.
pub trait Surroundings: Sync {
    /// An environment variable (or a secret store's value of that name); empty counts as absent.
    fn var(&self, name: &str) -> Option<String>;

    /// A file's text: credentials files of clouds.
    fn file(&self, path: &str) -> Option<String>;

    /// The provider that a price table names for a bare model name.
    fn provider_of(&self, model: &str) -> Option<String>;
}

/// Splits a model string into its provider and the vendor's own name of the model.
pub fn provider(
    model: &str,
    custom_llm_provider: Option<&str>,
    api_base: Option<&str>,
    around: &dyn Surroundings,
) -> Result<(&'static Provider, String), Error> {
    let _ = (custom_llm_provider, api_base);
    if let Some((first, rest)) = model.split_once('/')
        && let Some(row) = lookup(first)
    {
        return Ok((row, rest.to_owned()));
    }
    if let Some(row) = around.provider_of(model).and_then(|name| lookup(&name)) {
        return Ok((row, model.to_owned()));
    }
    Err(Error::bad_request(
        "model",
        format!("LLM Provider NOT provided. You passed model={model}"),
    ))
}

/// Makes a target of LiteLLM's parameters (`model`, `api_key`, `api_base`, `aws_region_name`, ...). Takes the keys that
/// belong to it out of `params`; what remains is the request's own.
pub fn target(params: &mut JsonObject, around: &dyn Surroundings) -> Result<Target, Error> {
    let model: String = params
        .take("model")?
        .ok_or_else(|| Error::bad_request("model", "'model' is missing"))?;
    let custom: Option<String> = params.take("custom_llm_provider")?;
    let base_url: Option<String> = params.take("base_url")?;
    let api_base: Option<String> = params.take("api_base")?;
    let api_base = base_url.or(api_base);
    let api_key: Option<String> = params.take("api_key")?;
    let (row, model) = provider(&model, custom.as_deref(), api_base.as_deref(), around)?;
    let env = |names: &[&str]| names.iter().find_map(|name| around.var(name));
    let base = api_base
        .or_else(|| env(row.base_env))
        .unwrap_or_else(|| row.base_url.to_owned());
    if base.is_empty() {
        return Err(Error::bad_request(
            "api_base",
            format!("{} needs an api_base", row.name),
        ));
    }
    let key = api_key
        .or_else(|| env(row.key_env))
        .or_else(|| Some(row.key_default.to_owned()).filter(|k| !k.is_empty()));
    let credential = match key {
        Some(key) => Credential::key(key),
        None if row.key_env.is_empty() => Credential::None,
        None => {
            return Err(Error::new(
                Kind::Auth,
                format!("no key for {}: set {}", row.name, row.key_env.join(" or ")),
            ));
        }
    };
    Ok(Target {
        settings: BTreeMap::new(),
        ..Target::new(row, model, credential)
    }
    .at(&base))
}
