use llm_types::Op;

use crate::{Call, Error, Provider, Setting};

/// Cloudflare Workers AI: <https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/>
pub(super) const ROW: Provider = Provider {
    name: "cloudflare",
    base_url: "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
    base_env: &["CLOUDFLARE_API_BASE"],
    key_env: &["CLOUDFLARE_API_KEY"],
    settings: &[Setting::new("account_id", &["CLOUDFLARE_ACCOUNT_ID"])],
    ops: &[Op::Chat, Op::Embedding],
    quirk: Some(readdress),
    docs: "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
    ..Provider::OPENAI_LIKE
};

fn readdress(call: &mut Call<'_>) -> Result<(), Error> {
    call.base_url = current(call.base_url());
    Ok(())
}

/// The addresses of the older API, which are still in people's settings, lead to the newer one.
fn current(base: &str) -> Option<String> {
    let (account, model) = base.split_once("/ai/run")?;
    (model.is_empty() || model.starts_with('/')).then(|| format!("{account}/ai/v1"))
}

#[cfg(test)]
mod tests {
    use super::current;

    #[test]
    fn the_older_api_leads_to_the_newer() {
        let old = "https://api.cloudflare.com/client/v4/accounts/a/ai/run/";
        let new = "https://api.cloudflare.com/client/v4/accounts/a/ai/v1";
        assert_eq!(current(old).as_deref(), Some(new));
        assert_eq!(current(new), None);
    }
}
