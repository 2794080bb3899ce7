use llm_types::{JsonObject, Map, Op};

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
    exchange: Some(bought),
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
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Rerank],
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
        accepts: &["reasoning_effort", "max_tokens_per_doc"],
        stream_options: false,
        embedding: &["encoding_format"],
        ..Params::STANDARD
    },
    keeps: &["cache_control"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(watsonx::settle),
    protocol: &watsonx::Watsonx,
    wires: &[(Op::Rerank, &watsonx::Rerank)],
    docs: "https://cloud.ibm.com/apidocs/watsonx-ai",
    ..Provider::OPENAI_LIKE
};

/// A token as it is, or a Zen key in a scheme of its own; for plain keys there is [`bought`].
fn login(own: &mut JsonObject, around: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    let all: Option<Map> = own.get("wx_credentials")?;
    let among = |keys: [&str; 2]| {
        let all = all.as_ref()?;
        let found = keys.iter().find_map(|key| all.get(*key)?.as_str())?;
        Some(found.to_owned())
    };
    let env = |names: &[&str]| names.iter().find_map(|name| around.var(name));
    if let Some(token) = own
        .get("token")?
        .or_else(|| among(["token", "bearer_token"]))
    {
        return Ok(Some(token_of(token)));
    }
    if let Some(zen) = own.get::<String>("zen_api_key")? {
        return Ok(Some(zen_key(&zen)));
    }
    if let Some(key) = among(["apikey", "api_key"]) {
        return Ok(Some(bought(key, own, around)));
    }
    if env(ROW.key_env).is_some() {
        return Ok(None);
    }
    let token = env(&["WATSONX_TOKEN", "WX_TOKEN"]).map(token_of);
    Ok(token.or_else(|| env(&["WATSONX_ZENAPIKEY"]).map(|zen| zen_key(&zen))))
}

fn token_of(token: String) -> Credential {
    Credential::Token(Secret::new(token))
}

fn zen_key(key: &str) -> Credential {
    Credential::key(format!("ZenApiKey {key}"))
}

/// An API key never goes on a request: IBM's IAM sells tokens for it.
#[cfg(feature = "client")]
fn bought(key: String, own: &JsonObject, around: &dyn Surroundings) -> Credential {
    let uri = own
        .str("iam_url")
        .map(Into::into)
        .or_else(|| around.var("WATSONX_IAM_URL"))
        .unwrap_or_else(|| "https://iam.cloud.ibm.com/identity/token".to_owned());
    let source = crate::auth::TokenForm::ibm(uri, Secret::new(key));
    Credential::Source(std::sync::Arc::new(source))
}

/// Without a client there is nobody to buy a token: what was given must be one.
#[cfg(not(feature = "client"))]
fn bought(key: String, _: &JsonObject, _: &dyn Surroundings) -> Credential {
    token_of(key)
}
