use llm_types::Op;

use crate::{Params, Provider, Setting};

/// OpenAI's legacy text completions, under LiteLLM's name for them: <https://platform.openai.com/docs/api-reference/completions>
pub(super) const ROW: Provider = Provider {
    name: "text-completion-openai",
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
    ops: &[Op::Completion],
    params: Params::STANDARD.with_user(),
    docs: "https://platform.openai.com/docs/api-reference/completions",
    ..Provider::OPENAI_LIKE
};
