//! Where vendors' answers differ from OpenAI's, and how they are put right.
//!
//! Each rule goes by what the answer looks like, not by who sent it: vendors copy each other's ways, and servers of
//! one's own have no name.

use llm_types::{Map, Op, Usage};
use serde_json::{Value, json};

use super::{
    citations,
    message::{
        arguments, content, empties, function_text, function_to_tool, made_id, mapped, name,
        reasoning,
    },
    usage,
    wire::{self, is_known_reason, is_text},
};
use crate::{Call, call::JSON_TOOL};

/// Puts one answer right: a whole one, or all chunks of one in their order.
pub(super) struct Repair {
    stream: bool,
    is_chat: bool,
    json_tool: bool,
    legacy_functions: bool,
    model: String,
    /// The tool calls that have begun: choice and index.
    begun: Vec<(u64, u64)>,
    /// The text so far, of a stream that has sources.
    text: String,
}

impl Repair {
    pub(super) fn new(call: &Call<'_>, stream: bool) -> Self {
        Self {
            stream,
            is_chat: call.op == Op::Chat,
            json_tool: call.json_tool,
            legacy_functions: call.legacy_functions,
            model: call.model().to_owned(),
            begun: Vec::new(),
            text: String::new(),
        }
    }

    /// Whether `document`, whose usage was read, is OpenAI's as it stands; if so it counts as seen.
    pub(super) fn is_plain(
        &mut self,
        document: &wire::Document<'_>,
        usage: Option<&Option<usage::Read>>,
    ) -> bool {
        let choices = document.choices.as_deref().unwrap_or_default();
        let plain = !self.json_tool
            && !self.legacy_functions
            && document.citations.is_none()
            && self.has_plain_object(document)
            && document.created.is_none_or(|created| !is_text(created))
            && usage.is_none_or(|read| read.as_ref().is_some_and(|read| !read.changed))
            && (document.usage.is_some() || !has_usage_elsewhere(document))
            && choices.iter().all(|choice| self.is_plain_choice(choice));
        if plain && self.stream {
            for choice in choices {
                let delta = choice.delta.as_ref();
                let calls = delta.and_then(|delta| delta.tool_calls.as_deref());
                for call in calls.unwrap_or_default() {
                    self.begin(choice.index.unwrap_or(0), call.index.unwrap_or(0));
                }
            }
        }
        plain
    }

    fn has_plain_object(&self, document: &wire::Document<'_>) -> bool {
        match document.object.as_deref() {
            Some("chat.completion") => !self.stream && self.is_chat,
            Some("chat.completion.chunk") => self.stream && self.is_chat,
            Some(_) => !self.is_chat,
            None => false,
        }
    }

    fn is_plain_choice(&self, choice: &wire::Choice<'_>) -> bool {
        let Some(index) = choice.index else {
            return false;
        };
        let reason = match choice.finish_reason.as_deref() {
            Some(reason) => is_known_reason(reason),
            None => self.stream,
        };
        if !self.is_chat {
            return reason;
        }
        let message = match (&choice.delta, &choice.message) {
            (Some(delta), None) if self.stream => delta,
            (None, Some(message)) if !self.stream => message,
            _ => return false,
        };
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        let stopped = choice.finish_reason.as_deref() == Some("stop");
        let called = !calls.is_empty() || self.has_begun(index);
        reason
            && !(stopped && called)
            && message.content.is_none_or(is_text)
            && !hides_reasoning(message)
            && calls.iter().all(|call| self.is_plain_call(index, call))
            && message.function_call.as_ref().is_none_or(|function| {
                let named = function
                    .name
                    .as_deref()
                    .is_some_and(|name| !name.is_empty());
                (self.stream || named) && function.arguments.is_none_or(is_text)
            })
    }

    fn is_plain_call(&self, choice: u64, call: &wire::ToolCall<'_>) -> bool {
        let Some(function) = &call.function else {
            return call.kind.as_deref().is_some_and(|kind| kind != "function");
        };
        let filled = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        let (id, name) = (call.id.as_deref(), function.name.as_deref());
        let arguments = function.arguments;
        if !self.stream {
            return filled(id)
                && filled(name)
                && call.kind.is_some()
                && arguments.is_some_and(is_text);
        }
        let Some(index) = call.index else {
            return false;
        };
        if arguments.is_some_and(|raw| !is_text(raw)) {
            return false;
        }
        if self.begun.contains(&(choice, index)) {
            id.is_none_or(|id| !id.is_empty()) && name.is_none_or(|name| !name.is_empty())
        } else {
            filled(id) && filled(name) && call.kind.is_some()
        }
    }

    fn begin(&mut self, choice: u64, index: u64) -> bool {
        let new = !self.begun.contains(&(choice, index));
        if new {
            self.begun.push((choice, index));
        }
        new
    }

    fn has_begun(&self, choice: u64) -> bool {
        self.begun.iter().any(|(of, _)| *of == choice)
    }

    /// Why a choice ended whose vendor did not say.
    pub(super) fn reason_for_the_end(&self, choice: u64) -> &'static str {
        if self.has_begun(choice) {
            "tool_calls"
        } else {
            "stop"
        }
    }

    /// Puts `document` right, and returns its usage.
    pub(super) fn apply(&mut self, document: &mut Map) -> Option<Usage> {
        hoist_usage(document);
        let usage = usage::repair(document);
        if self.is_chat {
            let object = if self.stream {
                "chat.completion.chunk"
            } else {
                "chat.completion"
            };
            document.insert("object".into(), object.into());
        } else if !document.contains_key("object") {
            document.insert("object".into(), "text_completion".into());
        }
        // Writer's time is a text.
        if let Some(Value::String(created)) = document.get("created") {
            let created = created.parse::<u64>().map_or(Value::Null, Value::from);
            document.insert("created".into(), created);
        }
        if document
            .get("model")
            .is_none_or(|model| model.as_str().is_none_or(str::is_empty))
        {
            document.insert("model".into(), self.model.clone().into());
        }
        let id = document
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut choices = match document.get_mut("choices") {
            Some(Value::Array(choices)) => std::mem::take(choices),
            _ => return usage,
        };
        for (i, choice) in choices.iter_mut().enumerate() {
            if let Value::Object(choice) = choice {
                self.choice(choice, i as u64, &id);
                if self.is_chat && document.contains_key("citations") {
                    self.sources(choice, document);
                }
            }
        }
        document.insert("choices".into(), choices.into());
        usage
    }

    fn choice(&mut self, choice: &mut Map, position: u64, id: &str) {
        let index = choice.get("index").and_then(Value::as_u64);
        if index.is_none() {
            choice.insert("index".into(), position.into());
        }
        let index = index.unwrap_or(position);
        let mut has_calls = false;
        if self.is_chat {
            self.shape(choice);
            let key = if self.stream { "delta" } else { "message" };
            if let Some(Value::Object(message)) = choice.get_mut(key) {
                content(message);
                reasoning(message);
                empties(message);
                if self.legacy_functions {
                    function_to_tool(message);
                }
                self.tool_calls(message, index, id);
                has_calls = message.contains_key("tool_calls");
            }
        }
        self.finish_reason(choice, index, has_calls);
    }

    /// A stream has deltas, a whole answer has messages. Perplexity's streams repeat all that was said in `message`.
    fn shape(&self, choice: &mut Map) {
        if !self.stream {
            return;
        }
        let message = choice.shift_remove("message");
        if !choice.get("delta").is_some_and(Value::is_object) {
            let delta = message
                .filter(Value::is_object)
                .unwrap_or_else(|| json!({}));
            choice.insert("delta".into(), delta);
        }
    }

    fn tool_calls(&mut self, message: &mut Map, choice: u64, id: &str) {
        let Some(Value::Array(calls)) = message.get_mut("tool_calls") else {
            message.shift_remove("tool_calls");
            return;
        };
        let mut calls = std::mem::take(calls);
        for (position, call) in calls.iter_mut().enumerate() {
            if let Value::Object(call) = call {
                self.tool_call(call, choice, position as u64, id);
            }
        }
        if self.json_tool {
            let is_answer = |call: &Value| self.stream || name(call) == Some(JSON_TOOL);
            let (answers, others): (Vec<_>, Vec<_>) = calls.into_iter().partition(is_answer);
            if !answers.is_empty() {
                let text: String = answers.iter().filter_map(arguments).collect();
                message.insert("content".into(), text.into());
            }
            calls = others;
        }
        if calls.is_empty() {
            message.shift_remove("tool_calls");
        } else {
            message.insert("tool_calls".into(), calls.into());
        }
    }

    fn tool_call(&mut self, call: &mut Map, choice: u64, position: u64, id: &str) {
        let own_id = call
            .get("id")
            .and_then(Value::as_str)
            .is_some_and(|id| !id.is_empty());
        let index = self.index_of(call, choice, position, own_id);
        if self.stream {
            call.insert("index".into(), index.into());
        }
        let first = self.begin(choice, index) || !self.stream;
        if let Some(Value::Object(function)) = call.get_mut("function") {
            function_text(function, first);
        }
        if !first {
            if !own_id {
                call.shift_remove("id");
            }
            return;
        }
        if !own_id {
            call.insert("id".into(), made_id(id, choice, index).into());
        }
        let kind = call.get("type").and_then(Value::as_str);
        if kind.is_none_or(str::is_empty) {
            call.insert("type".into(), "function".into());
        }
    }

    /// A fragment without an index belongs to the call that its id begins, else to the last one.
    fn index_of(&self, call: &Map, choice: u64, position: u64, own_id: bool) -> u64 {
        if let Some(index) = call.get("index").and_then(Value::as_u64) {
            return index;
        }
        if !self.stream {
            return position;
        }
        let begun = self.begun.iter().filter(|(of, _)| *of == choice);
        let last = begun.map(|(_, index)| *index).max();
        match last {
            None => position,
            Some(last) if own_id => last + 1,
            Some(last) => last,
        }
    }

    fn finish_reason(&self, choice: &mut Map, index: u64, has_calls: bool) {
        let native = choice
            .get("finish_reason")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let by_content = || {
            if has_calls || (!self.json_tool && self.has_begun(index)) {
                "tool_calls"
            } else {
                "stop"
            }
        };
        let reason = match native.as_str() {
            "" if self.stream => {
                choice.insert("finish_reason".into(), Value::Null);
                return;
            }
            // OpenAI itself stops where a tool was forced; a loop over tools goes by the reason.
            "" | "stop" => by_content(),
            "tool_calls" if self.json_tool && !has_calls => "stop",
            "function_call" if self.legacy_functions => by_content(),
            known if is_known_reason(known) => return,
            other => mapped(other).unwrap_or_else(by_content),
        };
        choice.insert("finish_reason".into(), reason.into());
        if !native.is_empty() && native != reason {
            let fields = choice
                .entry("provider_specific_fields")
                .or_insert_with(|| json!({}));
            if let Value::Object(fields) = fields {
                fields.insert("native_finish_reason".into(), native.into());
            }
        }
    }

    /// Sources become annotations: of a stream, in the last chunk, when all of the text is known.
    fn sources(&mut self, choice: &mut Map, document: &Map) {
        let finished = choice.get("finish_reason").is_some_and(Value::is_string);
        let key = if self.stream { "delta" } else { "message" };
        let Some(Value::Object(message)) = choice.get_mut(key) else {
            return;
        };
        if let Some(text) = message.get("content").and_then(Value::as_str) {
            self.text.push_str(text);
        }
        if !finished
            || message
                .get("annotations")
                .is_some_and(|list| !list.is_null())
        {
            return;
        }
        let annotations = citations::annotations(document, &self.text);
        if !annotations.is_empty() {
            message.insert("annotations".into(), annotations.into());
        }
        self.text.clear();
    }
}

/// Thinking under another name than the one we give it.
fn hides_reasoning(message: &wire::Message<'_>) -> bool {
    let named = message.reasoning_content.is_some();
    let other = message.reasoning.is_some_and(|raw| raw.get() != "\"\"");
    let details = message
        .reasoning_details
        .is_some_and(|raw| raw.get() != "[]");
    !named && (other || details)
}

fn has_usage_elsewhere(document: &wire::Document<'_>) -> bool {
    let in_groq = document
        .x_groq
        .is_some_and(|raw| memchr::memmem::find(raw.get().as_bytes(), b"\"usage\"").is_some());
    let choices = document.choices.as_deref().unwrap_or_default();
    in_groq || choices.iter().any(|choice| choice.usage.is_some())
}

/// Groq's streams have the usage in `x_groq`, Moonshot's in the last choice.
fn hoist_usage(document: &mut Map) {
    if document.get("usage").is_some_and(|usage| !usage.is_null()) {
        return;
    }
    let document_ref = Value::Object(std::mem::take(document));
    let found = ["/x_groq/usage", "/choices/0/usage"].iter().find_map(|at| {
        document_ref
            .pointer(at)
            .filter(|usage| usage.is_object())
            .cloned()
    });
    if let Value::Object(map) = document_ref {
        *document = map;
    }
    if let Some(usage) = found {
        document.insert("usage".into(), usage);
    }
}
