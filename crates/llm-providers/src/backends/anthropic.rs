use llm_types::Op;

use crate::{
    Auth, Params, Provider,
    protocols::{
        anthropic::{Anthropic, settle},
        batch,
    },
};

/// <https://docs.anthropic.com/en/api/messages>
pub(super) const ROW: Provider = Provider {
    name: "anthropic",
    base_url: "https://api.anthropic.com",
    base_env: &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"],
    key_env: &["ANTHROPIC_API_KEY"],
    token_env: &["ANTHROPIC_AUTH_TOKEN"],
    auth: Auth::Anthropic,
    headers: &[("anthropic-version", "2023-06-01")],
    ops: &[Op::Chat, Op::Messages, Op::CountTokens, Op::Batch, Op::File],
    params: Params {
        refuses: REFUSES,
        accepts: &["reasoning_effort", "thinking"],
        user: true,
        stream_options: false,
        ..Params::STANDARD
    },
    keeps: &["*"],
    hosts: &["api.anthropic.com"],
    quirk: Some(settle),
    protocol: &Anthropic,
    wires: &[
        (Op::Batch, &batch::AnthropicBatches),
        (Op::File, &batch::AnthropicResults),
    ],
    docs: "https://docs.anthropic.com/en/api/messages",
    ..Provider::OPENAI_LIKE
};

/// What no host of Claude takes.
pub(super) const REFUSES: &[&str] = &[
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "store",
    "prediction",
];
