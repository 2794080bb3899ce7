use llm_types::Op;

use super::sagemaker_chat;
use crate::{Params, Provider, protocols::sagemaker};

/// Hugging Face's text generation on SageMaker: <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html>
pub(super) const ROW: Provider = Provider {
    name: "sagemaker",
    ops: &[Op::Chat, Op::Embedding],
    params: Params::CLASSIC
        .without(&[
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "response_format",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
            "logprobs",
            "top_logprobs",
        ])
        .without_stream_options()
        .embedding(&[]),
    protocol: &sagemaker::Generate,
    ..sagemaker_chat::ROW
};
