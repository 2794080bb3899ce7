use llm_types::Op;

use crate::{Call, Error, Params, Provider};

/// Parasail: <https://docs.parasail.io/>
pub(super) const ROW: Provider = Provider {
    name: "parasail",
    base_url: "https://api.parasail.io/v1",
    base_env: &["PARASAIL_API_BASE"],
    key_env: &["PARASAIL_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    quirk: Some(quirk),
    docs: "https://docs.parasail.io/",
    ..Provider::OPENAI_LIKE
};

/// It is always told to keep nothing.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    if call.fields().is_true("store") {
        call.notice("store", "sent as false: Parasail keeps no conversations");
    }
    call.fields_mut().set("store", &false);
    Ok(())
}
