use llm_types::Op;

use crate::{Call, Error, Params, Provider};

/// Sail Research: <https://docs.sailresearch.com/>
pub(super) const ROW: Provider = Provider {
    name: "sail",
    base_url: "https://api.sailresearch.com/v1",
    base_env: &["SAIL_API_BASE"],
    key_env: &["SAIL_API_KEY"],
    ops: &[Op::Chat, Op::Responses],
    params: Params::TOOLS_IF_KNOWN
        .with(&["reasoning_effort"])
        .with_user()
        .without_stream_options(),
    quirk: Some(quirk),
    docs: "https://docs.sailresearch.com/",
    ..Provider::OPENAI_LIKE
};

/// It refuses to stream: what it answers whole becomes a stream of one piece.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op == Op::Chat && call.stream {
        call.fields_mut().remove("stream");
        call.notice(
            "stream",
            "the answer comes in one piece: Sail does not stream",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use llm_types::JsonObject;
    use serde_json::json;

    use super::*;
    use crate::{Body, CallOptions, Credential, Target};

    #[test]
    fn a_stream_is_asked_for_as_a_whole_answer() {
        let target = Target::new(&ROW, "m", Credential::None);
        let body =
            json!({"messages": [], "stream": true, "stream_options": {"include_usage": true}});
        let body = Body::from(JsonObject::from_serialize(&body).unwrap());
        let options = CallOptions::default();
        let call = Call::prepare(Op::Chat, &target, body, &options).unwrap();
        let request = call.encode().unwrap();
        let sent = request.body().read().unwrap();
        assert_eq!(sent, r#"{"messages":[],"model":"m"}"#.as_bytes());
        let notices: Vec<&str> = call.notices.iter().map(|n| n.param.as_ref()).collect();
        assert_eq!(notices, ["stream_options", "stream"]);
    }
}
