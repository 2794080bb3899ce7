use llm_types::Op;

use crate::{
    Auth, Params, Provider, Setting,
    auth::aws,
    protocols::{batch, bedrock},
};

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
        Setting::new("s3_bucket_name", &["AWS_S3_BUCKET_NAME"]),
        Setting::new("s3_output_bucket_name", &["AWS_S3_OUTPUT_BUCKET_NAME"]),
        Setting::new("s3_endpoint_url", &[]),
        Setting::new("s3_encryption_key_id", &["AWS_S3_ENCRYPTION_KEY_ID"]),
        Setting::new("aws_batch_role_arn", &["AWS_BATCH_ROLE_ARN"]),
    ],
    ops: &[
        Op::Chat,
        Op::Messages,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
        Op::Batch,
        Op::File,
    ],
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
            .images(&["n", "size", "quality", "style", "output_format", "b64_json"])
    },
    keeps: &["*"],
    quirk: Some(bedrock::settle),
    protocol: &bedrock::Bedrock,
    outside: Some(bedrock::outside),
    wires: &[
        (Op::Rerank, &bedrock::Rerank),
        (Op::ImageGeneration, &bedrock::IMAGES),
        (Op::Batch, &batch::BedrockBatches),
        (Op::File, &batch::BedrockFiles),
    ],
    docs: "https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference.html",
    ..Provider::OPENAI_LIKE
};
