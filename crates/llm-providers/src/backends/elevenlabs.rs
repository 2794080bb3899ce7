use llm_types::Op;

use crate::{Auth, Call, Error, Provider, params, protocols::audio};

/// ElevenLabs: <https://elevenlabs.io/docs/api-reference/introduction>
pub(super) const ROW: Provider = Provider {
    name: "elevenlabs",
    base_url: "https://api.elevenlabs.io",
    base_env: &["ELEVENLABS_API_BASE"],
    key_env: &["ELEVENLABS_API_KEY"],
    auth: Auth::Header("xi-api-key"),
    ops: &[Op::Transcription, Op::Speech],
    quirk: Some(quirk),
    protocol: &audio::ELEVENLABS,
    wires: &[(Op::Transcription, &audio::ElevenLabsListens)],
    docs: "https://elevenlabs.io/docs/api-reference/introduction",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    match call.op {
        Op::Speech => params::refuse(call, &["instructions"]),
        _ => params::refuse(call, &["prompt", "stream"]),
    }
}
