use crate::{Call, Error, Provider, path};

/// RAGFlow: <https://ragflow.io/docs/dev/http_api_reference>
pub(super) const ROW: Provider = Provider {
    name: "ragflow",
    base_env: &["RAGFLOW_API_BASE"],
    key_env: &["RAGFLOW_API_KEY"],
    quirk: Some(quirk),
    docs: "https://ragflow.io/docs/dev/http_api_reference",
    ..Provider::OPENAI_LIKE
};

/// The model is `chat/ID/MODEL` or `agent/ID/MODEL`: the first two parts belong to the address.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let parts: Vec<&str> = call.target.model.splitn(3, '/').collect();
    let [kind @ ("chat" | "agent"), id, model] = parts[..] else {
        return Err(Error::bad_request(
            "model",
            "a RAGFlow model is 'chat/ID/MODEL' or 'agent/ID/MODEL'",
        ));
    };
    let kind = if kind == "chat" { "chats" } else { "agents" };
    let base = call.target.base_url.trim_end_matches("/api/v1");
    call.base_url = Some(format!(
        "{base}/api/v1/{kind}_openai/{}",
        path::segment(id)?
    ));
    call.model = Some(model.to_owned());
    Ok(())
}
