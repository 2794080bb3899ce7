use llm_types::Op;

use crate::{Provider, protocols::video};

/// Runway: <https://docs.dev.runwayml.com/api/>
pub(super) const ROW: Provider = Provider {
    name: "runwayml",
    aliases: &["runway"],
    base_url: "https://api.dev.runwayml.com/v1",
    base_env: &["RUNWAYML_API_BASE"],
    key_env: &["RUNWAYML_API_SECRET", "RUNWAYML_API_KEY"],
    ops: &[Op::Video],
    hosts: &["api.dev.runwayml.com"],
    protocol: &video::Runway,
    docs: "https://docs.dev.runwayml.com/api/",
    ..Provider::OPENAI_LIKE
};
