//! Hugging Face: the router for inference providers, and dedicated endpoints of one's own (TGI, TEI).

use http::Request;
use llm_types::{EmbeddingInput, EmbeddingVector, Op};
use serde_json::{Value, json};

use super::{openai, openai::OpenAi, vectors};
use crate::{Call, Decoder, Error, Outgoing, Protocol, Reply, Step, path};

const ROUTER: &str = "https://router.huggingface.co";

/// Hugging Face's wire.
#[derive(Debug)]
pub struct HuggingFace;

impl Protocol for HuggingFace {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op == Op::Embedding {
            return embed(call);
        }
        OpenAi.encode(call)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        if call.op != Op::Embedding {
            return OpenAi.decode(call, reply);
        }
        let name = call.target.provider.name;
        let body: Value =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
        let many = matches!(call.fields().get("input")?, Some(EmbeddingInput::Texts(_)));
        let vectors = features(body, many).map_err(|e| Error::decode(name, e))?;
        Ok(vectors::answer(call, vectors, None, Default::default())?.into())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        OpenAi.decoder(call)
    }
}

fn is_router(call: &Call<'_>) -> bool {
    call.base_url().starts_with(ROUTER)
}

/// Names the model as the router wants it, or finds a dedicated endpoint's chat. Part of settling a call's parameters.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op == Op::Embedding && call.fields().contains("input_type") {
        call.fields_mut().remove("input_type");
        call.notice("input_type", "not sent: the pipeline has no purposes");
    }
    if call.op != Op::Chat {
        return Ok(());
    }
    if is_router(call) {
        call.model = routed(call.model());
    } else {
        call.base_url = Some(dedicated(call.base_url()));
    }
    Ok(())
}

/// `provider/org/model` is `org/model:provider` to the router.
fn routed(model: &str) -> Option<String> {
    let (provider, rest) = model.split_once('/')?;
    rest.contains('/').then(|| format!("{rest}:{provider}"))
}

/// A dedicated endpoint is known by its host alone; its chat is under `/v1`.
fn dedicated(base: &str) -> String {
    let base = base.strip_suffix("/chat/completions").unwrap_or(base);
    match base.ends_with("/v1") {
        true => base.to_owned(),
        false => format!("{base}/v1"),
    }
}

/// Vectors come from the pipeline `feature-extraction`: of Hugging Face's own provider, or at an endpoint's root.
fn embed(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    body.remove("model");
    for key in ["user", "encoding_format"] {
        body.remove(key);
    }
    match body.get::<EmbeddingInput>("input")? {
        Some(EmbeddingInput::Text(_) | EmbeddingInput::Texts(_)) => {}
        None => return Err(Error::bad_request("input", "'input' is missing")),
        Some(_) => return Err(Error::bad_request("input", "only texts are embedded here")),
    }
    body.rename("input", "inputs");
    let uri = if is_router(call) {
        let model = call.model();
        let model = path::segments(model.strip_prefix("hf-inference/").unwrap_or(model))?;
        format!("{ROUTER}/hf-inference/models/{model}/pipeline/feature-extraction")
    } else {
        call.base_url().to_owned()
    };
    openai::request(&uri, body.to_bytes())
}

/// The pipeline answers one vector for one text or a list of them; some models a vector for each token, whose mean is
/// the text's.
fn features(body: Value, many: bool) -> Result<Vec<EmbeddingVector>, String> {
    let Value::Array(list) = body else {
        return Err("expected a list of vectors".into());
    };
    if list.first().is_some_and(Value::is_number) {
        return Ok(vec![vector(Value::Array(list))?]);
    }
    let nested = |value: &Value| value.get(0).is_some_and(Value::is_array);
    if list.iter().any(nested) {
        return list.into_iter().map(mean).collect();
    }
    if many || list.len() == 1 {
        return list.into_iter().map(vector).collect();
    }
    Ok(vec![mean(Value::Array(list))?])
}

fn vector(value: Value) -> Result<EmbeddingVector, String> {
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn mean(tokens: Value) -> Result<EmbeddingVector, String> {
    let tokens: Vec<Vec<f64>> = serde_json::from_value(tokens).map_err(|e| e.to_string())?;
    let width = tokens.first().map_or(0, Vec::len);
    if width == 0 || tokens.iter().any(|token| token.len() != width) {
        return Err("expected vectors of one length".into());
    }
    let mean: Vec<f64> = (0..width)
        .map(|at| tokens.iter().map(|token| token[at]).sum::<f64>() / tokens.len() as f64)
        .collect();
    vector(json!(mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_name_a_provider() {
        let named = routed("groq/moonshotai/Kimi-K2");
        assert_eq!(named.as_deref(), Some("moonshotai/Kimi-K2:groq"));
        assert_eq!(routed("moonshotai/Kimi-K2"), None);
        assert_eq!(routed("gpt2"), None);
    }

    #[test]
    fn vectors_in_all_their_nestings() {
        let floats = |value: Value| features(value, false).map(|v| json!(v));
        assert_eq!(floats(json!([1.0, 2.0])), Ok(json!([[1.0, 2.0]])));
        assert_eq!(floats(json!([[1.0, 2.0]])), Ok(json!([[1.0, 2.0]])));
        assert_eq!(
            floats(json!([[1.0, 2.0], [3.0, 4.0]])),
            Ok(json!([[2.0, 3.0]]))
        );
        assert_eq!(
            floats(json!([[[1.0, 2.0], [3.0, 4.0]]])),
            Ok(json!([[2.0, 3.0]]))
        );
        let two = features(json!([[1.0], [2.0]]), true).map(|v| json!(v));
        assert_eq!(two, Ok(json!([[1.0], [2.0]])));
        for odd in [
            json!({}),
            json!("x"),
            json!([[[1.0], [1.0, 2.0]]]),
            json!([[[]]]),
        ] {
            assert!(features(odd.clone(), false).is_err(), "{odd}");
        }
    }
}
