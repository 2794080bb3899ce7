use llm_types::Op;

use crate::{Edit, Provider};

/// Lambda: <https://docs.lambda.ai/public-cloud/lambda-inference-api/>
pub(super) const ROW: Provider = Provider {
    name: "lambda_ai",
    base_url: "https://api.lambda.ai/v1",
    base_env: &["LAMBDA_API_BASE"],
    key_env: &["LAMBDA_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.lambda.ai/public-cloud/lambda-inference-api/",
    ..Provider::OPENAI_LIKE
};
