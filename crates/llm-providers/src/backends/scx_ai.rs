use crate::{Call, Edit, Error, Params, Provider};

/// SCX: <https://docs.scx.ai/>
pub(super) const ROW: Provider = Provider {
    name: "scx-ai",
    base_url: "https://api.scx.ai/v1",
    base_env: &["SCX_API_BASE"],
    key_env: &["SCX_API_KEY"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    docs: "https://docs.scx.ai/",
    ..Provider::OPENAI_LIKE
};

/// It refuses a temperature of 2.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    const MOST: f64 = 1.99;
    let body = call.fields_mut();
    if body.get::<f64>("temperature")?.is_some_and(|t| t > MOST) {
        body.set("temperature", &MOST);
        call.notice(
            "temperature",
            "lowered to 1.99, the most this provider takes",
        );
    }
    Ok(())
}
