use llm_types::Op;

use crate::{Edit, Params, Provider};

/// GigaChat: <https://developers.sber.ru/docs/ru/gigachat/api/overview>
pub(super) const ROW: Provider = Provider {
    name: "gigachat",
    base_url: "https://gigachat.devices.sberbank.ru/api/v1",
    base_env: &["GIGACHAT_API_BASE"],
    key_env: &["GIGACHAT_API_KEY", "GIGACHAT_ACCESS_TOKEN"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::CLASSIC.without(&[
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "seed",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
    ]),
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://developers.sber.ru/docs/ru/gigachat/api/overview",
    ..Provider::OPENAI_LIKE
};
