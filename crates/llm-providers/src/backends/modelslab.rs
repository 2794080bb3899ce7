use llm_types::Op;

use crate::{
    Auth, Params, Provider,
    protocols::{images, video},
};

/// ModelsLab: <https://docs.modelslab.com/>
pub(super) const ROW: Provider = Provider {
    name: "modelslab",
    base_url: "https://modelslab.com/api/v6",
    base_env: &["MODELSLAB_API_BASE"],
    key_env: &["MODELSLAB_API_KEY"],
    auth: Auth::Field("key"),
    ops: &[Op::ImageGeneration, Op::Video],
    params: Params::STANDARD.images(&["n", "size", "url"]),
    protocol: &images::MODELSLAB,
    wires: &[(Op::Video, &video::ModelsLab)],
    docs: "https://docs.modelslab.com/",
    ..Provider::OPENAI_LIKE
};
