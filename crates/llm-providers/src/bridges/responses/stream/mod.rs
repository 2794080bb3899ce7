//! Chat chunks as a response's events.

mod after;
mod calls;

use llm_types::{ChatChunk, Delta, JsonObject, ThinkingBlock, ToolCall, Usage};
use serde_json::{Value, json};

use super::{
    items::{self, Frame, with},
    response,
    tools::Offered,
};
use crate::{
    Error,
    bridges::{BridgeStream, Event, seal::Seal},
};

/// Turns chunks into events: each item is added, grows, and is done.
pub(super) struct Events {
    asked: JsonObject,
    offered: Offered,
    id: String,
    created: u64,
    model: String,
    service_tier: Option<String>,
    started: bool,
    /// The number of the next event.
    number: u64,
    /// The items that were added, as they are when they are done.
    output: Vec<Value>,
    /// The thought or message that is being told.
    open: Option<Open>,
    /// The calls that are being told: fragments may come in any order.
    calls: Vec<calls::Call>,
    /// The vendor's places of calls that are done.
    closed: Vec<u64>,
    finish: Option<String>,
    usage: Option<Usage>,
    /// The response as its vendor began it, where it is only gone on with here.
    begun: Option<JsonObject>,
    /// Thoughts of its vendor's that were open when something else began.
    aside: Vec<Open>,
}

struct Open {
    index: usize,
    id: String,
    kind: Kind,
}

enum Kind {
    Thought {
        text: String,
        seal: Option<Seal>,
    },
    Message {
        done: Vec<Value>,
        part: Option<Part>,
    },
    /// A vendor's own thought, to which nothing is added.
    Begun(after::Thought),
}

/// The part of a message that is being told.
struct Part {
    is_refusal: bool,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

impl Part {
    fn value(&self) -> Value {
        match self.is_refusal {
            true => items::refusal(&self.text),
            false => items::output_text(&self.text, &self.annotations, &self.logprobs),
        }
    }
}

impl Events {
    pub(super) fn new(asked: &JsonObject) -> Self {
        Self {
            offered: Offered::read(asked),
            asked: asked.clone(),
            id: String::new(),
            created: 0,
            model: String::new(),
            service_tier: None,
            started: false,
            number: 0,
            output: Vec::new(),
            open: None,
            calls: Vec::new(),
            closed: Vec::new(),
            finish: None,
            usage: None,
            begun: None,
            aside: Vec::new(),
        }
    }

    fn tell(&mut self, kind: &'static str, rest: Value, out: &mut Vec<Event>) {
        let mut event = json!({"type": kind, "sequence_number": self.number});
        if let (Value::Object(event), Value::Object(rest)) = (&mut event, rest) {
            event.extend(rest);
        }
        self.number += 1;
        out.push(Event {
            name: Some(kind),
            data: event.to_string().into(),
        });
    }

    /// Tells the response itself, as it stands.
    fn tell_whole(&mut self, kind: &'static str, status: &str, out: &mut Vec<Event>) {
        let (_, missing) =
            items::outcome(self.finish.as_deref().filter(|_| status != "in_progress"));
        let usage = match status {
            "in_progress" => Value::Null,
            _ => response::usage(self.usage.take()),
        };
        let whole = match &self.begun {
            Some(begun) => items::ended(begun, status, &missing, &self.output, &usage),
            None => Frame {
                asked: &self.asked,
                id: &self.id,
                created: self.created,
                model: &self.model,
                service_tier: self.service_tier.as_deref(),
            }
            .around(status, &missing, &self.output, &usage),
        };
        let mut event = JsonObject::new();
        event.set_str("type", kind);
        event.set("sequence_number", &self.number);
        event.set_raw("response", whole.to_bytes());
        self.number += 1;
        out.push(Event {
            name: Some(kind),
            data: event.to_bytes(),
        });
    }

    fn start(&mut self, chunk: &ChatChunk, out: &mut Vec<Event>) {
        self.started = true;
        self.id = items::response_id(&chunk.id);
        self.created = chunk.created;
        self.model = response::model(chunk.model.clone(), &self.asked);
        self.tell_whole("response.created", "in_progress", out);
        self.tell_whole("response.in_progress", "in_progress", out);
    }

    fn delta(
        &mut self,
        delta: Delta,
        logprobs: Vec<Value>,
        out: &mut Vec<Event>,
    ) -> Result<(), Error> {
        if delta.thinking_blocks.is_empty() {
            self.think(&delta.reasoning_content.unwrap_or_default(), out);
        }
        for block in delta.thinking_blocks {
            match block {
                ThinkingBlock::Thinking {
                    thinking,
                    signature,
                } => {
                    self.think(&thinking, out);
                    self.seal(signature.unwrap_or_default(), out);
                }
                ThinkingBlock::RedactedThinking { data } => {
                    self.begin_thought(out);
                    self.set_seal(Seal::Redacted(data));
                    self.close(out);
                }
            }
        }
        self.say(false, &delta.content.unwrap_or_default(), logprobs, out);
        self.say(true, &delta.refusal.unwrap_or_default(), Vec::new(), out);
        for annotation in delta.annotations.iter().filter_map(items::annotation) {
            self.annotate(annotation, out);
        }
        for image in &delta.images {
            self.image(image, out);
        }
        let legacy = delta.function_call.map(|function| ToolCall {
            function,
            ..ToolCall::default()
        });
        for (call, place) in delta.tool_calls.into_iter().chain(legacy).zip(0..) {
            self.call(call, place, out)?;
        }
        Ok(())
    }

    /// Adds an item to the output. What stands there is replaced when it is done.
    fn add(&mut self, item: Value, out: &mut Vec<Event>) -> usize {
        let index = self.output.len();
        self.tell(
            "response.output_item.added",
            json!({"output_index": index, "item": item}),
            out,
        );
        self.output.push(item);
        index
    }

    fn done(&mut self, index: usize, item: Value, out: &mut Vec<Event>) {
        self.tell(
            "response.output_item.done",
            json!({"output_index": index, "item": item}),
            out,
        );
        if let Some(place) = self.output.get_mut(index) {
            *place = item;
        }
    }

    fn begin_thought(&mut self, out: &mut Vec<Event>) {
        self.close(out);
        let id = items::item_id("rs", &self.id, self.output.len());
        let index = self.add(items::reasoning(&id, "", None), out);
        let kind = Kind::Thought {
            text: String::new(),
            seal: None,
        };
        self.open = Some(Open { index, id, kind });
    }

    fn think(&mut self, more: &str, out: &mut Vec<Event>) {
        if more.is_empty() {
            return;
        }
        // A signature ends the thought; more thinking is another item.
        let goes_on = matches!(
            &self.open,
            Some(Open {
                kind: Kind::Thought { seal: None, .. },
                ..
            })
        );
        if !goes_on {
            self.begin_thought(out);
        }
        let Some(Open {
            index,
            id,
            kind: Kind::Thought { text, .. },
        }) = &mut self.open
        else {
            return;
        };
        let is_first = text.is_empty();
        text.push_str(more);
        let place = json!({"item_id": id, "output_index": index, "summary_index": 0});
        if is_first {
            let part = json!({"type": "summary_text", "text": ""});
            self.tell(
                "response.reasoning_summary_part.added",
                with(&place, "part", part),
                out,
            );
        }
        self.tell(
            "response.reasoning_summary_text.delta",
            with(&place, "delta", more.into()),
            out,
        );
    }

    fn seal(&mut self, signature: String, out: &mut Vec<Event>) {
        if signature.is_empty() {
            return;
        }
        let fits = matches!(
            &self.open,
            Some(Open {
                kind: Kind::Thought { seal: None, .. },
                ..
            })
        );
        if !fits {
            self.begin_thought(out);
        }
        self.set_seal(Seal::Signature(signature));
    }

    fn set_seal(&mut self, with: Seal) {
        if let Some(Open {
            kind: Kind::Thought { seal, .. },
            ..
        }) = &mut self.open
        {
            *seal = Some(with);
        }
    }

    fn say(&mut self, is_refusal: bool, more: &str, logprobs: Vec<Value>, out: &mut Vec<Event>) {
        if more.is_empty() {
            return;
        }
        self.part(is_refusal, out);
        let Some(Open {
            index,
            id,
            kind:
                Kind::Message {
                    done,
                    part: Some(part),
                },
        }) = &mut self.open
        else {
            return;
        };
        part.text.push_str(more);
        part.logprobs.extend(logprobs.iter().cloned());
        let mut event = json!({"item_id": id, "output_index": index, "content_index": done.len(), "delta": more});
        if is_refusal {
            self.tell("response.refusal.delta", event, out);
        } else {
            event["logprobs"] = logprobs.into();
            self.tell("response.output_text.delta", event, out);
        }
    }

    /// Makes sure that a part of this kind is open.
    fn part(&mut self, is_refusal: bool, out: &mut Vec<Event>) {
        if !matches!(
            &self.open,
            Some(Open {
                kind: Kind::Message { .. },
                ..
            })
        ) {
            self.close(out);
            self.close_complete_calls(out);
            let id = items::item_id("msg", &self.id, self.output.len());
            let index = self.add(items::message(&id, "in_progress", Vec::new()), out);
            let kind = Kind::Message {
                done: Vec::new(),
                part: None,
            };
            self.open = Some(Open { index, id, kind });
        }
        let goes_on = matches!(&self.open, Some(Open { kind: Kind::Message { part: Some(part), .. }, .. })
            if part.is_refusal == is_refusal);
        if goes_on {
            return;
        }
        self.close_part(out);
        let Some(Open {
            index,
            id,
            kind: Kind::Message { done, part },
        }) = &mut self.open
        else {
            return;
        };
        let new = Part {
            is_refusal,
            text: String::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
        };
        let event = json!({"item_id": id, "output_index": index, "content_index": done.len(), "part": new.value()});
        *part = Some(new);
        self.tell("response.content_part.added", event, out);
    }

    fn annotate(&mut self, annotation: Value, out: &mut Vec<Event>) {
        self.part(false, out);
        let Some(Open {
            index,
            id,
            kind:
                Kind::Message {
                    done,
                    part: Some(part),
                },
        }) = &mut self.open
        else {
            return;
        };
        let event = json!({"item_id": id, "output_index": index, "content_index": done.len(),
            "annotation_index": part.annotations.len(), "annotation": annotation});
        part.annotations.push(annotation);
        self.tell("response.output_text.annotation.added", event, out);
    }

    fn close_part(&mut self, out: &mut Vec<Event>) {
        let Some(Open {
            index,
            id,
            kind: Kind::Message { done, part },
        }) = &mut self.open
        else {
            return;
        };
        let Some(part) = part.take() else { return };
        let place = json!({"item_id": id, "output_index": index, "content_index": done.len()});
        let value = part.value();
        done.push(value.clone());
        if part.is_refusal {
            let event = with(&place, "refusal", part.text.into());
            self.tell("response.refusal.done", event, out);
        } else {
            let mut event = with(&place, "text", part.text.into());
            event["logprobs"] = part.logprobs.into();
            self.tell("response.output_text.done", event, out);
        }
        self.tell(
            "response.content_part.done",
            with(&place, "part", value),
            out,
        );
    }

    /// Ends the thought or message that is open.
    fn close(&mut self, out: &mut Vec<Event>) {
        self.close_with("completed", out);
    }

    fn close_with(&mut self, status: &str, out: &mut Vec<Event>) {
        self.close_part(out);
        let Some(Open { index, id, kind }) = self.open.take() else {
            return;
        };
        let item = match kind {
            Kind::Message { done, .. } => items::message(&id, status, done),
            Kind::Begun(thought) => thought.end(self, index, &id, out),
            Kind::Thought { text, seal } => {
                if !text.is_empty() {
                    let place = json!({"item_id": id, "output_index": index, "summary_index": 0});
                    let part = json!({"type": "summary_text", "text": text});
                    let event = with(&place, "text", text.as_str().into());
                    self.tell("response.reasoning_summary_text.done", event, out);
                    let event = with(&place, "part", part);
                    self.tell("response.reasoning_summary_part.done", event, out);
                }
                items::reasoning(&id, &text, seal.as_ref())
            }
        };
        self.done(index, item, out);
    }

    fn image(&mut self, image: &Value, out: &mut Vec<Event>) {
        let id = items::item_id("ig", &self.id, self.output.len());
        if let Some(item) = items::image(&id, image) {
            self.close(out);
            let index = self.add(item.clone(), out);
            self.done(index, item, out);
        }
    }
}

impl BridgeStream for Events {
    fn push(&mut self, chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        if !self.started {
            self.start(&chunk, out);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
        }
        if let Some(Value::String(tier)) = chunk.extra.get("service_tier") {
            self.service_tier = Some(tier.clone());
        }
        let Some(choice) = chunk.choices.into_iter().find(|choice| choice.index == 0) else {
            return Ok(());
        };
        let logprobs = items::logprobs(choice.logprobs.as_ref());
        self.delta(choice.delta, logprobs, out)?;
        if let Some(finish) = choice.finish_reason {
            self.finish = Some(finish);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        if !self.started {
            self.start(&ChatChunk::default(), out);
        }
        let (status, _) = items::outcome(self.finish.as_deref());
        self.close_with(status, out);
        self.close_calls(status, out);
        self.close_aside(out);
        let kind = match status {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        self.tell_whole(kind, status, out);
        Ok(())
    }
}
