use llm_types::Op;

use crate::{
    Auth, ModelFacts, Params, Provider, Setting,
    auth::google::{PROJECT_ENV, login},
    params::thoughts::SIGNED_IDS,
    protocols::{batch, vertex},
};

/// <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>
pub(super) const ROW: Provider = Provider {
    name: "vertex_ai",
    aliases: &["vertex_ai_beta"],
    base_url: "https://aiplatform.googleapis.com",
    base_env: &["VERTEXAI_API_BASE", "VERTEX_API_BASE"],
    auth: Auth::Google,
    login: Some(login),
    settings: &[
        Setting::new("vertex_project", PROJECT_ENV),
        Setting::new(
            "vertex_location",
            &[
                "VERTEXAI_LOCATION",
                "VERTEX_LOCATION",
                "GOOGLE_CLOUD_LOCATION",
                "GOOGLE_CLOUD_REGION",
            ],
        )
        .or(vertex::LOCATION),
        Setting::new("gcs_bucket_name", &["GCS_BUCKET_NAME"]),
    ],
    ops: &[
        Op::Chat,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Messages,
        Op::CountTokens,
        Op::GenerateContent,
        Op::Rerank,
        Op::Ocr,
        Op::ImageEdit,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
        Op::Realtime,
        Op::Video,
        Op::Batch,
        Op::File,
        Op::FineTuning,
    ],
    model_speaks: Some(vertex::speaks),
    params: Params::THINKING,
    model_params: Some(params),
    keeps: &[SIGNED_IDS],
    hosts: &["aiplatform.googleapis.com"],
    quirk: Some(vertex::settle),
    protocol: &vertex::Vertex,
    outside: Some(vertex::outside),
    wires: &[
        (Op::Rerank, &vertex::Rerank),
        (Op::Ocr, &vertex::Ocr),
        (Op::ImageGeneration, &vertex::IMAGES),
        (Op::ImageEdit, &vertex::IMAGES),
        (
            Op::Transcription,
            &crate::protocols::audio::GeminiTranscription,
        ),
        (
            Op::Translation,
            &crate::protocols::audio::GeminiTranscription,
        ),
        (Op::Speech, &crate::protocols::audio::GeminiSpeech),
        (Op::Video, &crate::protocols::video::Veo::Vertex),
        (Op::Batch, &batch::VertexBatches),
        (Op::File, &batch::VertexFiles),
        (Op::FineTuning, &vertex::Tuning),
    ],
    docs: "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    ..Provider::OPENAI_LIKE
};

fn params(model: &str, _: &ModelFacts) -> Params {
    vertex::params(model, super::anthropic::ROW.params)
}
