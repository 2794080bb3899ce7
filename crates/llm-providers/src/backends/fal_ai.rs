use llm_types::Op;

use crate::{
    Auth, Params, Provider,
    protocols::{images, video},
};

/// Fal: <https://docs.fal.ai/model-apis>
pub(super) const ROW: Provider = Provider {
    name: "fal_ai",
    base_url: "https://fal.run",
    base_env: &["FAL_AI_API_BASE"],
    key_env: &["FAL_AI_API_KEY", "FAL_KEY"],
    auth: Auth::Scheme("Key"),
    ops: &[Op::ImageGeneration, Op::ImageEdit, Op::Video],
    params: Params::STANDARD.images(&["n", "size", "response_format", "output_format", "style"]),
    protocol: &images::FAL,
    wires: &[(Op::Video, &video::Fal)],
    docs: "https://docs.fal.ai/model-apis",
    ..Provider::OPENAI_LIKE
};
