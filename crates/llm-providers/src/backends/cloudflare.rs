use llm_types::Op;

use crate::{Provider, Setting};

/// Cloudflare Workers AI: <https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/>
pub(super) const ROW: Provider = Provider {
    name: "cloudflare",
    base_url: "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
    base_env: &["CLOUDFLARE_API_BASE"],
    key_env: &["CLOUDFLARE_API_KEY"],
    settings: &[Setting::new("account_id", &["CLOUDFLARE_ACCOUNT_ID"])],
    ops: &[Op::Chat, Op::Embedding],
    docs: "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
    ..Provider::OPENAI_LIKE
};
