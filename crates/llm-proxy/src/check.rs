//! What a body must have, and must not, before anything is done for it.

use llm_sdk::deploy::LENT;
use llm_types::{BodyKind, JsonObject, Op};

use crate::error::{Refusal, show};
use http::StatusCode;

/// The longest model name anyone has.
const LONGEST_NAME: usize = 512;

/// Fields that would let a client point the gateway's credentials, logs or prices elsewhere, sorted.
const BANNED: [&str; 25] = [
    "api_base",
    "api_key",
    "aws_access_key_id",
    "aws_bedrock_project_id",
    "aws_bedrock_runtime_endpoint",
    "aws_external_id",
    "aws_profile_name",
    "aws_role_name",
    "aws_secret_access_key",
    "aws_session_name",
    "aws_session_tags",
    "aws_session_token",
    "aws_sts_endpoint",
    "aws_web_identity_token",
    "azure_ad_token",
    "base_url",
    "deployment_url",
    "model_list",
    "s3_endpoint_url",
    "sagemaker_base_url",
    "user_config",
    "vertex_ai_credentials",
    "vertex_credentials",
    "watsonx_region_name",
    "workspace_id",
];

/// Beginnings and ends of such fields: hosts and credentials of log sinks, prices.
const BANNED_SINKS: &[&str] = &[
    "langfuse_",
    "langsmith_",
    "arize_",
    "braintrust_",
    "phoenix_",
    "humanloop_",
    "lunary_",
    "posthog_",
    "gcs_",
    "s3_bucket",
    "s3_aws_",
    "slack_webhook",
    "weave_",
    "wandb_",
];

/// Control fields of LiteLLM's insides: taken out of a client's body without a word; sorted.
const REMOVED: [&str; 21] = [
    "_router_weights",
    "applied_guardrails",
    "applied_policies",
    "callbacks",
    "custom_llm_provider",
    "disable_global_guardrails",
    "enable_prompt_caching",
    "failure_callback",
    "fallback_depth",
    "litellm_call_id",
    "litellm_disabled_callbacks",
    "litellm_logging_obj",
    "logger_fn",
    "max_fallbacks",
    "opted_out_global_guardrails",
    "proxy_server_request",
    "secret_fields",
    "service_callback",
    "standard_logging_object",
    "success_callback",
    "weights",
];

/// What a body of `op` needs besides a model.
pub(crate) fn required(op: Op) -> &'static [&'static str] {
    match op {
        Op::Chat | Op::Messages | Op::CountTokens => &["messages"],
        Op::Completion | Op::ImageGeneration => &["prompt"],
        Op::Embedding | Op::Moderation | Op::Speech => &["input"],
        Op::Rerank => &["query", "documents"],
        Op::Search => &["query"],
        Op::Ocr => &["document"],
        Op::GenerateContent => &["contents"],
        Op::Transcription | Op::Translation => &["file"],
        Op::ImageEdit => &["image", "prompt"],
        Op::ImageVariation => &["image"],
        Op::File => &["file", "purpose"],
        Op::Batch => &["input_file_id", "endpoint"],
        _ => &[],
    }
}

/// Refuses a body that lacks what `op` needs. `route` is the path that the client asked for.
pub(crate) fn complete(op: Op, route: &str, body: &JsonObject) -> Result<(), Refusal> {
    let present = |key: &&str| {
        body.raw(key).is_some()
            || (op.body() == BodyKind::Form && body.contains(&format!("{key}[]")))
    };
    if let Some(missing) = required(op).iter().find(|key| !present(key)) {
        return Err(Refusal::bad(
            *missing,
            format!("{route}: Missing required parameter: '{missing}'."),
        ));
    }
    let lists = matches!(op, Op::Chat | Op::Messages | Op::CountTokens);
    match body.raw("messages") {
        Some(raw) if lists && raw.first() != Some(&b'[') => Err(Refusal::bad(
            "messages",
            format!("{route}: 'messages' must be an array."),
        )),
        Some(raw) if lists && is_empty_list(raw) => Err(Refusal::bad(
            "messages",
            format!("{route}: 'messages' must not be empty."),
        )),
        _ => Ok(()),
    }
}

fn is_empty_list(raw: &[u8]) -> bool {
    raw.iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .eq(b"[]")
}

/// The model that a body names.
pub(crate) fn model(body: &JsonObject) -> Result<Option<String>, Refusal> {
    let Some(raw) = body.raw("model") else {
        return Ok(None);
    };
    let name: String = serde_json::from_slice(raw).map_err(|_| Refusal {
        kind: "bad_request_error",
        ..Refusal::bad("model", "'model' must be a string.")
    })?;
    model_name(&name)?;
    Ok(Some(name))
}

/// Refuses names that no model has and that could do harm further on.
pub(crate) fn model_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Refusal::bad(
            "model",
            format!("'{}' is no model name.", show(name)),
        ));
    }
    Ok(())
}

/// Refuses fields that would point the gateway's credentials, logs or prices elsewhere. Where a key of the client's own is
/// `brought`, it was looked at before.
pub(crate) fn allowed(body: &JsonObject, brought: bool) -> Result<(), Refusal> {
    for (key, raw) in body.iter() {
        if brought && LENT.contains(&key) {
            continue;
        }
        let nested = matches!(
            key,
            "metadata" | "litellm_metadata" | "litellm_embedding_config"
        );
        if banned(key) {
            return Err(rejected(key));
        }
        if nested && raw.first() == Some(&b'{') {
            let inner =
                JsonObject::parse(raw).map_err(|e| Refusal::bad(key.to_owned(), e.message))?;
            if let Some((inner, _)) = inner.iter().find(|(key, _)| banned(key)) {
                return Err(rejected(inner));
            }
        }
        if key == "fallbacks" {
            fallbacks(raw)?;
        }
    }
    Ok(())
}

fn fallbacks(raw: &[u8]) -> Result<(), Refusal> {
    let list: Vec<serde_json::Value> = serde_json::from_slice(raw).unwrap_or_default();
    let keys = list.iter().filter_map(|item| item.as_object());
    match keys.flat_map(|map| map.keys()).find(|key| banned(key)) {
        Some(key) => Err(rejected(key)),
        None => Ok(()),
    }
}

/// Whether a client says it only where the operator lets it.
pub(crate) fn banned(key: &str) -> bool {
    BANNED.binary_search(&key).is_ok()
        || (key.len() > "_cost_per_".len() && key.contains("_cost_per_"))
        || BANNED_SINKS.iter().any(|start| key.starts_with(start))
}

pub(crate) fn rejected(key: &str) -> Refusal {
    Refusal {
        param: Some("None".into()),
        ..Refusal::new(
            StatusCode::UNAUTHORIZED,
            "auth_error",
            format!(
                "Authentication Error, Rejected Request: {} is not allowed in request body. \
                 It is set by the gateway's configuration.",
                show(key)
            ),
        )
    }
}

/// Takes out what clients may not say.
pub(crate) fn strip(body: &mut JsonObject, allow_mocks: bool) {
    body.retain(|key, _| {
        let removed = REMOVED.binary_search(&key).is_ok() || (!allow_mocks && is_mock(key));
        !removed
    });
}

fn is_mock(key: &str) -> bool {
    matches!(
        key,
        "mock_response" | "mock_tool_calls" | "mock_timeout" | "mock_delay"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_all_in_them_is_found() {
        assert!(BANNED.is_sorted() && REMOVED.is_sorted());
        let mut body = JsonObject::new();
        for key in REMOVED {
            body.set_raw(key, "1");
        }
        body.set_raw("mock_delay", "1");
        strip(&mut body, true);
        assert_eq!(body.to_bytes(), r#"{"mock_delay":1}"#);
        strip(&mut body, false);
        assert!(body.is_empty());
    }
}
