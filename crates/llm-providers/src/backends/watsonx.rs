use llm_types::{JsonObject, Op};

use crate::{
    Auth, Credential, Edit, Error, Params, Provider, Secret, Setting, protocols::watsonx,
    resolve::Surroundings,
};

/// IBM watsonx.ai: <https://cloud.ibm.com/apidocs/watsonx-ai>
pub(super) const ROW: Provider = Provider {
    name: "watsonx",
    aliases: &["watsonx_text"],
    base_env: &["WATSONX_API_BASE", "WATSONX_URL", "WX_URL", "WML_URL"],
    key_env: &["WATSONX_APIKEY", "WATSONX_API_KEY", "WX_API_KEY"],
    auth: Auth::Header("authorization"),
    login: Some(login),
    settings: &[
        Setting::new(
            "project_id",
            &["WATSONX_PROJECT_ID", "WX_PROJECT_ID", "PROJECT_ID"],
        ),
        Setting::new(
            "space_id",
            &[
                "WATSONX_DEPLOYMENT_SPACE_ID",
                "WATSONX_SPACE_ID",
                "WX_SPACE_ID",
                "SPACE_ID",
            ],
        ),
        Setting::new("api_version", &["WATSONX_API_VERSION"]),
    ],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params {
        refuses: &[
            "logit_bias",
            "parallel_tool_calls",
            "service_tier",
            "web_search_options",
            "modalities",
            "audio",
            "prediction",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention",
            "store",
        ],
        accepts: &["reasoning_effort"],
        stream_options: false,
        ..Params::STANDARD
    },
    keeps: &["cache_control"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(watsonx::settle),
    protocol: &watsonx::Watsonx,
    docs: "https://cloud.ibm.com/apidocs/watsonx-ai",
    ..Provider::OPENAI_LIKE
};

/// A token as it is, a Zen key in a scheme of its own, or an API key that buys tokens.
fn login(params: &mut JsonObject, around: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    let env = |names: &[&str]| names.iter().find_map(|name| around.var(name));
    if let Some(token) = params.take::<String>("token")? {
        return Ok(Some(Credential::Token(Secret::new(token))));
    }
    if let Some(zen) = params.take::<String>("zen_api_key")? {
        return Ok(Some(zen_key(&zen)));
    }
    if let Some(key) = params.get::<String>("api_key")? {
        return Ok(bought(key, env(&["WATSONX_IAM_URL"])));
    }
    if let Some(token) = env(&["WATSONX_TOKEN", "WX_TOKEN"]) {
        return Ok(Some(Credential::Token(Secret::new(token))));
    }
    if let Some(zen) = env(&["WATSONX_ZENAPIKEY"]) {
        return Ok(Some(zen_key(&zen)));
    }
    Ok(env(ROW.key_env).and_then(|key| bought(key, env(&["WATSONX_IAM_URL"]))))
}

fn zen_key(key: &str) -> Credential {
    Credential::key(format!("ZenApiKey {key}"))
}

#[cfg(feature = "client")]
fn bought(key: String, iam: Option<String>) -> Option<Credential> {
    let uri = iam.unwrap_or_else(|| "https://iam.cloud.ibm.com/identity/token".to_owned());
    let source = crate::auth::TokenForm::ibm(uri, Secret::new(key));
    Some(Credential::Source(std::sync::Arc::new(source)))
}

/// Without a client there is nobody to buy a token: the caller must bring one.
#[cfg(not(feature = "client"))]
fn bought(_: String, _: Option<String>) -> Option<Credential> {
    None
}
