//! The vendors: one row each.

use llm_types::{Map, Op, Verb};

use crate::{Call, Error, Kind, Provider, Target, params};

mod abliteration;
mod ai21;
mod aihubmix;
mod aiml;
mod aiohttp_openai;
mod amazon_nova;
mod anthropic;
mod anthropic_text;
mod anyscale;
mod apertis;
mod assemblyai;
mod avian;
mod aws_polly;
mod azure;
mod azure_ai;
mod azure_text;
mod baseten;
mod bedrock;
mod bedrock_mantle;
mod black_forest_labs;
mod brave;
mod bytez;
mod cerebras;
mod charity_engine;
mod chutes;
mod clarifai;
mod cloudflare;
mod codestral;
mod cognition;
mod cohere;
mod cometapi;
mod compactifai;
mod cortecs;
mod crusoe;
mod custom_openai;
mod darkbloom;
mod dashscope;
mod databricks;
mod dataforseo;
mod datarobot;
mod deepgram;
mod deepinfra;
mod deepseek;
mod demo;
mod docker_model_runner;
mod doubleword;
mod edenai;
mod elevenlabs;
mod empiriolabs;
mod empower;
mod exa_ai;
mod fal_ai;
mod featherless_ai;
mod firecrawl;
mod fireworks_ai;
mod friendliai;
mod galadriel;
mod gdc;
mod gemini;
mod gigachat;
mod github;
mod github_copilot;
mod gmi;
mod google_pse;
mod gradient_ai;
mod groq;
mod helicone;
mod heroku;
mod hosted_vllm;
mod huggingface;
mod hyperbolic;
mod inception;
mod infinity;
mod jina_ai;
mod lambda_ai;
mod lemonade;
mod libertai;
mod linkup;
mod litellm_proxy;
mod llamacpp;
mod llamafile;
mod llamagate;
mod lm_studio;
mod maritalk;
mod meta;
mod meta_llama;
mod minimax;
mod mistral;
mod mistralrs;
mod modelscope;
mod modelslab;
mod moonshot;
mod morph;
mod nadir;
mod nano_gpt;
mod nebius;
mod neosantara;
mod novita;
mod nscale;
mod nvidia_nim;
mod ollama;
mod ollama_chat;
mod oobabooga;
mod openai;
mod openai_like;
mod openrouter;
mod ovhcloud;
mod parallel_ai;
mod parasail;
mod perplexity;
mod pinstripes;
mod poe;
mod prism;
mod publicai;
mod qwen_ai_platform;
mod qwencloud;
mod ragflow;
mod recraft;
mod reka;
mod replicate;
mod runwayml;
mod sagemaker;
mod sagemaker_chat;
mod sagemaker_nova;
mod sail;
mod sambanova;
mod sarvam;
mod scaleway;
mod scx_ai;
mod searchapi;
mod searxng;
mod serper;
mod siliconflow;
mod snowflake;
mod stability;
mod synthetic;
mod tavily;
mod tencent;
mod tensormesh;
mod text_completion_codestral;
mod text_completion_inception;
mod text_completion_openai;
mod together_ai;
mod upstage;
mod v0;
mod veniceai;
mod vercel_ai_gateway;
mod vertex_ai;
mod vllm;
mod volcengine;
mod voyage;
mod wandb;
mod watsonx;
mod writer;
mod xai;
mod xiaomi_mimo;
mod xinference;
mod you_com;
mod zai;
mod zenmux;

/// Every backend.
pub const ALL: &[&Provider] = &[
    &abliteration::ROW,
    &ai21::ROW,
    &aihubmix::ROW,
    &aiml::ROW,
    &aiohttp_openai::ROW,
    &amazon_nova::ROW,
    &anthropic::ROW,
    &anthropic_text::ROW,
    &anyscale::ROW,
    &apertis::ROW,
    &assemblyai::ROW,
    &avian::ROW,
    &aws_polly::ROW,
    &azure::ROW,
    &azure_ai::ROW,
    &azure_text::ROW,
    &baseten::ROW,
    &bedrock::ROW,
    &bedrock_mantle::ROW,
    &black_forest_labs::ROW,
    &brave::ROW,
    &bytez::ROW,
    &cerebras::ROW,
    &charity_engine::ROW,
    &chutes::ROW,
    &clarifai::ROW,
    &cloudflare::ROW,
    &codestral::ROW,
    &cognition::ROW,
    &cohere::ROW,
    &cometapi::ROW,
    &compactifai::ROW,
    &cortecs::ROW,
    &crusoe::ROW,
    &custom_openai::ROW,
    &darkbloom::ROW,
    &dashscope::ROW,
    &databricks::ROW,
    &dataforseo::ROW,
    &datarobot::ROW,
    &deepgram::ROW,
    &deepinfra::ROW,
    &deepseek::ROW,
    &demo::ROW,
    &docker_model_runner::ROW,
    &doubleword::ROW,
    &edenai::ROW,
    &elevenlabs::ROW,
    &empiriolabs::ROW,
    &empower::ROW,
    &exa_ai::ROW,
    &fal_ai::ROW,
    &featherless_ai::ROW,
    &firecrawl::ROW,
    &fireworks_ai::ROW,
    &friendliai::ROW,
    &galadriel::ROW,
    &gdc::ROW,
    &gemini::ROW,
    &gigachat::ROW,
    &github::ROW,
    &github_copilot::ROW,
    &gmi::ROW,
    &google_pse::ROW,
    &gradient_ai::ROW,
    &groq::ROW,
    &helicone::ROW,
    &heroku::ROW,
    &hosted_vllm::ROW,
    &huggingface::ROW,
    &hyperbolic::ROW,
    &inception::ROW,
    &infinity::ROW,
    &jina_ai::ROW,
    &lambda_ai::ROW,
    &lemonade::ROW,
    &libertai::ROW,
    &linkup::ROW,
    &litellm_proxy::ROW,
    &llamacpp::ROW,
    &llamafile::ROW,
    &llamagate::ROW,
    &lm_studio::ROW,
    &maritalk::ROW,
    &meta::ROW,
    &meta_llama::ROW,
    &minimax::ROW,
    &mistral::ROW,
    &mistralrs::ROW,
    &modelscope::ROW,
    &modelslab::ROW,
    &moonshot::ROW,
    &morph::ROW,
    &nadir::ROW,
    &nano_gpt::ROW,
    &nebius::ROW,
    &neosantara::ROW,
    &novita::ROW,
    &nscale::ROW,
    &nvidia_nim::ROW,
    &ollama::ROW,
    &ollama_chat::ROW,
    &oobabooga::ROW,
    &openai::ROW,
    &openai_like::ROW,
    &openrouter::ROW,
    &ovhcloud::ROW,
    &parallel_ai::ROW,
    &parasail::ROW,
    &perplexity::ROW,
    &pinstripes::ROW,
    &poe::ROW,
    &prism::ROW,
    &publicai::ROW,
    &qwen_ai_platform::ROW,
    &qwencloud::ROW,
    &ragflow::ROW,
    &recraft::ROW,
    &reka::ROW,
    &replicate::ROW,
    &runwayml::ROW,
    &sagemaker::ROW,
    &sagemaker_chat::ROW,
    &sagemaker_nova::ROW,
    &sail::ROW,
    &sambanova::ROW,
    &sarvam::ROW,
    &scaleway::ROW,
    &scx_ai::ROW,
    &searchapi::ROW,
    &searxng::ROW,
    &serper::ROW,
    &siliconflow::ROW,
    &snowflake::ROW,
    &stability::ROW,
    &synthetic::ROW,
    &tavily::ROW,
    &tencent::ROW,
    &tensormesh::ROW,
    &text_completion_codestral::ROW,
    &text_completion_inception::ROW,
    &text_completion_openai::ROW,
    &together_ai::ROW,
    &upstage::ROW,
    &v0::ROW,
    &veniceai::ROW,
    &vercel_ai_gateway::ROW,
    &vertex_ai::ROW,
    &vllm::ROW,
    &volcengine::ROW,
    &voyage::ROW,
    &wandb::ROW,
    &watsonx::ROW,
    &writer::ROW,
    &xai::ROW,
    &xiaomi_mimo::ROW,
    &xinference::ROW,
    &you_com::ROW,
    &zai::ROW,
    &zenmux::ROW,
];

/// The backend with this name or alias.
pub fn lookup(name: &str) -> Option<&'static Provider> {
    ALL.iter()
        .copied()
        .find(|row| row.name == name || row.aliases.contains(&name))
}

/// Providers that an error names at most.
const NAMED: usize = 40;

/// The one answer to an operation that a target does not do: it names the providers that do.
pub(crate) fn unsupported(target: &Target, op: Op) -> Error {
    let name = target.provider.name;
    let message = if target.provider.speaks(op) {
        format!(
            "{name} does not support {} with {}",
            op.name(),
            target.model
        )
    } else {
        let who = able(|row| row.speaks(op));
        format!("{name} does not support {}; {who}", op.name())
    };
    Error::new(Kind::Unsupported, message).of(name)
}

/// The answer to what a provider does not do with what it makes.
pub(crate) fn undone(provider: &Provider, op: Op, verb: Verb) -> Error {
    let who = able(|row| row.does(op, verb));
    let what = op.function(verb);
    let message = format!("{} does not support {what}; {who}", provider.name);
    Error::new(Kind::Unsupported, message).of(provider.name)
}

/// Who can do something, in words.
fn able(can: impl Fn(&Provider) -> bool) -> String {
    let able: Vec<&str> = ALL
        .iter()
        .filter(|row| can(row))
        .map(|row| row.name)
        .collect();
    match able.as_slice() {
        [] => "no provider does yet".to_owned(),
        few if few.len() <= NAMED => format!("these do: {}", few.join(", ")),
        many => format!(
            "these do: {} and {} others",
            many[..NAMED].join(", "),
            many.len() - NAMED
        ),
    }
}

/// For vendors that refuse a `name` on messages of some roles.
fn drop_message_names(call: &mut Call<'_>, of: impl Fn(&str) -> bool) -> Result<(), Error> {
    let body = call.fields_mut();
    if !params::mentions(body, "messages", "\"name\"") {
        return Ok(());
    }
    let mut dropped = false;
    let unless_of = |message: &mut Map| {
        let role = message.get("role").and_then(|role| role.as_str());
        if role.is_some_and(&of) && message.shift_remove("name").is_some() {
            dropped = true;
        }
    };
    params::edit_messages(body, unless_of)?;
    if dropped {
        call.notice("name", "not sent: this provider takes no names on messages");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_aliases_are_unique() {
        let mut seen = BTreeSet::new();
        for row in ALL {
            for name in row.aliases.iter().chain([&row.name]) {
                assert!(seen.insert(*name), "{name} is there twice");
            }
        }
    }

    #[test]
    fn rows_are_whole() {
        for row in ALL {
            assert!(row.docs.starts_with("https://"), "{} has no docs", row.name);
            assert!(!row.base_url.ends_with('/'), "{}", row.name);
            assert!(!row.ops.is_empty(), "{}", row.name);
        }
    }
}
