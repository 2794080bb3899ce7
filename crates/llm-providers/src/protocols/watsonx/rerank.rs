//! `/ml/v1/text/rerank`.

use http::Request;
use llm_types::{Map, RerankRequest};
use serde_json::{Value, json};

use super::{endpoint, place};
use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step,
    protocols::{openai, rerank},
};

/// watsonx.ai's rerankers.
#[derive(Debug)]
pub struct Rerank;

impl Protocol for Rerank {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut body = call.fields().clone();
        let request = RerankRequest::from_object(&body)?;
        let mut options = Map::new();
        if let Some(most) = body.take::<Value>("top_n")? {
            options.insert("top_n".into(), most);
        }
        if let Some(shown) = body.take::<Value>("return_documents")? {
            options.insert("inputs".into(), shown);
        }
        let mut parameters: Map = body.take("parameters")?.unwrap_or_default();
        if let Some(most) = body.take::<Value>("truncate_input_tokens")? {
            parameters.insert("truncate_input_tokens".into(), most);
        }
        if let Some(most) = body.take::<Value>("max_tokens_per_doc")? {
            parameters.insert("truncate_input_tokens".into(), most);
        }
        if !options.is_empty() {
            parameters.insert("return_options".into(), options.into());
        }
        let inputs = rerank::texts(&request).into_iter();
        let inputs: Vec<Value> = inputs.map(|text| json!({ "text": text })).collect();
        body.remove("documents");
        body.remove("rank_fields");
        body.set("inputs", &inputs);
        if !parameters.is_empty() {
            body.set("parameters", &parameters);
        }
        place(call, &mut body);
        openai::request(&endpoint(call, "rerank")?, body.to_bytes())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        rerank::flat(call, reply)
    }

    fn error(&self, call: &Call<'_>, reply: &Reply) -> Error {
        super::Watsonx.error(call, reply)
    }
}
