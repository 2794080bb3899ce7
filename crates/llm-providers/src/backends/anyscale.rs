use crate::Provider;

/// Anyscale Endpoints: <https://docs.anyscale.com/>
pub(super) const ROW: Provider = Provider {
    name: "anyscale",
    base_url: "https://api.endpoints.anyscale.com/v1",
    base_env: &["ANYSCALE_API_BASE"],
    key_env: &["ANYSCALE_API_KEY"],
    docs: "https://docs.anyscale.com/",
    ..Provider::OPENAI_LIKE
};
