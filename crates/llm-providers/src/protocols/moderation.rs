//! Moderation beyond OpenAI's own: Mistral's classifiers, and Azure's Content Safety.

use http::Request;
use llm_types::{
    JsonObject, Map, ModerationInput, ModerationRequest, ModerationResponse, Usage, Verdict,
};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{azure, openai, openai::OpenAi};
use crate::{Answer, Call, Error, Outgoing, Protocol, Reply, Step, error_table, path};

/// Mistral: OpenAI's shape without a verdict over all categories; conversations have an address of their own.
#[derive(Debug)]
pub struct Mistral;

impl Protocol for Mistral {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let body = openai::body(call)?;
        let request = ModerationRequest::from_object(&body)?;
        let uri = match &request.input {
            ModerationInput::Parts(parts) if parts.iter().any(is_conversation) => {
                path::join(call.base_url(), "chat/moderations")
            }
            _ => openai::address(call),
        };
        openai::request(&uri, body.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        if let Some(error) = error_table::in_answer(provider, &reply) {
            return Err(error);
        }
        let mut object = JsonObject::parse(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        let read = |e| Error::decode(provider, e);
        let mut results: Vec<Verdict> = object
            .take("results")
            .map_err(read)?
            .ok_or_else(|| Error::decode(provider, "there are no results in it"))?;
        for verdict in &mut results {
            let applies = |value: &Value| value == &Value::Bool(true);
            verdict.flagged = verdict.categories.values().any(applies);
        }
        object.set("results", &results);
        let usage: Option<Usage> = object.get("usage").unwrap_or_default();
        Ok(Answer::raw(object.to_bytes(), usage).into())
    }
}

/// A message, or a list of them.
fn is_conversation(part: &Value) -> bool {
    part.get("role").is_some() || part.is_array()
}

/// Azure AI Content Safety, as Foundry's resources have it: a severity for each of four categories.
#[derive(Debug)]
pub struct ContentSafety;

/// The version of the API where nobody says another.
const VERSION: &str = "2024-09-01";

/// From this severity on a category applies: the lowest level above "safe".
const APPLIES: f64 = 2.0;

/// The highest severity.
const WORST: f64 = 6.0;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    categories_analysis: Vec<Category>,
    #[serde(flatten)]
    extra: Map,
}

#[derive(Deserialize)]
struct Category {
    category: String,
    #[serde(default)]
    severity: Option<f64>,
}

impl Protocol for ContentSafety {
    fn split(&self, call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
        let body = call.fields();
        let ModerationInput::Texts(texts) = ModerationRequest::from_object(body)?.input else {
            return Ok(Vec::new());
        };
        let parts = texts.iter().map(|text| {
            let mut part = body.clone();
            part.set_str("input", text);
            part
        });
        Ok(parts.collect())
    }

    fn join(&self, call: &Call<'_>, answers: Vec<Answer>) -> Result<Answer, Error> {
        let provider = call.target.provider.name;
        let mut whole = ModerationResponse::default();
        for answer in answers {
            let part: ModerationResponse = serde_json::from_slice(&answer.into_bytes()?)
                .map_err(|e| Error::decode(provider, e))?;
            let mut results = std::mem::take(&mut whole.results);
            results.extend(part.results.iter().cloned());
            whole = ModerationResponse { results, ..part };
        }
        written(provider, &whole)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = ModerationRequest::from_object(call.fields())?;
        let text = match request.input {
            ModerationInput::Text(text) => text,
            ModerationInput::Texts(texts) => texts.join("\n"),
            ModerationInput::Parts(parts) => {
                let texts: Option<Vec<&str>> = parts
                    .iter()
                    .map(|part| part.get("text")?.as_str())
                    .collect();
                texts
                    .ok_or_else(|| {
                        Error::bad_request("input", "Content Safety is asked about texts")
                    })?
                    .join("\n")
            }
        };
        let mut body = request.extra;
        body.insert("text".into(), text.into());
        let version = call.target.setting("api_version").unwrap_or(VERSION);
        let uri = azure::service_address(call, "contentsafety/text:analyze", version);
        openai::request(&uri, Value::from(body).to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let analysis: Analysis = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        let mut verdict = Verdict {
            extra: analysis.extra,
            ..Verdict::default()
        };
        for category in analysis.categories_analysis {
            let severity = category.severity.unwrap_or_default();
            let applies = severity >= APPLIES;
            let name = name(&category.category);
            verdict.flagged |= applies;
            verdict.categories.insert(name.clone(), applies.into());
            let score = Number::from_f64((severity / WORST).clamp(0.0, 1.0));
            verdict.category_scores.insert(name, json!(score));
        }
        let id = reply.header("apim-request-id").unwrap_or_default();
        let response = ModerationResponse {
            id: id.to_owned(),
            model: call.model().to_owned(),
            results: vec![verdict],
            extra: Map::new(),
        };
        Ok(written(provider, &response)?.into())
    }
}

/// OpenAI's name for a category.
fn name(category: &str) -> String {
    match category {
        "SelfHarm" => "self-harm".to_owned(),
        other => other.to_ascii_lowercase(),
    }
}

fn written(provider: &'static str, response: &ModerationResponse) -> Result<Answer, Error> {
    let bytes = serde_json::to_vec(response).map_err(|e| Error::decode(provider, e))?;
    Ok(Answer::raw(bytes.into(), None))
}

/// OpenAI: the model may be left to the vendor.
#[derive(Debug)]
pub struct OpenAis;

impl Protocol for OpenAis {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        ModerationRequest::from_object(call.fields())?;
        if !call.model().is_empty() {
            return OpenAi.encode(call);
        }
        let mut body = call.fields().clone();
        body.remove("model");
        openai::request(&openai::address(call), body.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        OpenAi.decode(call, reply)
    }
}
