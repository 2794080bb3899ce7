use llm_types::Op;

use crate::{Params, Provider, protocols::rerank};

/// llama.cpp's server: <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>
pub(super) const ROW: Provider = Provider {
    name: "llamacpp",
    aliases: &["llama_cpp"],
    base_url: "http://localhost:8080/v1",
    base_env: &["LLAMACPP_API_BASE"],
    key_env: &["LLAMACPP_API_KEY"],
    key_default: "no-key",
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Rerank],
    params: Params::THINKING,
    keeps: &["*"],
    wires: &[(Op::Rerank, &rerank::TEXTS)],
    docs: "https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
    ..Provider::OPENAI_LIKE
};
