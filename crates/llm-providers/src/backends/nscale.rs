use crate::{Params, Provider};

/// Nscale: <https://docs.nscale.com/>
pub(super) const ROW: Provider = Provider {
    name: "nscale",
    base_url: "https://inference.api.nscale.com/v1",
    base_env: &["NSCALE_API_BASE"],
    key_env: &["NSCALE_API_KEY", "NSCALE_SERVICE_TOKEN"],
    params: Params::CLASSIC.without(&["parallel_tool_calls", "functions", "function_call"]),
    docs: "https://docs.nscale.com/",
    ..Provider::OPENAI_LIKE
};
