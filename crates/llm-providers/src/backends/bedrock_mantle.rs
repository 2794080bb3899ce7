use llm_types::Op;

use crate::{Auth, Edit, Params, Provider, auth::aws, protocols::bedrock};

/// Bedrock's OpenAI-compatible endpoint: <https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html>
pub(super) const ROW: Provider = Provider {
    name: "bedrock_mantle",
    base_url: "https://bedrock-mantle.{aws_region_name}.api.aws/v1",
    base_env: &["BEDROCK_MANTLE_API_BASE"],
    key_env: &["AWS_BEARER_TOKEN_BEDROCK", "BEDROCK_MANTLE_API_KEY"],
    auth: Auth::SigV4 { service: "bedrock" },
    login: Some(aws::login_to_mantle),
    settings: &[aws::MANTLE_REGION],
    ops: &[Op::Chat, Op::Responses],
    model_speaks: Some(bedrock::mantle_speaks),
    params: Params::REASONING,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    keeps: &["reasoning"],
    protocol: &bedrock::Mantle,
    docs: "https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html",
    ..Provider::OPENAI_LIKE
};
