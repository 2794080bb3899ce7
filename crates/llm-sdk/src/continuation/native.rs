//! The rest of a response, asked of a vendor that speaks Responses itself: its own tools and what it keeps stay of use.

use llm_providers::Error;
use llm_types::{JsonObject, Op};
use serde_json::{Value, json, value::RawValue};

use super::{
    anew,
    ask::{GO_ON, Rest, Way, room},
    said::Said,
};

/// The request for the rest. `body`: the client's, with the whole conversation that is kept here.
pub(super) fn rest(body: &JsonObject, model: &str, said: &Said) -> Result<Rest, Error> {
    let mut asked = body.clone();
    // Half of an answer is nothing to keep.
    asked.set("store", &false);
    let way = match said.calls.last() {
        Some(_) => Way::Call,
        None if said.text.trim().is_empty() => Way::Anew,
        None if is_structured(body) => Way::Document,
        None => Way::Asked,
    };
    match (way, said.calls.split_last()) {
        (Way::Call, Some((open, made))) => {
            let choice = json!({"type": "function", "name": open.name});
            asked.set("tool_choice", &choice);
            add(&mut asked, vec![user(&anew::call(said, open, made))])?;
        }
        (Way::Document, _) => add(&mut asked, vec![user(&anew::document(said))])?,
        (Way::Asked, _) => {
            let part = json!({"type": "output_text", "text": said.text});
            let own = json!({"type": "message", "role": "assistant", "content": [part]});
            add(&mut asked, vec![own, user(GO_ON)])?;
            room(&mut asked, "max_output_tokens", model, said);
        }
        _ => {}
    }
    Ok(Rest {
        op: Op::Responses,
        body: asked,
        way,
    })
}

fn is_structured(body: &JsonObject) -> bool {
    let text: Option<Value> = body.get("text").ok().flatten();
    text.is_some_and(|text| {
        matches!(
            text["format"]["type"].as_str(),
            Some("json_object" | "json_schema")
        )
    })
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": text})
}

fn add(asked: &mut JsonObject, more: Vec<Value>) -> Result<(), Error> {
    let mut items: Vec<Box<RawValue>> = match asked.str("input") {
        Some(text) => vec![raw(&user(&text))?],
        None => asked.get("input")?.unwrap_or_default(),
    };
    for item in &more {
        items.push(raw(item)?);
    }
    asked.set("input", &items);
    Ok(())
}

fn raw(item: &Value) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(item).map_err(|e| Error::decode("", e))
}
