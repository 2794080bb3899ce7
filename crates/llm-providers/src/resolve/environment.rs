//! Whether the environment holds what a model's provider needs.

use std::borrow::Cow;

use serde::Serialize;

use super::{Surroundings, first, provider};
use crate::{Error, Provider};

/// The answer of [`validate_environment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Whether nothing is missing.
    pub keys_in_environment: bool,
    /// Variables that must be set; of alternatives, the first.
    pub missing_keys: Vec<String>,
}

/// What must be set for one provider: all of the groups, of each group any one variable (or set of variables).
type Needs = &'static [&'static [&'static str]];

/// Providers that need more, or other, than one of their row's `key_env`.
const NEEDS: &[(&str, Needs)] = &[
    (
        "azure",
        &[
            &["AZURE_API_BASE"],
            &["AZURE_API_VERSION"],
            &["AZURE_API_KEY"],
        ],
    ),
    (
        "azure_text",
        &[
            &["AZURE_API_BASE"],
            &["AZURE_API_VERSION"],
            &["AZURE_API_KEY"],
        ],
    ),
    (
        "vertex_ai",
        &[&["VERTEXAI_PROJECT"], &["VERTEXAI_LOCATION"]],
    ),
    ("gemini", &[&["GOOGLE_API_KEY", "GEMINI_API_KEY"]]),
    ("bedrock", &[AWS_ID, AWS_SECRET]),
    ("bedrock_mantle", &[AWS_ID, AWS_SECRET]),
    ("sagemaker", &[AWS_ID, AWS_SECRET]),
    ("sagemaker_chat", &[AWS_ID, AWS_SECRET]),
    ("ollama", &[&["OLLAMA_API_BASE"]]),
    ("ollama_chat", &[&["OLLAMA_API_BASE"]]),
    (
        "cloudflare",
        &[
            &["CLOUDFLARE_API_KEY"],
            &["CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_BASE"],
        ],
    ),
    (
        "together_ai",
        &[&[
            "TOGETHERAI_API_KEY",
            "TOGETHER_API_KEY",
            "TOGETHER_AI_API_KEY",
            "TOGETHER_AI_TOKEN",
        ]],
    ),
    ("huggingface", &[&["HUGGINGFACE_API_KEY", "HF_TOKEN"]]),
    (
        "replicate",
        &[&["REPLICATE_API_KEY", "REPLICATE_API_TOKEN"]],
    ),
    ("mistral", &[&["MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY"]]),
    ("volcengine", &[&["VOLCENGINE_API_KEY", "ARK_API_KEY"]]),
    (
        "featherless_ai",
        &[&["FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"]],
    ),
];

/// AWS has many ways to say who one is: each of them stands for both keys.
const AWS_ID: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_BEARER_TOKEN_BEDROCK",
];
const AWS_SECRET: &[&str] = &[
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ROLE_ARN",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_BEARER_TOKEN_BEDROCK",
];

/// Says which variables `model`'s provider needs and does not find. `api_key`, `api_base` and `api_version` count as
/// set where the caller has them.
pub fn validate_environment(
    model: &str,
    api_key: Option<&str>,
    api_base: Option<&str>,
    api_version: Option<&str>,
    around: &dyn Surroundings,
) -> Result<Environment, Error> {
    let (row, _) = provider(model, None, api_base, around)?;
    let given = |name: &str| {
        let has = |value: Option<&str>| value.is_some_and(|text| !text.is_empty());
        (has(api_key) && is_key(name))
            || (has(api_base) && name.ends_with("_API_BASE"))
            || (has(api_version) && name.ends_with("_API_VERSION"))
    };
    let missing =
        |any: &[&str]| !any.iter().any(|name| given(name)) && first(any, around).is_none();
    let missing_keys: Vec<String> = needs(row)
        .into_iter()
        .filter(|any| missing(any))
        .filter_map(|any| any.first().map(|name| (*name).to_owned()))
        .collect();
    Ok(Environment {
        keys_in_environment: missing_keys.is_empty(),
        missing_keys,
    })
}

fn is_key(name: &str) -> bool {
    ["_API_KEY", "_TOKEN", "_KEY", "_JWT", "_PAT"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn needs(row: &Provider) -> Vec<Cow<'static, [&'static str]>> {
    if let Some((_, needs)) = NEEDS.iter().find(|(name, _)| *name == row.name) {
        return needs.iter().copied().map(Cow::Borrowed).collect();
    }
    // A server of one's own is content with a placeholder.
    if row.key_env.is_empty() || !row.key_default.is_empty() {
        return Vec::new();
    }
    vec![[row.key_env, row.token_env].concat().into()]
}
