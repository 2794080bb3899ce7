//! Google's ranking API: a service beside Vertex AI, with its login.

use http::Request;
use llm_types::{Map, RerankDocument, RerankRequest, RerankResult};
use serde::Deserialize;
use serde_json::{Map as Object, Number, Value, json};

use super::address;
use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step, path,
    protocols::{
        openai,
        rerank::{Consumed, Ranking, billed_in_hundreds, own},
    },
};

const HOST: &str = "https://discoveryengine.googleapis.com";

/// The ranking API.
#[derive(Debug)]
pub struct Rerank;

impl Protocol for Rerank {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = RerankRequest::from_object(call.fields())?;
        let fields = request.rank_fields.as_deref();
        let records = request.documents.iter().enumerate();
        let records: Vec<Value> = records
            .map(|(index, document)| record(index, document, fields))
            .collect();
        let mut body = own(call.fields())?;
        body.retain(|key, _| !key.starts_with("vertex_"));
        body.insert("model".into(), call.model().into());
        body.insert("query".into(), request.query.into());
        body.insert("records".into(), records.into());
        if let Some(most) = request.top_n {
            body.insert("topN".into(), most.into());
        }
        // The documents are here already, if they are wanted in the answer.
        body.insert("ignoreRecordDetailsInResponse".into(), true.into());
        openai::request(&uri(call)?, Value::from(body).to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let read: Ranked =
            serde_json::from_slice(&reply.body).map_err(|e| Error::decode(provider, e))?;
        let request = RerankRequest::from_object(call.fields())?;
        let results = read.records.into_iter().map(|record| {
            let index = record.id.parse();
            Ok(RerankResult {
                index: index.map_err(|_| Error::decode(provider, "a record has no number"))?,
                relevance_score: record.score,
                document: None,
                extra: Map::new(),
            })
        });
        let consumed = Consumed {
            search_units: Some(billed_in_hundreds(request.documents.len())),
            ..Consumed::default()
        };
        let ranking = Ranking {
            id: None,
            results: results.collect::<Result<_, Error>>()?,
            consumed,
            extra: read.extra,
        };
        ranking.answer(call, &request, &reply)
    }
}

#[derive(Deserialize)]
struct Ranked {
    #[serde(default)]
    records: Vec<Record>,
    #[serde(flatten)]
    extra: Map,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    score: Number,
}

/// A document under its number; a title of its own has a place of its own.
fn record(index: usize, document: &RerankDocument, fields: Option<&[String]>) -> Value {
    let mut record = Object::new();
    record.insert("id".into(), index.to_string().into());
    if let RerankDocument::Object(map) = document
        && fields.is_none()
        && let (Some(Value::String(title)), Some(content)) = (
            map.get("title"),
            map.get("content").or_else(|| map.get("text")),
        )
        && content.is_string()
    {
        record.insert("title".into(), title.as_str().into());
        record.insert("content".into(), content.clone());
        return json!(record);
    }
    record.insert("content".into(), document.text(fields).into());
    json!(record)
}

/// The default configuration of a project, which is the same everywhere.
fn uri(call: &Call<'_>) -> Result<String, Error> {
    let base = call.base_url().trim_end_matches('/');
    if base.ends_with(":rank") {
        return Ok(base.to_owned());
    }
    let host = match base == call.target.provider.base_url {
        true => HOST,
        false => base.strip_suffix("/v1").unwrap_or(base),
    };
    let project = address::project(call)?;
    let config = "locations/global/rankingConfigs/default_ranking_config:rank";
    Ok(path::join(host, &format!("v1/projects/{project}/{config}")))
}
