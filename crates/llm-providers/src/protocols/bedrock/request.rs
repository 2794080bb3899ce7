//! A chat request as Converse wants it.

use llm_types::{ChatRequest, Map};
use serde_json::{Value, json};

use super::{
    media::DocumentNames,
    messages::{Turn, Writer},
    model::{Family, Model},
    structured::Structured,
    thinking::Thinking,
    tools::{Names, ToolConfig},
};
use crate::{Call, Error, protocols::legacy};

/// Keys of a chat request that are Converse's own, and stay what they are.
const OWN: [&str; 6] = [
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "outputConfig",
];

/// The body for `/converse` and `/converse-stream`.
pub(super) fn body(call: &Call<'_>, model: &Model<'_>) -> Result<Value, Error> {
    let mut request = ChatRequest::from_object(call.fields())?;
    legacy::messages(&mut request.messages);
    let names = Names::of(&request);
    let structured = Structured::of(call, &request)?;
    let thinking = Thinking::of(call, model, &request);
    let mut tools = ToolConfig::build(call, model, &request, &names, &structured, thinking.on)?;
    let mut writer = Writer {
        call,
        names: &names,
        tools: !tools.is_empty() || !tools.additional.is_empty(),
        caches: model.caches(call),
        signed_only: model.is_claude(),
        guarded: request.extra.contains_key("guardrailConfig"),
        documents: DocumentNames::default(),
    };
    let turns = writer.write(&request.messages)?;

    let mut body = Map::new();
    let messages: Vec<Value> = turns.messages.into_iter().map(Turn::into_value).collect();
    body.insert("messages".into(), messages.into());
    if !turns.system.is_empty() {
        body.insert("system".into(), turns.system.into());
    }
    let inference = inference(call, model, &request, thinking.max_tokens);
    if !inference.is_empty() {
        body.insert("inferenceConfig".into(), inference.into());
    }
    let additional = additional(call, model, &request, thinking.fields, &mut tools);
    if let Some(config) = tools.into_value() {
        body.insert("toolConfig".into(), config);
    }
    if !additional.is_empty() {
        body.insert("additionalModelRequestFields".into(), additional.into());
    }
    if let Structured::Native(config) = structured {
        body.insert("outputConfig".into(), config);
    }
    // "auto" is what Bedrock does unasked.
    if let Some(tier) = request
        .service_tier
        .as_deref()
        .filter(|tier| *tier != "auto")
    {
        body.insert("serviceTier".into(), json!({ "type": tier }));
    }
    for key in OWN {
        if let Some(value) = request.extra.get(key) {
            body.insert(key.into(), value.clone());
        }
    }
    if let (Some(Value::Object(guardrail)), Some(trace)) =
        (body.get_mut("guardrailConfig"), request.extra.get("trace"))
    {
        guardrail.entry("trace").or_insert_with(|| trace.clone());
    }
    Ok(body.into())
}

fn inference(
    call: &Call<'_>,
    model: &Model<'_>,
    request: &ChatRequest,
    thinking_limit: Option<u64>,
) -> Map {
    let mut config = match request.extra.get("inferenceConfig") {
        Some(Value::Object(own)) => own.clone(),
        _ => Map::new(),
    };
    if let Some(limit) = request.output_limit().or(thinking_limit) {
        config.insert("maxTokens".into(), limit.into());
    }
    if let Some(temperature) = &request.temperature {
        config.insert("temperature".into(), temperature.clone().into());
    }
    if let Some(top_p) = &request.top_p {
        config.insert("topP".into(), top_p.clone().into());
    }
    let mut stops = request.stop.clone().unwrap_or_default();
    if model.is_claude() && call.options.drop_params {
        stops.retain(|stop| !stop.trim().is_empty());
    }
    if !stops.is_empty() {
        config.insert("stopSequences".into(), stops.into());
    }
    config
}

/// What only the model itself knows: Converse hands it on unread.
fn additional(
    call: &Call<'_>,
    model: &Model<'_>,
    request: &ChatRequest,
    thinking: Map,
    tools: &mut ToolConfig,
) -> Map {
    let mut fields = thinking;
    fields.extend(std::mem::take(&mut tools.additional));
    for (key, value) in &request.extra {
        match key.as_str() {
            "additionalModelRequestFields" => {
                if let Value::Object(own) = value {
                    own.iter()
                        .for_each(|(key, value)| merge(&mut fields, key, value));
                }
            }
            "top_k" if matches!(model.family, Family::Nova | Family::Nova2) => {
                merge(&mut fields, "inferenceConfig", &json!({ "topK": value }));
            }
            "inferenceConfig" | "trace" => {}
            key if OWN.contains(&key) || key.starts_with("aws_") => {}
            key => merge(&mut fields, key, value),
        }
    }
    if model.is_claude() {
        let betas = betas(call, &fields, &tools.betas);
        if !betas.is_empty() {
            fields.insert("anthropic_beta".into(), betas.into());
        }
    }
    fields
}

/// The caller's word is the last; objects are merged, since `output_config` has more than an effort in it.
fn merge(fields: &mut Map, key: &str, value: &Value) {
    match (fields.get_mut(key), value) {
        (Some(Value::Object(there)), Value::Object(new)) => {
            there.extend(new.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        _ => {
            fields.insert(key.to_owned(), value.clone());
        }
    }
}

/// Anthropic's betas: from the body, the tools and the header, which Bedrock itself does not read.
fn betas(call: &Call<'_>, fields: &Map, tools: &[String]) -> Vec<String> {
    let mut betas: Vec<String> = match fields.get("anthropic_beta") {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    let headers = call
        .target
        .headers
        .iter()
        .chain(&call.options.extra_headers);
    let header = headers.filter(|(name, _)| name.eq_ignore_ascii_case("anthropic-beta"));
    let listed = header.flat_map(|(_, text)| text.split(',').map(|beta| beta.trim().to_owned()));
    for beta in tools.iter().cloned().chain(listed) {
        if !beta.is_empty() && !betas.contains(&beta) {
            betas.push(beta);
        }
    }
    betas
}
