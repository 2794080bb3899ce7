//! Gives answers the model name that the client asked for, without parsing what need not be parsed.

use std::{sync::Arc, time::SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use llm_router::Deployment;
use llm_types::{ChatChunk, ChatResponse, JsonObject, Op};
use memchr::memmem;

use crate::{ids::Ids, resource, top_level};

/// What answers of one request have in common: codecs know neither the time nor the client's name for the model.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    id: String,
    created: u64,
    /// The model's name as the client gave it; `None`: the vendor's own stays.
    pub(crate) model: Option<String>,
    /// The id is ours, whatever id the vendor gave.
    is_own_id: bool,
    /// Who keeps what was made, where its ids are to say so.
    kept_by: Option<(Ids, Op, Arc<Deployment>)>,
}

impl Stamp {
    /// A stamp for the answers to request `call_id`, made now.
    pub(crate) fn new(call_id: &str, model: Option<String>) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            id: format!("chatcmpl-{call_id}"),
            created: since.map_or(0, |since| since.as_secs()),
            model,
            is_own_id: false,
            kept_by: None,
        }
    }

    /// When the answer was made.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    /// The same for a response that we make, and that goes by this id.
    pub(crate) fn called(mut self, id: String) -> Self {
        self.id = id;
        self.is_own_id = true;
        self
    }

    /// The same for what a vendor keeps: its ids are to say which deployment that is.
    pub(crate) fn kept_by(mut self, ids: &Ids, op: Op, deployment: &Arc<Deployment>) -> Self {
        self.kept_by = Some((ids.clone(), op, Arc::clone(deployment)));
        self
    }

    /// Fills in what a translated answer lacks.
    pub(crate) fn response(&self, answer: &mut ChatResponse) {
        self.fill(&mut answer.id, &mut answer.created, &mut answer.model);
    }

    /// Fills in what a translated chunk lacks.
    pub(crate) fn chunk(&self, chunk: &mut ChatChunk) {
        self.fill(&mut chunk.id, &mut chunk.created, &mut chunk.model);
    }

    /// A vendor's own JSON, with the client's name for the model.
    pub(crate) fn json(&self, json: Bytes) -> Bytes {
        let json = match &self.kept_by {
            Some((ids, Op::Responses, deployment)) => hand_out(json, ids, deployment),
            Some((ids, op, deployment)) => resource::hand_out(*op, json, ids, deployment),
            None => json,
        };
        match &self.model {
            Some(model) => restamp(json, model),
            None => json,
        }
    }

    fn fill(&self, id: &mut String, created: &mut u64, model: &mut String) {
        if id.is_empty() || self.is_own_id {
            id.clone_from(&self.id);
        }
        if *created == 0 {
            *created = self.created;
        }
        if let Some(name) = &self.model {
            model.clone_from(name);
        }
    }
}

/// A response, or an event with one in it, under an id that says who answered. Most events name only items.
fn hand_out(json: Bytes, ids: &Ids, deployment: &Deployment) -> Bytes {
    const MARK: &[u8] = b"\"response\"";
    if memmem::find(&json, MARK).is_none() {
        return json;
    }
    let Ok(mut object) = JsonObject::parse(&json) else {
        return json;
    };
    let inner = object.raw("response").filter(|raw| raw.starts_with(b"{"));
    if let Some(Ok(mut response)) = inner.map(JsonObject::parse) {
        rename(&mut response, ids, deployment);
        object.set_raw("response", response.to_bytes());
    } else if object.str("object").as_deref() == Some("response") {
        rename(&mut object, ids, deployment);
    }
    object.to_bytes()
}

fn rename(response: &mut JsonObject, ids: &Ids, deployment: &Deployment) {
    for key in ["id", "previous_response_id"] {
        if let Some(id) = response.str(key) {
            let id = ids.hand_out(deployment, &id);
            response.set_str(key, &id);
        }
    }
}

/// `json` with its top-level `model` replaced. What is not an object with a `model` is returned as it is.
fn restamp(json: Bytes, model: &str) -> Bytes {
    match top_level::text(&json, "model") {
        Some((from, to))
            if !model.contains(['"', '\\']) && !model.chars().any(char::is_control) =>
        {
            if &json[from..to] == model.as_bytes() {
                return json;
            }
            let mut out = BytesMut::with_capacity(json.len() + model.len());
            out.put_slice(&json[..from]);
            out.put_slice(model.as_bytes());
            out.put_slice(&json[to..]);
            out.freeze()
        }
        _ => slowly(json, model),
    }
}

fn slowly(json: Bytes, model: &str) -> Bytes {
    match JsonObject::parse(&json) {
        Ok(mut object) if object.contains("model") => {
            object.set_str("model", model);
            object.to_bytes()
        }
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_translated_answer_gets_what_its_codec_could_not_know() {
        let stamp = Stamp::new("7", Some("alias".into()));
        let mut answer = ChatResponse::default();
        stamp.response(&mut answer);
        assert_eq!(
            (answer.id.as_str(), answer.model.as_str()),
            ("chatcmpl-7", "alias")
        );
        assert!(answer.created > 1_700_000_000);
        let mut chunk = ChatChunk {
            id: "vendor's".into(),
            created: 5,
            ..ChatChunk::default()
        };
        stamp.chunk(&mut chunk);
        assert_eq!((chunk.id.as_str(), chunk.created), ("vendor's", 5));
    }

    #[test]
    fn the_top_level_model_is_replaced_wherever_it_stands() {
        for (json, expected) in [
            (
                r#"{"id":"1","model" : "a","choices":[{"model":"x"}]}"#,
                r#"{"id":"1","model" : "b","choices":[{"model":"x"}]}"#,
            ),
            (
                r#"{"data":[{"model":"x"}],"model":"a"}"#,
                r#"{"data":[{"model":"x"}],"model":"b"}"#,
            ),
            (
                r#"{"data":[[1],{"model":"x"}],"model":"a","usage":{"a":["}",{}]}} "#,
                r#"{"data":[[1],{"model":"x"}],"model":"b","usage":{"a":["}",{}]}} "#,
            ),
            (
                r#"{"model":["a"],"data":{"model":"x"}}"#,
                r#"{"model":"b","data":{"model":"x"}}"#,
            ),
            (r#"{"data":[{"model":"x"}]}"#, r#"{"data":[{"model":"x"}]}"#),
            (
                r#"{"data":["\"model\":\"x\"}"],"model":"a","note":"\"model\":\"x"}"#,
                r#"{"data":["\"model\":\"x\"}"],"model":"b","note":"\"model\":\"x"}"#,
            ),
            (
                r#"{"id":"model","model":"a"}"#,
                r#"{"id":"model","model":"b"}"#,
            ),
            (r#"{"model":"a\"c"}"#, r#"{"model":"b"}"#),
            (r#"{"choices":[]}"#, r#"{"choices":[]}"#),
            ("[1]", "[1]"),
            ("", ""),
        ] {
            assert_eq!(restamp(Bytes::from(json), "b"), expected);
        }
        assert_eq!(
            restamp(Bytes::from(r#"{"model":"a"}"#), "q\"\n"),
            r#"{"model":"q\"\n"}"#
        );
    }
}
