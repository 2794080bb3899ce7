//! A chat request to generateContent's body.

use llm_types::{ChatRequest, Map};
use serde_json::{Value, json};

use super::{
    media::{Medium, camel, resolution},
    messages,
    model::Model,
    schema, thinking,
    tools::Tools,
};
use crate::{Call, Error};

/// Fields of `generationConfig` that may come under their own names.
const GENERATION: &[&str] = &[
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "responseLogprobs",
    "thinkingConfig",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
    "enableAffectiveDialog",
    "enableEnhancedCivicAnswers",
    "topP",
    "presencePenalty",
    "frequencyPenalty",
];

/// Which of Google's two services is asked: they differ in a few fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// AI Studio.
    Studio,
    /// Vertex AI.
    Vertex,
}

/// The body that asks the same.
pub(crate) fn body(call: &Call<'_>, service: Service) -> Result<Map, Error> {
    let mut request = ChatRequest::from_object(call.fields())?;
    let model = Model::new(call.model());
    let mut tools = Tools::read(&request)?;
    let mut generation = generation(&request, model)?;
    if let Some(level) = common_resolution(&request)
        && !model.is_3()
    {
        generation.insert("mediaResolution".into(), level.into());
    }
    let (system, contents) = messages::turns(call, std::mem::take(&mut request.messages))?;
    let mut body = Map::new();
    body.insert("contents".into(), value(&contents)?);
    if let Some(system) = system {
        body.insert("systemInstruction".into(), value(&system)?);
    }
    // From its third generation on Gemini runs its own tools beside functions, if it is told to report them; Vertex
    // does not know the field.
    let both = !tools.functions.is_empty() && !tools.hosted.is_empty();
    if model.is_3() && both && service == Service::Studio {
        tools
            .config
            .insert("includeServerSideToolInvocations".into(), true.into());
    }
    let config = std::mem::take(&mut tools.config);
    let list = tools.into_list();
    if !list.is_empty() {
        body.insert("tools".into(), list.into());
    }
    if !config.is_empty() {
        body.insert("toolConfig".into(), config.into());
    }
    if let Some(tier) = tier(request.service_tier.as_deref()) {
        body.insert("serviceTier".into(), tier.into());
    }
    leftovers(request.extra, &mut generation, &mut body);
    if !generation.is_empty() {
        body.insert("generationConfig".into(), generation.into());
    }
    Ok(body)
}

/// The addresses that [`body`] needs the contents of.
pub(crate) fn fetches(call: &Call<'_>) -> Vec<String> {
    if call.op != llm_types::Op::Chat {
        return Vec::new();
    }
    let Some(raw) = call.fields().raw("messages") else {
        return Vec::new();
    };
    if memchr::memmem::find(raw, b"\"http").is_none() {
        return Vec::new();
    }
    let messages: Vec<llm_types::Message> = serde_json::from_slice(raw).unwrap_or_default();
    let contents = messages.into_iter().filter_map(|message| message.content);
    contents
        .flat_map(llm_types::Content::into_parts)
        .filter_map(|part| match Medium::of(&part).ok()??.source {
            super::media::Source::Fetch(url) => Some(url),
            _ => None,
        })
        .collect()
}

fn generation(request: &ChatRequest, model: Model<'_>) -> Result<Map, Error> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    let temperature = request.temperature.clone().map(Value::Number);
    // Below its default Gemini 3 loops; the default is made explicit, as LiteLLM does.
    let default = model.is_3().then(|| json!(1.0));
    set("temperature", temperature.or(default));
    set("topP", request.top_p.clone().map(Value::Number));
    set("candidateCount", request.n.map(Into::into));
    set("stopSequences", request.stop.clone().map(Into::into));
    set("maxOutputTokens", request.output_limit().map(Into::into));
    set(
        "presencePenalty",
        request.presence_penalty.clone().map(Value::Number),
    );
    set(
        "frequencyPenalty",
        request.frequency_penalty.clone().map(Value::Number),
    );
    set("seed", request.seed.clone().map(Value::Number));
    set("responseLogprobs", request.logprobs.map(Into::into));
    set("logprobs", request.top_logprobs.map(Into::into));
    set("thinkingConfig", thinking::config(request, model)?);
    speech(request, &mut config)?;
    if let Some(format) = &request.response_format {
        structure(format, model, &mut config)?;
    }
    Ok(config)
}

/// `modalities` and `audio`.
fn speech(request: &ChatRequest, config: &mut Map) -> Result<(), Error> {
    let modalities = request.modalities.as_ref();
    let upper = |list: &Vec<String>| list.iter().map(|name| name.to_ascii_uppercase()).collect();
    let mut modalities: Vec<String> = modalities.map(upper).unwrap_or_default();
    if let Some(audio) = &request.audio {
        let format = audio.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| format != "pcm16") {
            return Err(Error::bad_request(
                "audio.format",
                "Gemini speaks pcm16 only",
            ));
        }
        if let Some(voice) = audio.get("voice").and_then(Value::as_str) {
            let speech = json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}});
            config.insert("speechConfig".into(), speech);
        }
        if !modalities.iter().any(|name| name == "AUDIO") {
            modalities.push("AUDIO".into());
        }
    }
    if !modalities.is_empty() {
        config.insert("responseModalities".into(), modalities.into());
    }
    Ok(())
}

/// `response_format`.
fn structure(format: &Value, model: Model<'_>, config: &mut Map) -> Result<(), Error> {
    let wanted = match format.get("type").and_then(Value::as_str) {
        None | Some("text") => return Ok(()),
        Some("json_object") => format
            .get("response_schema")
            .or_else(|| format.get("schema")),
        Some("json_schema") => {
            let named = format
                .get("json_schema")
                .and_then(|named| named.get("schema"));
            named.or_else(|| format.get("schema"))
        }
        Some(other) => {
            return Err(Error::bad_request(
                "response_format.type",
                format!("Gemini has no response format '{other}'"),
            ));
        }
    };
    config.insert("responseMimeType".into(), "application/json".into());
    let Some(wanted) = wanted else { return Ok(()) };
    if !model.is_1() {
        config.insert("responseJsonSchema".into(), wanted.clone());
        return Ok(());
    }
    let mut clean = schema::clean(wanted).ok_or_else(|| {
        Error::bad_request(
            "response_format",
            "this model takes no schema that refers to itself",
        )
    })?;
    schema::order_properties(&mut clean);
    config.insert("responseSchema".into(), clean);
    Ok(())
}

/// Before Gemini 3 the resolution is one for all media: the finest that any asks for.
fn common_resolution(request: &ChatRequest) -> Option<&'static str> {
    let order = ["low", "medium", "high"];
    let contents = request
        .messages
        .iter()
        .filter_map(|message| match &message.content {
            Some(llm_types::Content::Parts(parts)) => Some(parts),
            _ => None,
        });
    let details = contents.flatten().filter_map(|part| {
        let medium = part
            .image_url
            .as_ref()
            .or(part.video_url.as_ref())
            .or(part.file.as_ref())?;
        let detail = medium.get("detail")?.as_str()?;
        let detail = if detail == "ultra_high" {
            "high"
        } else {
            detail
        };
        order.iter().position(|name| *name == detail)
    });
    resolution(order.get(details.max()?)?)
}

fn tier(tier: Option<&str>) -> Option<String> {
    match tier?.to_ascii_lowercase().as_str() {
        "auto" => None,
        "default" => Some("standard".into()),
        other => Some(other.to_owned()),
    }
}

/// What OpenAI has no name for: fields of `generationConfig` go there, the rest stands beside it.
fn leftovers(extra: Map, generation: &mut Map, body: &mut Map) {
    for (key, value) in extra {
        let name = camel(&key);
        match (name.as_str(), value) {
            ("generationConfig", Value::Object(config)) => {
                generation.extend(config.into_iter().map(|(key, value)| (camel(&key), value)));
            }
            (known, value) if GENERATION.contains(&known) => {
                generation.insert(name, value);
            }
            ("toolConfig", Value::Object(config)) => {
                let ours = body.entry(name).or_insert_with(|| json!({}));
                if let Value::Object(ours) = ours {
                    ours.extend(config.into_iter().map(|(key, value)| (camel(&key), value)));
                }
            }
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
}

fn value(content: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(content).map_err(|e| Error::bad_request("messages", e.to_string()))
}
