use llm_types::Op;

use crate::{Params, Provider, Setting};

/// Vercel AI Gateway: <https://vercel.com/docs/ai-gateway/openai-compat>
pub(super) const ROW: Provider = Provider {
    name: "vercel_ai_gateway",
    base_url: "https://ai-gateway.vercel.sh/v1",
    base_env: &["VERCEL_AI_GATEWAY_API_BASE"],
    key_env: &[
        "VERCEL_AI_GATEWAY_API_KEY",
        "AI_GATEWAY_API_KEY",
        "VERCEL_OIDC_TOKEN",
    ],
    settings: &[
        Setting::new("site_url", &["VERCEL_SITE_URL"]),
        Setting::new("app_name", &["VERCEL_APP_NAME"]),
    ],
    headers: &[("http-referer", "{site_url}"), ("x-title", "{app_name}")],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::THINKING,
    keeps: &["*"],
    docs: "https://vercel.com/docs/ai-gateway/openai-compat",
    ..Provider::OPENAI_LIKE
};
