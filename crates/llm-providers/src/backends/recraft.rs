use llm_types::Op;

use crate::{Call, Error, Params, Provider};

/// Recraft: <https://www.recraft.ai/docs/api-reference/endpoints>
pub(super) const ROW: Provider = Provider {
    name: "recraft",
    base_url: "https://external.api.recraft.ai/v1",
    base_env: &["RECRAFT_API_BASE"],
    key_env: &["RECRAFT_API_KEY"],
    ops: &[Op::ImageGeneration, Op::ImageEdit],
    params: Params::STANDARD.images(&["n", "size", "style", "response_format"]),
    // It makes images of images, as much changed as `strength` says.
    paths: &[(Op::ImageEdit, "/images/imageToImage")],
    quirk: Some(quirk),
    docs: "https://www.recraft.ai/docs/api-reference/endpoints",
    ..Provider::OPENAI_LIKE
};

/// A mask needs another address; without one it must be told how much to change.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::ImageEdit {
        return Ok(());
    }
    if call.fields().contains("mask") {
        let base = call.base_url().trim_end_matches('/');
        call.base_url = Some(format!("{base}/images/inpaint"));
    } else if !call.fields().contains("strength") {
        call.fields_mut().set_str("strength", "0.5");
    }
    Ok(())
}
