use crate::{Edit, Provider};

/// Google Distributed Cloud: <https://cloud.google.com/distributed-cloud/hosted/docs/latest/gdch/overview>
pub(super) const ROW: Provider = Provider {
    name: "gdc",
    base_env: &["GDC_API_BASE"],
    key_env: &["GDC_API_KEY"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://cloud.google.com/distributed-cloud/hosted/docs/latest/gdch/overview",
    ..Provider::OPENAI_LIKE
};
