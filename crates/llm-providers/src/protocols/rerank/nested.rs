//! Rerankers with bodies of another form: DashScope, DeepInfra, NVIDIA NIM.

use http::Request;
use llm_types::{Map, RerankRequest, RerankResult, Usage};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{Consumed, Ranking, own, texts};
use crate::{Call, Error, Outgoing, Protocol, Reply, Step, error_table, path, protocols::openai};

/// Alibaba Cloud Model Studio: its own API, beside the one that copies OpenAI's.
#[derive(Debug)]
pub(crate) struct DashScope;

impl Protocol for DashScope {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        const PATH: &str = "api/v1/services/rerank/text-rerank/text-rerank";
        let request = RerankRequest::from_object(call.fields())?;
        let mut parameters = own(call.fields())?;
        if let Some(most) = request.top_n {
            parameters.insert("top_n".into(), most.into());
        }
        if let Some(shown) = request.return_documents {
            parameters.insert("return_documents".into(), shown.into());
        }
        // Those that see take pictures beside texts, as objects.
        let documents = match call.model().contains("-vl-") {
            true => json!(request.documents),
            false => json!(texts(&request)),
        };
        let mut body = json!({
            "model": call.model(),
            "input": {"query": request.query, "documents": documents},
        });
        if !parameters.is_empty() {
            body["parameters"] = parameters.into();
        }
        let base = call.base_url();
        let uri = match base.ends_with("/text-rerank") {
            true => base.to_owned(),
            false => path::join(base.split("/compatible-").next().unwrap_or(base), PATH),
        };
        openai::request(&uri, body.to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        if let Some(error) = error_table::in_answer(provider, &reply) {
            return Err(error);
        }
        let mut body: Map = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        // What `output` holds is flat, as with most others.
        if let Some(Value::Object(output)) = body.shift_remove("output") {
            body.extend(output);
        }
        if let Some(id) = body.shift_remove("request_id") {
            body.insert("id".into(), id);
        }
        let request = RerankRequest::from_object(call.fields())?;
        super::answer::places(call, &request, body, &reply)
    }
}

/// DeepInfra: bare scores in the order of the documents, at the model's own address.
#[derive(Debug)]
pub(crate) struct DeepInfra;

#[derive(Deserialize)]
struct Scores {
    scores: Vec<Number>,
    input_tokens: Option<u64>,
    request_id: Option<String>,
    #[serde(flatten)]
    extra: Map,
}

impl Protocol for DeepInfra {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = RerankRequest::from_object(call.fields())?;
        let mut body = own(call.fields())?;
        let documents = texts(&request);
        // A query goes with each document.
        body.insert(
            "queries".into(),
            vec![request.query; documents.len()].into(),
        );
        body.insert("documents".into(), documents.into());
        let base = call.base_url();
        let base = base.strip_suffix("/openai").unwrap_or(base);
        let model = path::segments(call.model())?;
        let uri = path::join(base, &format!("inference/{model}"));
        openai::request(&uri, Value::from(body).to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let read: Scores =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(provider, e))?;
        let request = RerankRequest::from_object(call.fields())?;
        if read.scores.len() != request.documents.len() {
            return Err(Error::decode(provider, "not one score for each document"));
        }
        let result = |(index, relevance_score)| RerankResult {
            index,
            relevance_score,
            document: None,
            extra: Map::new(),
        };
        let cost = read.extra.get("inference_status");
        let cost = cost.and_then(|status| status.get("cost")).cloned();
        let usage = Usage {
            extra: cost
                .map(|cost| ("cost".to_owned(), cost))
                .into_iter()
                .collect(),
            ..Usage::new(read.input_tokens.unwrap_or_default(), 0)
        };
        let ranking = Ranking {
            id: read.request_id,
            results: (0..).zip(read.scores).map(result).collect(),
            consumed: Consumed::of(None, Some(usage)),
            extra: read.extra,
        };
        ranking.answer(call, &request, &reply)
    }
}

/// NVIDIA NIM: passages and logits; the hosted models each at an address of their own.
#[derive(Debug)]
pub(crate) struct Nim;

const HOSTED: &str = "https://ai.api.nvidia.com/v1/retrieval";

impl Protocol for Nim {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = RerankRequest::from_object(call.fields())?;
        let named = call.model();
        let model = named.strip_prefix("ranking/").unwrap_or(named);
        let mut body = own(call.fields())?;
        let passages = texts(&request).into_iter();
        let passages: Vec<Value> = passages.map(|text| json!({ "text": text })).collect();
        body.insert("model".into(), model.into());
        body.insert("query".into(), json!({ "text": request.query }));
        body.insert("passages".into(), passages.into());
        let base = call.base_url();
        let uri = if base.ends_with("/ranking") || base.ends_with("/reranking") {
            base.to_owned()
        } else if base == call.target.provider.base_url && named == model {
            // The catalogue writes the dots of a name as underscores.
            let name = path::segments(model)?.replace('.', "_");
            path::join(HOSTED, &format!("{name}/reranking"))
        } else {
            path::join(base, "ranking")
        };
        openai::request(&uri, Value::from(body).to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        super::answer::flat(call, reply)
    }
}
