//! A response's events as chat chunks, where somebody goes on with what they say.

use std::{borrow::Cow, collections::BTreeMap};

use llm_types::{
    ChatChunk, ChunkChoice, Delta, FunctionCall, Map, ToolCall, responses::ResponsesUsage,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Chunks, Decoder, Error, frame::Frame};

/// Reads one stream.
#[derive(Default)]
pub(in crate::bridges) struct Reader {
    head: ChatChunk,
    /// The items that say something, by their place in the output.
    items: BTreeMap<u64, Known>,
    calls: u64,
    done: bool,
}

/// An item, and how much of it was told.
#[derive(Default)]
struct Known {
    /// Its number among the calls, if it is one.
    call: Option<u64>,
    told: usize,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    output_index: u64,
    item: Option<Item>,
    delta: Option<Value>,
    #[serde(default)]
    logprobs: Vec<Value>,
    annotation: Option<Value>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

/// An item of the output.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type", default)]
    kind: String,
    call_id: Option<String>,
    id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    #[serde(default)]
    content: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: String,
    #[serde(default)]
    created_at: f64,
    model: Option<String>,
    incomplete_details: Option<Incomplete>,
    usage: Option<ResponsesUsage>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

impl Decoder for Reader {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let event: Event<'_> =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode("", e))?;
        let place = event.output_index;
        match &*event.kind {
            "response.created" => self.begin(event.response),
            "response.output_text.delta" => {
                let text = event.text();
                self.items.entry(place).or_default().told += text.len();
                let delta = Delta {
                    content: Some(text),
                    ..Delta::default()
                };
                let logprobs = Some(event.logprobs).filter(|all| !all.is_empty());
                self.choice(delta, logprobs.map(|all| json!({ "content": all })), out);
            }
            "response.refusal.delta" => self.refuse(place, event.text(), out),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let delta = Delta {
                    reasoning_content: Some(event.text()),
                    ..Delta::default()
                };
                self.choice(delta, None, out);
            }
            "response.output_text.annotation.added" => {
                let delta = Delta {
                    annotations: event.annotation.into_iter().collect(),
                    ..Delta::default()
                };
                self.choice(delta, None, out);
            }
            "response.function_call_arguments.delta" => self.argue(place, event.text(), out),
            "response.output_item.added" => {
                if let Some(item) = event.item {
                    self.add(place, item, out);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.item {
                    self.complete(place, item, out);
                }
            }
            "response.completed" | "response.incomplete" => self.end(event.response, out),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        out.done = self.done;
        match self.done {
            true => Ok(()),
            false => Err(Error::cut("")),
        }
    }
}

impl Event<'_> {
    fn text(&self) -> String {
        let text = self.delta.as_ref().and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }
}

impl Reader {
    fn begin(&mut self, response: Option<&RawValue>) {
        let Some(response) = read(response) else {
            return;
        };
        self.head = ChatChunk {
            id: response.id,
            object: "chat.completion.chunk".into(),
            created: response.created_at.max(0.0) as u64,
            model: response.model.unwrap_or_default(),
            ..ChatChunk::default()
        };
    }

    fn tell(&self, choice: ChunkChoice, out: &mut Chunks) {
        let choices = vec![choice];
        out.chat(ChatChunk {
            choices,
            ..self.head.clone()
        });
    }

    fn choice(&self, delta: Delta, logprobs: Option<Value>, out: &mut Chunks) {
        let choice = ChunkChoice {
            delta,
            logprobs,
            ..ChunkChoice::default()
        };
        self.tell(choice, out);
    }

    fn refuse(&mut self, place: u64, text: String, out: &mut Chunks) {
        self.items.entry(place).or_default().told += text.len();
        let delta = Delta {
            refusal: Some(text),
            ..Delta::default()
        };
        self.choice(delta, None, out);
    }

    /// An item begins. Some hosts say all of a call at once.
    fn add(&mut self, place: u64, item: Item, out: &mut Chunks) {
        let call = match item.kind.as_str() {
            "message" | "reasoning" => return,
            "function_call" => ToolCall {
                id: item.call_id.or(item.id),
                kind: Some("function".into()),
                function: FunctionCall {
                    name: item.name,
                    arguments: item.arguments.unwrap_or_default(),
                },
                ..ToolCall::default()
            },
            "custom_tool_call" => ToolCall {
                id: item.call_id.or(item.id),
                kind: Some("custom".into()),
                ..ToolCall::default()
            },
            // What a vendor runs itself.
            kind => {
                let mut fields = Map::new();
                fields.insert(kind.to_owned(), item.id.into());
                let delta = Delta {
                    provider_specific_fields: fields,
                    ..Delta::default()
                };
                return self.choice(delta, None, out);
            }
        };
        let known = Known {
            call: Some(self.calls),
            told: call.function.arguments.len(),
        };
        let call = ToolCall {
            index: Some(self.calls),
            ..call
        };
        self.calls += 1;
        self.items.insert(place, known);
        self.call(call, out);
    }

    fn call(&self, call: ToolCall, out: &mut Chunks) {
        let delta = Delta {
            tool_calls: vec![call],
            ..Delta::default()
        };
        self.choice(delta, None, out);
    }

    fn argue(&mut self, place: u64, more: String, out: &mut Chunks) {
        let Some(known) = self.items.get_mut(&place) else {
            return;
        };
        known.told += more.len();
        let mut call = ToolCall {
            index: known.call,
            ..ToolCall::default()
        };
        call.function.arguments = more;
        self.call(call, out);
    }

    /// An item is whole: tells what no piece of it told.
    fn complete(&mut self, place: u64, item: Item, out: &mut Chunks) {
        let known = self.items.get(&place);
        if known.is_some_and(|known| known.told > 0) {
            return;
        }
        match item.kind.as_str() {
            "function_call" => {
                if known.is_none() {
                    return self.add(place, item, out);
                }
                self.argue(place, item.arguments.unwrap_or_default(), out);
            }
            "message" => {
                for part in item.content {
                    if let Some(refusal) = part.refusal {
                        self.refuse(place, refusal, out);
                    }
                    let delta = Delta {
                        content: part.text,
                        ..Delta::default()
                    };
                    self.choice(delta, None, out);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, response: Option<&RawValue>, out: &mut Chunks) {
        let response = read(response);
        let (missing, usage) = response.map_or_else(Default::default, |response| {
            (response.incomplete_details, response.usage)
        });
        let reason = match missing.and_then(|missing| missing.reason).as_deref() {
            Some("max_output_tokens") => "length",
            Some("content_filter") => "content_filter",
            _ if self.calls > 0 => "tool_calls",
            _ => "stop",
        };
        let choice = ChunkChoice {
            finish_reason: Some(reason.to_owned()),
            ..ChunkChoice::default()
        };
        self.tell(choice, out);
        if let Some(usage) = usage {
            out.chat(ChatChunk {
                usage: Some(usage.normalise()),
                ..self.head.clone()
            });
        }
        self.done = true;
        out.done = true;
    }
}

fn read(response: Option<&RawValue>) -> Option<Response> {
    serde_json::from_str(response?.get()).ok()
}
