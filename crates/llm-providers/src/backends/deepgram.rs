use llm_types::Op;

use crate::{Auth, Call, Error, Provider, params, protocols::audio};

/// Deepgram: <https://developers.deepgram.com/reference>
pub(super) const ROW: Provider = Provider {
    name: "deepgram",
    base_url: "https://api.deepgram.com",
    base_env: &["DEEPGRAM_API_BASE"],
    key_env: &["DEEPGRAM_API_KEY"],
    auth: Auth::Scheme("Token"),
    ops: &[Op::Transcription, Op::Speech],
    quirk: Some(quirk),
    protocol: &audio::DEEPGRAM,
    wires: &[(Op::Transcription, &audio::DeepgramListens)],
    docs: "https://developers.deepgram.com/reference",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    match call.op {
        Op::Speech => params::refuse(call, &["instructions", "speed"]),
        _ => params::refuse(call, &["prompt", "temperature", "stream"]),
    }
}
