//! Together: OpenAI's wire, in which sizes and forms have other names.

use http::Request;
use llm_types::ImageRequest;

use super::{Painter, sides};
use crate::{Call, Error, Outgoing, Step, protocols::openai};

pub(crate) const TOGETHER: Painter = Painter {
    most: |_| 4,
    request,
    read: |call, reply| Ok(Step::Done(openai::images(call, reply.clone())?)),
};

fn request(call: &Call<'_>, request: ImageRequest) -> Result<Request<Outgoing>, Error> {
    let mut body = openai::body(call)?;
    if let Some((width, height)) = sides(&request)? {
        body.set("width", &width);
        body.set("height", &height);
    }
    body.remove("size");
    if request.response_format.as_deref() == Some("b64_json") {
        body.set_str("response_format", "base64");
    }
    openai::request(&openai::address(call), body.to_bytes())
}
