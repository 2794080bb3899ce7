use llm_types::{JsonObject, Op};

use crate::{Credential, Error, Params, Provider, protocols::ollama, resolve::Surroundings};

/// Ollama: <https://docs.ollama.com/api>. The key is for ollama.com, or for a proxy before a server of one's own.
pub(super) const ROW: Provider = Provider {
    name: "ollama_chat",
    base_url: "http://localhost:11434",
    base_env: &["OLLAMA_API_BASE"],
    key_env: &["OLLAMA_API_KEY"],
    login: Some(login),
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params {
        refuses: &[
            "n",
            "logit_bias",
            "parallel_tool_calls",
            "modalities",
            "audio",
            "prediction",
            "web_search_options",
            "service_tier",
            "store",
            "prompt_cache_retention",
        ],
        accepts: &["reasoning_effort", "thinking"],
        stream_options: false,
        ..Params::STANDARD
    },
    quirk: Some(ollama::settle),
    protocol: &ollama::Ollama,
    docs: "https://docs.ollama.com/api",
    ..Provider::OPENAI_LIKE
};

/// A server of one's own needs no key.
fn login(_: &mut JsonObject, around: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    let has_key = around.var("OLLAMA_API_KEY").is_some();
    Ok((!has_key).then_some(Credential::None))
}
