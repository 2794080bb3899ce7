//! A response that its vendor began, as the beginning of one that is gone on with here.

use llm_types::JsonObject;
use serde_json::{Value, json};

use super::{Events, Kind, Open, Part, calls::Call};
use crate::bridges::{Event, responses::items::with};

/// A thought as its vendor told it so far.
pub(super) struct Thought {
    item: Value,
    /// The part that is being told: the list it belongs to, its number there, and its text.
    part: Option<(&'static str, usize, String)>,
}

/// The lists of a thought, the names of the events that tell their parts, and of the key that numbers these.
const LISTS: [(&str, &str, &str, &str); 2] = [
    (
        "summary",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "summary_index",
    ),
    (
        "content",
        "response.reasoning_text.done",
        "response.content_part.done",
        "content_index",
    ),
];

impl Events {
    /// The state after the events `sent`; `None` where nobody here can go on from there.
    pub(in super::super) fn after<'a>(
        asked: &JsonObject,
        sent: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let mut events = Self::new(asked);
        for data in sent {
            events.follow(&serde_json::from_slice(data).ok()?)?;
        }
        events.started.then_some(events)
    }

    fn follow(&mut self, event: &Value) -> Option<()> {
        let number = event["sequence_number"].as_u64().unwrap_or(self.number);
        self.number = number.checked_add(1)?;
        let kind = event["type"].as_str()?;
        match kind {
            "response.created" | "response.queued" | "response.in_progress" => {
                self.envelope(&event["response"])
            }
            "response.output_item.added" => self.follow_item(event),
            "response.output_item.done" => self.follow_end(event),
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                self.follow_part(event)
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                let (_, part) = self.message(event)?;
                part.as_mut()?.text.push_str(event["delta"].as_str()?);
                let logprobs = event["logprobs"].as_array();
                part.as_mut()?
                    .logprobs
                    .extend(logprobs.into_iter().flatten().cloned());
                Some(())
            }
            "response.output_text.annotation.added" => {
                let (_, part) = self.message(event)?;
                part.as_mut()?.annotations.push(event["annotation"].clone());
                Some(())
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let (_, _, text) = self.thought(event)?.part.as_mut()?;
                text.push_str(event["delta"].as_str()?);
                Some(())
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                self.follow_part_end(event)
            }
            "response.function_call_arguments.delta" => {
                let index = usize::try_from(event["output_index"].as_u64()?).ok()?;
                let calls = &mut self.calls;
                let call = calls.iter_mut().find(|call| call.is_at(index))?;
                call.follow(event["delta"].as_str()?);
                Some(())
            }
            // It says again what the pieces said, or nothing of the answer.
            _ => Some(()),
        }
    }

    fn envelope(&mut self, response: &Value) -> Option<()> {
        let begun = JsonObject::from_serialize(response).ok()?;
        self.started = true;
        self.id = begun.str("id")?.into_owned();
        self.model = begun.str("model").unwrap_or_default().into_owned();
        self.begun = Some(begun);
        Some(())
    }

    fn follow_item(&mut self, event: &Value) -> Option<()> {
        let (item, index) = (&event["item"], self.output.len());
        if event["output_index"].as_u64()? != index as u64 {
            return None;
        }
        // Some vendors end a thought after the answer that follows from it.
        match self.open.take() {
            Some(open) if matches!(open.kind, Kind::Begun(_)) => self.aside.push(open),
            Some(_) => return None,
            None => {}
        }
        let id = item["id"].as_str()?.to_owned();
        let kind = match item["type"].as_str()? {
            "message" => Kind::Message {
                done: Vec::new(),
                part: None,
            },
            "reasoning" => Kind::Begun(Thought {
                item: item.clone(),
                part: None,
            }),
            "function_call" => {
                let place = (self.calls.len() + self.closed.len()) as u64;
                self.calls.push(Call::begun(place, index, item)?);
                self.output.push(item.clone());
                return Some(());
            }
            _ => return None,
        };
        self.open = Some(Open { index, id, kind });
        self.output.push(item.clone());
        Some(())
    }

    fn follow_end(&mut self, event: &Value) -> Option<()> {
        let index = usize::try_from(event["output_index"].as_u64()?).ok()?;
        // Some hosts tell an item by its end alone.
        if index == self.output.len() {
            self.follow_item(event)?;
        }
        *self.output.get_mut(index)? = event["item"].clone();
        self.open.take_if(|open| open.index == index);
        self.aside.retain(|open| open.index != index);
        if let Some(at) = self.calls.iter().position(|call| call.is_at(index)) {
            let place = self.calls.remove(at).place();
            self.closed.push(place);
        }
        Some(())
    }

    fn follow_part(&mut self, event: &Value) -> Option<()> {
        let part = &event["part"];
        if let Some(thought) = self.thought(event) {
            let list = match event["type"] == "response.content_part.added" {
                true => "content",
                false => "summary",
            };
            let number = thought.parts(list).len();
            let text = part["text"].as_str().unwrap_or_default().to_owned();
            thought.part = Some((list, number, text));
            return Some(());
        }
        let (_, open) = self.message(event)?;
        let is_refusal = part["type"] == "refusal";
        let key = if is_refusal { "refusal" } else { "text" };
        *open = Some(Part {
            is_refusal,
            text: part[key].as_str().unwrap_or_default().to_owned(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
        });
        Some(())
    }

    fn follow_part_end(&mut self, event: &Value) -> Option<()> {
        let part = &event["part"];
        if let Some(thought) = self.thought(event) {
            let (list, _, _) = thought.part.take()?;
            thought.add(list, part.clone());
            return Some(());
        }
        let (done, open) = self.message(event)?;
        done.push(part.clone());
        *open = None;
        Some(())
    }

    /// Ends the thoughts that are still open.
    pub(super) fn close_aside(&mut self, out: &mut Vec<Event>) {
        for open in std::mem::take(&mut self.aside) {
            self.open = Some(open);
            self.close(out);
        }
    }

    fn message(&mut self, event: &Value) -> Option<(&mut Vec<Value>, &mut Option<Part>)> {
        match &mut self.item_of(event)?.kind {
            Kind::Message { done, part } => Some((done, part)),
            _ => None,
        }
    }

    fn thought(&mut self, event: &Value) -> Option<&mut Thought> {
        match &mut self.item_of(event)?.kind {
            Kind::Begun(thought) => Some(thought),
            _ => None,
        }
    }

    /// The thought or message that an event is about.
    fn item_of(&mut self, event: &Value) -> Option<&mut Open> {
        let index = event["output_index"].as_u64()?;
        let mut all = self.open.iter_mut().chain(&mut self.aside);
        all.find(|open| open.index as u64 == index)
    }
}

impl Thought {
    fn parts(&self, list: &str) -> &[Value] {
        self.item[list].as_array().map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, list: &str, part: Value) {
        match &mut self.item[list] {
            Value::Array(parts) => parts.push(part),
            other => *other = json!([part]),
        }
    }

    /// Ends the part that is open, and returns the thought as it is then.
    pub(super) fn end(
        mut self,
        events: &mut Events,
        index: usize,
        id: &str,
        out: &mut Vec<Event>,
    ) -> Value {
        let Some((list, number, text)) = self.part.take() else {
            return self.item;
        };
        let known = LISTS.iter().find(|(name, ..)| *name == list);
        let Some((_, text_done, part_done, key)) = known else {
            return self.item;
        };
        let kind = match list {
            "summary" => "summary_text",
            _ => "reasoning_text",
        };
        let part = json!({"type": kind, "text": text});
        let mut place = json!({"item_id": id, "output_index": index});
        place[*key] = number.into();
        events.tell(text_done, with(&place, "text", text.into()), out);
        events.tell(part_done, with(&place, "part", part.clone()), out);
        self.add(list, part);
        self.item
    }
}
