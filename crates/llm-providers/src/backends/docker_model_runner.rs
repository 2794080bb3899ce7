use llm_types::Op;

use crate::{Edit, Provider};

/// Docker Model Runner: <https://docs.docker.com/ai/model-runner/api-reference/>
pub(super) const ROW: Provider = Provider {
    name: "docker_model_runner",
    base_url: "http://localhost:12434/engines/llama.cpp/v1",
    base_path: "/v1",
    base_env: &["DOCKER_MODEL_RUNNER_API_BASE"],
    key_env: &["DOCKER_MODEL_RUNNER_API_KEY"],
    key_default: "dummy",
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    keeps: &["*"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.docker.com/ai/model-runner/api-reference/",
    ..Provider::OPENAI_LIKE
};
