use llm_types::{JsonObject, Op};

use crate::{
    Credential, Edit, Error, Params, Provider, Target, protocols::databricks, resolve::Surroundings,
};

/// Databricks model serving: <https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "databricks",
    base_env: &["DATABRICKS_API_BASE"],
    key_env: &["DATABRICKS_API_KEY", "DATABRICKS_TOKEN"],
    login: Some(login),
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Responses],
    model_speaks: Some(speaks),
    params: Params {
        refuses: &[
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
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
        accepts: &["reasoning_effort", "thinking"],
        stream_options: false,
        embedding: &["encoding_format"],
        ..Params::STANDARD
    },
    keeps: &["cache_control", "thinking_blocks"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(databricks::settle),
    protocol: &databricks::Databricks,
    docs: "https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
    ..Provider::OPENAI_LIKE
};

/// Only OpenAI's own models answer responses.
fn speaks(target: &Target, op: Op) -> bool {
    let model = &target.model;
    match op {
        Op::Responses => model.contains("gpt-") && !model.contains("gpt-oss"),
        _ => true,
    }
}

/// A service principal's tokens, where there is one and no key.
#[cfg(feature = "client")]
fn login(own: &mut JsonObject, around: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    use crate::{Secret, auth::TokenForm};

    let env = |names: &[&str]| names.iter().find_map(|name| around.var(name));
    if env(ROW.key_env).is_some() {
        return Ok(None);
    }
    let (Some(id), Some(secret)) = (
        env(&["DATABRICKS_CLIENT_ID"]),
        env(&["DATABRICKS_CLIENT_SECRET"]),
    ) else {
        return Ok(None);
    };
    let base = own
        .str("api_base")
        .map(Into::into)
        .or_else(|| env(&["DATABRICKS_API_BASE", "DATABRICKS_HOST"]));
    let Some(base) = base else {
        return Err(Error::bad_request(
            "api_base",
            "databricks needs an api_base",
        ));
    };
    let workspace = base
        .find("/serving-endpoints")
        .map_or(&*base, |at| &base[..at]);
    let uri = crate::path::join(workspace, "oidc/v1/token");
    let source = TokenForm::client_credentials(uri, id, Secret::new(secret), "all-apis");
    Ok(Some(Credential::Source(std::sync::Arc::new(source))))
}

#[cfg(not(feature = "client"))]
fn login(_: &mut JsonObject, _: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    Ok(None)
}
