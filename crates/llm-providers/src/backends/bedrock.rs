use llm_types::Op;

use crate::{Auth, Params, Provider, Setting, auth::aws, protocols::bedrock};

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>
pub(super) const ROW: Provider = Provider {
    name: "bedrock",
    aliases: &["bedrock_converse"],
    base_url: "https://bedrock-runtime.{aws_region_name}.amazonaws.com",
    base_env: &["AWS_BEDROCK_RUNTIME_ENDPOINT"],
    key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
    auth: Auth::SigV4 { service: "bedrock" },
    login: Some(aws::login),
    settings: &[
        aws::REGION,
        Setting::new("aws_bedrock_runtime_endpoint", &[]),
    ],
    ops: &[Op::Chat, Op::Messages, Op::Embedding, Op::Rerank],
    model_speaks: Some(bedrock::speaks),
    params: Params {
        stream_options: false,
        ..Params::STANDARD
            .without(&[
                "n",
                "presence_penalty",
                "frequency_penalty",
                "logit_bias",
                "seed",
                "logprobs",
                "top_logprobs",
                "modalities",
                "prediction",
                "audio",
                "store",
            ])
            .with(&["reasoning_effort", "thinking", "max_tokens_per_doc"])
    },
    keeps: &["*"],
    quirk: Some(bedrock::settle),
    protocol: &bedrock::Bedrock,
    outside: Some(bedrock::outside),
    wires: &[(Op::Rerank, &bedrock::Rerank)],
    docs: "https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference.html",
    ..Provider::OPENAI_LIKE
};
