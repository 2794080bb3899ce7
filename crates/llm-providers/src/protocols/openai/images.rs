//! Images in OpenAI's shape.

use llm_types::{ImageUsage, JsonObject, Usage, responses::ResponsesUsage};

use crate::{Answer, Call, Error, Reply, error_table};

/// A whole answer, which passes as it is.
pub(crate) fn images(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    super::refused(provider, &reply)?;
    let object = JsonObject::parse(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    if !object
        .raw("data")
        .is_some_and(|data| data.starts_with(b"["))
    {
        return Err(Error::decode(provider, "there are no images in it"));
    }
    let usage = usage(&object);
    // Without tokens it is billed by the image.
    Ok(Answer::raw(reply.body, Some(usage.unwrap_or_default())))
}

/// Tokens, where there are any.
pub(super) fn usage(object: &JsonObject) -> Option<Usage> {
    let counts: ResponsesUsage = object.get("usage").ok()??;
    Some(ImageUsage::normalise(counts))
}
