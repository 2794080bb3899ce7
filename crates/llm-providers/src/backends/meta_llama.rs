use llm_types::Op;

use crate::{Call, Error, Provider, params};

/// Meta's Llama API: <https://llama.developer.meta.com/docs/api/chat>
pub(super) const ROW: Provider = Provider {
    name: "meta_llama",
    base_url: "https://api.llama.com/compat/v1",
    base_env: &["LLAMA_API_BASE"],
    key_env: &["LLAMA_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    quirk: Some(quirk),
    docs: "https://llama.developer.meta.com/docs/api/chat",
    ..Provider::OPENAI_LIKE
};

/// It answers to a schema, and knows no JSON without one.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if params::mentions(call.fields(), "response_format", "\"json_object\"") {
        return params::refuse(call, &["response_format"]);
    }
    Ok(())
}
