use llm_types::Op;

use crate::{
    Call, Error, ModelFacts, Params, Provider, Setting, params,
    protocols::{audio, moderation},
};

/// OpenAI: <https://platform.openai.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "openai",
    aliases: &["sora"],
    base_url: "https://api.openai.com/v1",
    base_env: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    key_env: &["OPENAI_API_KEY"],
    settings: &[
        Setting::new("organization", &["OPENAI_ORGANIZATION", "OPENAI_ORG_ID"]),
        Setting::new("project", &["OPENAI_PROJECT"]),
    ],
    headers: &[
        ("openai-organization", "{organization}"),
        ("openai-project", "{project}"),
    ],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Moderation,
        Op::Responses,
        Op::Speech,
        Op::File,
        Op::Batch,
        Op::ImageEdit,
        Op::ImageVariation,
        Op::Transcription,
        Op::Translation,
        Op::Video,
        Op::FineTuning,
        Op::Realtime,
    ],
    params: UNKNOWN,
    model_params: Some(model_params),
    keeps: &["cache_control"],
    quirk: Some(quirk),
    wires: &[
        (Op::Moderation, &moderation::OpenAis),
        (Op::Speech, &audio::Chat),
    ],
    docs: "https://platform.openai.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};

/// A name nobody knows: a new model, or another server behind a base URL.
const UNKNOWN: Params = Params::STANDARD
    .with(&["reasoning_effort", "verbosity"])
    .with_user();

/// gpt-3.5, gpt-4 and their kin.
const CLASSIC: Params = Params::STANDARD.with_user();

const O_SERIES: Params = Params {
    developer: true,
    ..Params::REASONING
        .without(&[
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "logprobs",
            "top_logprobs",
        ])
        .with_user()
};

const GPT_5: Params = Params {
    developer: true,
    ..Params::STANDARD
        .with(&["reasoning_effort", "verbosity"])
        .without(&[
            "stop",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "modalities",
            "audio",
            "web_search_options",
        ])
        .with_user()
};

/// DALL-E 2 and 3. The first has one style, and one quality.
const DALL_E_2: Params = UNKNOWN.images(&["n", "size", "quality", "response_format"]);
const DALL_E_3: Params = UNKNOWN.images(&["n", "size", "quality", "style", "response_format"]);

/// GPT's image models, which never answer with an address.
const GPT_IMAGE: Params = UNKNOWN.images(&[
    "n",
    "size",
    "quality",
    "output_format",
    "output_compression",
    "background",
    "moderation",
    "stream",
    "partial_images",
    "b64_json",
]);

/// What one of OpenAI's models takes, at OpenAI or on Azure.
pub(super) fn model_params(model: &str, facts: &ModelFacts) -> Params {
    match family(model) {
        Family::OSeries => O_SERIES,
        Family::Gpt5 { .. } => GPT_5,
        Family::Classic => CLASSIC,
        Family::DallE2 => DALL_E_2,
        Family::DallE3 => DALL_E_3,
        Family::GptImage => GPT_IMAGE,
        Family::Ada002 => UNKNOWN.embedding(&["encoding_format"]),
        Family::Other if facts.supports("reasoning") == Some(false) => CLASSIC,
        Family::Other => UNKNOWN,
    }
}

#[derive(Debug, PartialEq)]
enum Family {
    OSeries,
    /// From 5.1 on a model does not think unless it is asked to.
    Gpt5 {
        thinks_by_default: bool,
    },
    Classic,
    Ada002,
    DallE2,
    DallE3,
    GptImage,
    Other,
}

fn family(model: &str) -> Family {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    if ["o1", "o3", "o4"].iter().any(|o| {
        name.strip_prefix(o)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }) {
        return Family::OSeries;
    }
    if let Some(rest) = name.strip_prefix("gpt-5") {
        if rest.contains("-chat") || rest.contains("-search") {
            return Family::Classic;
        }
        let minor = rest.strip_prefix('.').and_then(|r| r.bytes().next());
        let thinks_by_default = minor.is_none_or(|digit| digit == b'0')
            || rest.contains("codex")
            || rest.contains("-pro");
        return Family::Gpt5 { thinks_by_default };
    }
    if name.starts_with("gpt-image") || name.starts_with("chatgpt-image") {
        return Family::GptImage;
    }
    if ["gpt-3.5", "gpt-4", "chatgpt-", "gpt-audio"]
        .iter()
        .any(|old| name.starts_with(old))
    {
        return Family::Classic;
    }
    match name {
        "text-embedding-ada-002" => Family::Ada002,
        "dall-e-2" => Family::DallE2,
        "dall-e-3" => Family::DallE3,
        _ => Family::Other,
    }
}

/// Rules that depend on values: thinking models take one temperature and one name for the output limit.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let target = call.target;
    quirk_of(call, &target.model)
}

/// The same for a model of another name: on Azure, a deployment's.
pub(super) fn quirk_of(call: &mut Call<'_>, name: &str) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    match family(name) {
        Family::OSeries => {
            call.fields_mut()
                .rename("max_tokens", "max_completion_tokens");
            if call.target.facts.supports("parallel_function_calling") == Some(false) {
                params::refuse(call, &["parallel_tool_calls"])?;
            }
            only_temperature_one(call)
        }
        Family::Gpt5 { thinks_by_default } => {
            call.fields_mut()
                .rename("max_tokens", "max_completion_tokens");
            let effort = effort(call)?;
            known_effort(call, effort.as_deref())?;
            let thinks = effort.map_or(thinks_by_default, |effort| effort != "none");
            if !thinks {
                return Ok(());
            }
            params::refuse(call, &["top_p", "logprobs", "top_logprobs"])?;
            only_temperature_one(call)
        }
        _ => Ok(()),
    }
}

/// The level, which may come with a wish for summaries: `{effort, summary}`. The wish is only the Responses API's.
fn effort(call: &mut Call<'_>) -> Result<Option<String>, Error> {
    let body = call.fields_mut();
    if body
        .raw("reasoning_effort")
        .is_some_and(|raw| raw.starts_with(b"{"))
    {
        let both: llm_types::Map = body.get("reasoning_effort")?.unwrap_or_default();
        match both.get("effort").and_then(|effort| effort.as_str()) {
            Some(effort) => body.set_str("reasoning_effort", effort),
            None => {
                body.remove("reasoning_effort");
            }
        }
    }
    Ok(call
        .fields()
        .str("reasoning_effort")
        .map(|e| e.into_owned()))
}

/// Levels that only some models have, as the price table says.
fn known_effort(call: &mut Call<'_>, effort: Option<&str>) -> Result<(), Error> {
    let flag = match effort {
        Some("none") => "none_reasoning_effort",
        Some("minimal") => "minimal_reasoning_effort",
        Some("xhigh") => "xhigh_reasoning_effort",
        _ => return Ok(()),
    };
    match call.target.facts.supports(flag) {
        Some(false) => params::refuse(call, &["reasoning_effort"]),
        _ => Ok(()),
    }
}

fn only_temperature_one(call: &mut Call<'_>) -> Result<(), Error> {
    match call.fields().get::<f64>("temperature")? {
        Some(temperature) if temperature != 1.0 => params::refuse(call, &["temperature"]),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_apart() {
        let thinks = Family::Gpt5 {
            thinks_by_default: true,
        };
        let still = Family::Gpt5 {
            thinks_by_default: false,
        };
        let cases = [
            ("o1", Family::OSeries),
            ("o3-mini-2025-01-31", Family::OSeries),
            ("o1000", Family::Other),
            ("gpt-5-mini", thinks),
            ("gpt-5.2", still),
            ("gpt-5-chat-latest", Family::Classic),
            ("gpt-4o", Family::Classic),
            ("ft:gpt-4o:acme::1", Family::Classic),
            ("dall-e-3", Family::DallE3),
            ("gpt-image-1-mini", Family::GptImage),
            ("llama-3", Family::Other),
        ];
        for (model, expected) in cases {
            assert_eq!(family(model), expected, "{model}");
        }
    }
}
