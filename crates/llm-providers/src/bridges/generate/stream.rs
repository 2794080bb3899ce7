//! Chat chunks as generateContent events: texts as they come, calls when they are whole, the end in one event.

use std::collections::BTreeMap;

use llm_types::{ChatChunk, Delta, JsonObject, ToolCall, Usage};
use serde_json::{Value, json};

use super::{response, tools};
use crate::{
    Error,
    bridges::{BridgeStream, Event, depth::Depth},
    protocols::names::Names,
};

/// Turns chunks into events.
pub(super) struct Events {
    asked: JsonObject,
    names: Names,
    id: String,
    model: String,
    /// The answers, by their index.
    choices: BTreeMap<u64, Choice>,
    usage: Option<Usage>,
}

#[derive(Default)]
struct Choice {
    calls: Vec<Call>,
    finish: Option<String>,
    refused: bool,
    annotations: Vec<Value>,
}

struct Call {
    place: u64,
    id: Option<String>,
    name: String,
    arguments: String,
    depth: Depth,
    told: bool,
}

impl Events {
    pub(super) fn new(asked: &JsonObject) -> Self {
        Self {
            names: tools::names(asked),
            asked: asked.clone(),
            id: String::new(),
            model: String::new(),
            choices: BTreeMap::new(),
            usage: None,
        }
    }

    fn tell(&self, candidates: Vec<Value>, usage: Option<Value>, out: &mut Vec<Event>) {
        let mut event = json!({"candidates": candidates});
        if let Some(usage) = usage {
            event["usageMetadata"] = usage;
        }
        event["modelVersion"] = response::model(self.model.clone(), &self.asked).into();
        if !self.id.is_empty() {
            event["responseId"] = self.id.as_str().into();
        }
        out.push(Event {
            name: None,
            data: event.to_string().into(),
        });
    }
}

impl Choice {
    fn parts(&mut self, delta: Delta, names: &Names) -> Result<Vec<Value>, Error> {
        let mut parts = response::thoughts(delta.reasoning_content, delta.thinking_blocks);
        self.refused |= delta.refusal.is_some();
        let said = [delta.content, delta.refusal].into_iter().flatten();
        parts.extend(
            said.filter(|text| !text.is_empty())
                .map(|text| json!({ "text": text })),
        );
        parts.extend(delta.images.iter().filter_map(response::image));
        self.annotations.extend(delta.annotations);
        let legacy = delta.function_call.map(|function| ToolCall {
            function,
            ..ToolCall::default()
        });
        for (fragment, place) in delta.tool_calls.into_iter().chain(legacy).zip(0..) {
            self.call(fragment, place)?;
        }
        parts.extend(self.complete(names, false));
        Ok(parts)
    }

    fn call(&mut self, fragment: ToolCall, place: u64) -> Result<(), Error> {
        let place = fragment.index.unwrap_or(place);
        let more = fragment.function.arguments;
        let at = match self.calls.iter().position(|call| call.place == place) {
            Some(at) => at,
            None => {
                self.calls.push(Call {
                    place,
                    id: None,
                    name: String::new(),
                    arguments: String::new(),
                    depth: Depth::default(),
                    told: false,
                });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(at) else {
            return Ok(());
        };
        if call.told && !more.trim().is_empty() {
            return Err(Error::decode("", "a tool call went on after its end"));
        }
        if let Some(id) = fragment.id.filter(|id| !id.is_empty()) {
            call.id.get_or_insert(id);
        }
        if call.name.is_empty() {
            call.name = fragment.function.name.unwrap_or_default();
        }
        call.depth.read(&more);
        call.arguments.push_str(&more);
        Ok(())
    }

    /// The calls that can be told, in their order: Google tells none in pieces.
    fn complete(&mut self, names: &Names, at_end: bool) -> Vec<Value> {
        let mut parts = Vec::new();
        for call in self.calls.iter_mut().filter(|call| !call.told) {
            let is_whole = call.depth.is_complete() && !call.name.is_empty();
            if !is_whole && !at_end {
                break;
            }
            call.told = true;
            let name = names.own(call.name.clone());
            parts.push(response::call(call.id.as_deref(), &name, &call.arguments));
        }
        parts
    }
}

impl BridgeStream for Events {
    fn push(&mut self, chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        if self.id.is_empty() {
            self.id = chunk.id;
        }
        if self.model.is_empty() {
            self.model = chunk.model;
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
        }
        let mut candidates = Vec::new();
        for new in chunk.choices {
            let choice = self.choices.entry(new.index).or_default();
            let parts = choice.parts(new.delta, &self.names)?;
            if let Some(finish) = new.finish_reason {
                choice.finish = Some(finish);
            }
            if !parts.is_empty() {
                candidates.push(response::candidate(new.index, parts, None, None));
            }
        }
        if !candidates.is_empty() {
            self.tell(candidates, None, out);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        self.choices.entry(0).or_default();
        let names = &self.names;
        let candidates = self.choices.iter_mut().map(|(index, choice)| {
            let mut parts = choice.complete(names, true);
            if parts.is_empty() {
                parts.push(json!({"text": ""}));
            }
            let finish = response::finish(choice.finish.as_deref(), choice.refused);
            let grounding = response::grounding(&choice.annotations);
            response::candidate(*index, parts, Some(finish), grounding)
        });
        let candidates = candidates.collect();
        let usage = response::usage(self.usage.as_ref());
        self.tell(candidates, Some(usage), out);
        Ok(())
    }
}
