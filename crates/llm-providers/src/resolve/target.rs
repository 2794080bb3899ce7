//! LiteLLM's parameters, sorted: what belongs to the target, and what is the request's own.

use std::collections::BTreeMap;

use llm_types::JsonObject;

use super::{Surroundings, first, provider};
use crate::{Credential, Error, Provider, Secret, Target, extra, path};

/// Parameters of the target by LiteLLM's names, over all providers. Secrets among them are only for logins.
const SETTINGS: &[&str] = &[
    "api_version",
    "organization",
    "project",
    "region_name",
    "project_id",
    "space_id",
    "deployment_id",
    "model_id",
    "account_id",
    "token_type",
    "sagemaker_base_url",
    "hf_model_name",
    "azure_scope",
    "azure_ad_token",
    "azure_username",
    "azure_password",
    "tenant_id",
    "client_id",
    "client_secret",
    "watsonx_region_name",
    "wx_credentials",
    "zen_api_key",
    "token",
    "iam_url",
];

/// Prefixes of the same.
const FAMILIES: &[&str] = &[
    "aws_",
    "vertex_",
    "azure_",
    "databricks_",
    "watsonx_",
    "oci_",
    "gigachat_",
];

/// Settings that must never be kept where somebody might print them.
const SECRET: &[&str] = &[
    "secret",
    "token",
    "password",
    "credential",
    "access_key",
    "api_key",
    "private",
    "certificate",
];

/// Makes a target of LiteLLM's parameters (`model`, `api_key`, `api_base`, `aws_region_name`, ...). Takes the keys that
/// belong to it out of `params`; what remains is the request's own.
pub fn target(params: &mut JsonObject, around: &dyn Surroundings) -> Result<Target, Error> {
    let model: String = params
        .take("model")?
        .ok_or_else(|| Error::bad_request("model", "'model' is missing"))?;
    let custom: Option<String> = params.take("custom_llm_provider")?;
    let mut place = JsonObject::new();
    for key in ["base_url", "api_base", "api_key"] {
        if let Some(raw) = params.remove(key) {
            place.set_raw(key, raw);
        }
    }
    resolve_names(&mut place, around);
    let base_url: Option<String> = place.take("base_url")?;
    let api_base: Option<String> = place.take("api_base")?;
    let api_base = base_url.or(api_base).filter(|base| !base.is_empty());
    let api_key: Option<String> = place.take("api_key")?;
    let (row, model) = provider(&model, custom.as_deref(), api_base.as_deref(), around)?;
    let mut own = take_own(params, row);
    resolve_names(&mut own, around);
    // Some logins are at the same address as everything else.
    if let Some(base) = &api_base {
        own.set_str("api_base", base);
    }
    let credential = credential(row, api_key, &mut own, around)?;
    own.remove("api_base");
    let target = Target {
        settings: settings(row, &own, around),
        ..Target::new(row, model, credential)
    };
    let base = base(row, api_base, &target, around)?;
    Ok(target.at(&base))
}

/// `os.environ/NAME` stands for the variable's value, but only in what belongs to the target: in a prompt or any other
/// field of a request it would hand our environment to whoever asks.
fn resolve_names(own: &mut JsonObject, around: &dyn Surroundings) {
    const PREFIX: &str = "os.environ/";
    let named: Vec<(String, String)> = own
        .iter()
        .filter_map(|(key, _)| Some((key.to_owned(), own.str(key)?.into_owned())))
        .filter(|(_, text)| text.starts_with(PREFIX))
        .collect();
    for (key, text) in named {
        let name = text.strip_prefix(PREFIX).unwrap_or(&text);
        match around.var(name).filter(|value| !value.is_empty()) {
            Some(value) => own.set_str(key, &value),
            None => {
                own.remove(&key);
            }
        }
    }
}

/// Whether a parameter says where calls to `row` go, or who makes them.
pub fn is_place(key: &str, row: &Provider) -> bool {
    matches!(key, "api_key" | "api_base" | "base_url") || is_setting(key, row)
}

/// Whether such a parameter says who makes the calls.
pub fn is_login(key: &str) -> bool {
    const WHO: &[&str] = &[
        "profile",
        "role",
        "identity",
        "client_id",
        "tenant",
        "username",
    ];
    SECRET.iter().chain(WHO).any(|word| key.contains(word))
}

fn is_setting(key: &str, row: &Provider) -> bool {
    SETTINGS.contains(&key)
        || FAMILIES.iter().any(|family| key.starts_with(family))
        || row.settings.iter().any(|setting| setting.name == key)
}

/// Takes the target's own keys out of the parameters.
fn take_own(params: &mut JsonObject, row: &Provider) -> JsonObject {
    let mut own = JsonObject::new();
    let keys: Vec<String> = params
        .iter()
        .map(|(key, _)| key)
        .filter(|key| is_setting(key, row))
        .map(str::to_owned)
        .collect();
    for key in keys {
        let Some(raw) = params.remove(&key) else {
            continue;
        };
        // LiteLLM knows Vertex's settings under two names.
        let name = match key.strip_prefix("vertex_ai_") {
            Some(rest) => format!("vertex_{rest}"),
            None => key,
        };
        if !own.contains(&name) && &raw[..] != b"null" {
            own.set_raw(name, raw);
        }
    }
    own
}

/// A key that is given wins; then the row's login; then the environment; then the row's placeholder.
fn credential(
    row: &Provider,
    api_key: Option<String>,
    own: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Credential, Error> {
    let plain = |key: String, own: &JsonObject| match row.exchange {
        Some(exchange) => exchange(key, own, around),
        None => Credential::key(key),
    };
    if let Some(key) = api_key.filter(|key| !key.is_empty()) {
        return Ok(plain(key, own));
    }
    if let Some(login) = row.login
        && let Some(credential) = login(own, around).map_err(|e| e.of(row.name))?
    {
        return Ok(credential);
    }
    if let Some(key) = first(row.key_env, around) {
        return Ok(plain(key, own));
    }
    if let Some(token) = first(row.token_env, around) {
        return Ok(Credential::Token(Secret::new(token)));
    }
    if !row.key_default.is_empty() {
        return Ok(Credential::key(row.key_default));
    }
    if row.key_env.is_empty() {
        return Ok(Credential::None);
    }
    let names = [row.key_env, row.token_env].concat().join(" or ");
    // Said where it matters, at the first call: a configuration may name many vendors and have keys for a few.
    Ok(Credential::Missing(format!(
        "no key for {}: pass api_key, or set {names}",
        row.name
    )))
}

/// What was given, else what the row reads from the environment, else its defaults. Never secrets.
fn settings(
    row: &Provider,
    own: &JsonObject,
    around: &dyn Surroundings,
) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, raw) in own.iter() {
        if SECRET.iter().any(|word| name.contains(word)) && name != "token_type" {
            continue;
        }
        let value = own
            .str(name)
            .map(|text| text.into_owned())
            .or_else(|| std::str::from_utf8(raw).ok().map(str::to_owned));
        if let Some(value) = value {
            settings.insert(name.to_owned(), value);
        }
    }
    for setting in row.settings {
        if settings.contains_key(setting.name) {
            continue;
        }
        let default = || Some(setting.default.to_owned()).filter(|text| !text.is_empty());
        if let Some(value) = first(setting.env, around).or_else(default) {
            settings.insert(setting.name.to_owned(), value);
        }
    }
    settings
}

/// An address that is given wins; then the environment; then the row's own, filled in from the settings.
fn base(
    row: &Provider,
    given: Option<String>,
    target: &Target,
    around: &dyn Surroundings,
) -> Result<String, Error> {
    let base = match given.or_else(|| first(row.base_env, around)) {
        Some(base) => base,
        None => extra::fill(row.base_url, target, path::query).ok_or_else(|| {
            let missing = row.settings.iter().flat_map(|setting| setting.env);
            let names = missing.copied().collect::<Vec<_>>().join(" or ");
            Error::bad_request(
                "api_base",
                format!("{} needs an api_base, or {names}", row.name),
            )
        })?,
    };
    let base = base.trim().trim_end_matches('/');
    if base.is_empty() {
        let hint = match row.base_env.first() {
            Some(name) => format!(", or {name}"),
            None => String::new(),
        };
        return Err(Error::bad_request(
            "api_base",
            format!("{} needs an api_base{hint}", row.name),
        ));
    }
    if row.base_path.is_empty() || base.contains(row.base_path) {
        return Ok(base.to_owned());
    }
    Ok(format!("{base}{}", row.base_path))
}
