use llm_types::Op;

use crate::{Auth, Params, Provider, params::thoughts::SIGNED_IDS, protocols};

/// <https://ai.google.dev/api/generate-content>
pub(super) const ROW: Provider = Provider {
    name: "gemini",
    base_url: "https://generativelanguage.googleapis.com",
    base_env: &["GEMINI_API_BASE"],
    key_env: &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
    auth: Auth::Google,
    ops: &[
        Op::Chat,
        Op::Embedding,
        Op::ImageGeneration,
        Op::GenerateContent,
        Op::CountTokens,
        Op::ImageEdit,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
        Op::Realtime,
        Op::Video,
    ],
    params: Params::STANDARD
        .without(&["logit_bias", "logprobs", "top_logprobs"])
        .with(&["reasoning_effort", "thinking"])
        .images(&["n", "size", "b64_json"]),
    keeps: &[SIGNED_IDS],
    hosts: &["generativelanguage.googleapis.com"],
    quirk: Some(protocols::gemini::settle),
    protocol: &protocols::gemini::Gemini,
    wires: &[
        (Op::ImageGeneration, &protocols::gemini::images::STUDIO),
        (Op::ImageEdit, &protocols::gemini::images::STUDIO),
        (Op::Transcription, &protocols::audio::GeminiTranscription),
        (Op::Translation, &protocols::audio::GeminiTranscription),
        (Op::Speech, &protocols::audio::GeminiSpeech),
        (Op::Video, &protocols::video::Veo::Studio),
    ],
    docs: "https://ai.google.dev/api/generate-content",
    ..Provider::OPENAI_LIKE
};
