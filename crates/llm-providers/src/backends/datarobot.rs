use crate::{Call, Edit, Error, Provider};

/// DataRobot's LLM gateway: <https://docs.datarobot.com/en/docs/gen-ai/genai-code/dr-llm-gateway.html>
pub(super) const ROW: Provider = Provider {
    name: "datarobot",
    base_url: "https://app.datarobot.com/api/v2/genai/llmgw",
    base_env: &["DATAROBOT_ENDPOINT"],
    key_env: &["DATAROBOT_API_TOKEN"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    docs: "https://docs.datarobot.com/en/docs/gen-ai/genai-code/dr-llm-gateway.html",
    ..Provider::OPENAI_LIKE
};

/// Its own tools take the host or its `/api/v2` as the endpoint, and mean the gateway there.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let given = &call.target.base_url;
    let base = given.strip_suffix("/chat/completions").unwrap_or(given);
    let (_, place) = base.split_once("://").unwrap_or(("", base));
    let gateway = match place.split_once('/') {
        None => format!("{base}/api/v2/genai/llmgw"),
        Some((_, "api/v2")) => format!("{base}/genai/llmgw"),
        // The gateway itself, or a deployment.
        Some(_) => base.to_owned(),
    };
    call.base_url = Some(gateway);
    Ok(())
}

#[cfg(test)]
mod tests {
    use llm_types::{JsonObject, Op};
    use serde_json::json;

    use super::*;
    use crate::{Body, CallOptions, Credential, Target};

    #[test]
    fn an_endpoint_is_what_its_own_tools_call_one() {
        let gateway = "https://a.b/api/v2/genai/llmgw";
        let options = CallOptions::default();
        let deployment = "https://a.b/api/v2/deployments/1";
        for (given, meant) in [
            ("https://a.b", gateway),
            ("https://a.b/api/v2", gateway),
            (gateway, gateway),
            (deployment, deployment),
            (
                "https://a.b/api/v2/deployments/1/chat/completions",
                deployment,
            ),
        ] {
            let target = Target::new(&ROW, "m", Credential::None).at(given);
            let body = Body::from(JsonObject::from_serialize(&json!({"messages": []})).unwrap());
            let call = Call::prepare(Op::Chat, &target, body, &options).unwrap();
            let sent = call.encode().unwrap().uri().to_string();
            assert_eq!(sent, format!("{meant}/chat/completions"), "{given}");
        }
    }
}
