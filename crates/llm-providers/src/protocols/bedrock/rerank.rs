//! Reranking: the agents' runtime, a host beside that of the models.

use http::Request;
use llm_types::{Map, RerankDocument, RerankRequest, RerankResult};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{endpoint, model::Model};
use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step,
    auth::aws,
    path,
    protocols::{
        openai,
        rerank::{Consumed, Ranking, billed_in_hundreds, own},
    },
};

/// Rerankers on Bedrock.
#[derive(Debug)]
pub struct Rerank;

impl Protocol for Rerank {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = RerankRequest::from_object(call.fields())?;
        let mut fields = own(call.fields())?;
        fields.retain(|key, _| !key.starts_with("aws_"));
        if let Some(most) = request.max_tokens_per_doc {
            fields.insert("max_tokens_per_doc".into(), most.into());
        }
        let mut model = json!({ "modelArn": arn(call) });
        if !fields.is_empty() {
            model["additionalModelRequestFields"] = fields.into();
        }
        let mut ranking = json!({ "modelConfiguration": model });
        if let Some(most) = request.top_n {
            ranking["numberOfResults"] = most.into();
        }
        let documents = request.documents.iter();
        let sources: Vec<Value> = documents.map(|one| source(one, &request)).collect();
        let body = json!({
            "queries": [{"type": "TEXT", "textQuery": {"text": request.query}}],
            "rerankingConfiguration": {
                "type": "BEDROCK_RERANKING_MODEL",
                "bedrockRerankingConfiguration": ranking,
            },
            "sources": sources,
        });
        let base = endpoint(call)?.replace("bedrock-runtime", "bedrock-agent-runtime");
        openai::request(&path::join(&base, "rerank"), body.to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let read: Ranked =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(provider, e))?;
        let request = RerankRequest::from_object(call.fields())?;
        let consumed = Consumed {
            search_units: Some(billed_in_hundreds(request.documents.len())),
            ..Consumed::default()
        };
        let ranking = Ranking {
            id: None,
            results: read.results.into_iter().map(Place::result).collect(),
            consumed,
            extra: read.extra,
        };
        ranking.answer(call, &request, &reply)
    }
}

#[derive(Deserialize)]
struct Ranked {
    results: Vec<Place>,
    #[serde(flatten)]
    extra: Map,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    index: u64,
    relevance_score: Number,
    document: Option<Document>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    text_document: Option<Value>,
    json_document: Option<Value>,
}

impl Place {
    fn result(self) -> RerankResult {
        let document = self.document;
        RerankResult {
            index: self.index,
            relevance_score: self.relevance_score,
            document: document.and_then(|one| one.text_document.or(one.json_document)),
            extra: Map::new(),
        }
    }
}

/// A text, or an object as JSON; of objects only the fields that count.
fn source(document: &RerankDocument, request: &RerankRequest) -> Value {
    let fields = request.rank_fields.as_deref();
    let inline = match document {
        RerankDocument::Object(map) if fields.is_none() && !map.contains_key("text") => {
            json!({"type": "JSON", "jsonDocument": map})
        }
        other => json!({"type": "TEXT", "textDocument": {"text": other.text(fields)}}),
    };
    json!({"type": "INLINE", "inlineDocumentSource": inline})
}

/// The model's ARN: requests name no model otherwise.
fn arn(call: &Call<'_>) -> String {
    let model = Model::of(call.target);
    if model.id.starts_with("arn:") {
        return model.id.to_owned();
    }
    let region = model.region.unwrap_or_else(|| aws::region(call.target));
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!(
        "arn:{partition}:bedrock:{region}::foundation-model/{}",
        model.id
    )
}
