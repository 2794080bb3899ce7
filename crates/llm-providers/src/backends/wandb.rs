use llm_types::Op;

use crate::{Edit, Params, Provider, Setting};

/// W&B Inference: <https://docs.wandb.ai/guides/inference/>
pub(super) const ROW: Provider = Provider {
    name: "wandb",
    base_url: "https://api.inference.wandb.ai/v1",
    base_env: &["WANDB_API_BASE"],
    key_env: &["WANDB_API_KEY"],
    // Whose usage it is, where somebody says it.
    settings: &[Setting::new("project", &[])],
    headers: &[("openai-project", "{project}")],
    ops: &[Op::Chat, Op::Completion],
    params: Params::REASONING,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.wandb.ai/guides/inference/",
    ..Provider::OPENAI_LIKE
};
