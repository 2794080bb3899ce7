use llm_types::Op;

use crate::{Params, Provider, protocols::fim};

/// Inception's fill-in-the-middle: <https://docs.inceptionlabs.ai/>
pub(super) const ROW: Provider = Provider {
    name: "text-completion-inception",
    base_url: "https://api.inceptionlabs.ai/v1",
    base_env: &["INCEPTION_API_BASE"],
    key_env: &["INCEPTION_API_KEY"],
    ops: &[Op::Completion],
    paths: &[(Op::Completion, "/fim/completions")],
    params: Params::CLASSIC,
    protocol: &fim::Fim,
    docs: "https://docs.inceptionlabs.ai/",
    ..Provider::OPENAI_LIKE
};
