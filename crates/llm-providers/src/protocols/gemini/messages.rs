//! Chat messages to Gemini's turns.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{Content, ContentPart, Map, Message, ThinkingBlock};
use serde_json::{Value, json};

use super::{
    media::Medium,
    model::Model,
    names,
    parts::{NATIVE_PARTS, SIGNATURE, SIGNATURES},
    signature,
    wire::{self, FunctionCall, FunctionResponse, Part},
};
use crate::{Call, Error};

/// What Gemini 3 accepts in place of a signature that another model never made.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The system prompt and the turns.
pub(crate) fn turns(
    call: &Call<'_>,
    messages: Vec<Message>,
) -> Result<(Option<wire::Content>, Vec<wire::Content>), Error> {
    let mut turns = Turns {
        call,
        model: Model::new(call.model()),
        calls: BTreeMap::new(),
        system: Vec::new(),
        all: Vec::new(),
    };
    for (at, message) in messages.into_iter().enumerate() {
        turns.add(at, message)?;
    }
    Ok(turns.finish())
}

struct Turns<'a> {
    call: &'a Call<'a>,
    model: Model<'a>,
    /// The names of the calls so far, by id.
    calls: BTreeMap<String, String>,
    system: Vec<Part>,
    all: Vec<(Speaker, Vec<Part>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Model,
    Tool,
}

impl Turns<'_> {
    fn add(&mut self, at: usize, message: Message) -> Result<(), Error> {
        match message.role.as_str() {
            "system" | "developer" => {
                let parts = self.parts(at, message.content)?;
                let known = self.call.target.facts.supports("system_messages");
                if known.unwrap_or_else(|| self.model.has_system_prompt()) {
                    self.system.extend(parts);
                } else {
                    self.push(Speaker::User, parts);
                }
            }
            "assistant" => self.assistant(at, message)?,
            "tool" | "function" => self.result(at, message)?,
            "user" => {
                let parts = self.parts(at, message.content)?;
                self.push(Speaker::User, parts);
            }
            other => {
                let field = format!("messages[{at}].role");
                return Err(Error::bad_request(
                    field,
                    format!("'{other}' is not a role"),
                ));
            }
        }
        Ok(())
    }

    /// Consecutive turns of one speaker are one turn.
    fn push(&mut self, speaker: Speaker, parts: Vec<Part>) {
        match self.all.last_mut() {
            Some((last, all)) if *last == speaker => all.extend(parts),
            _ => self.all.push((speaker, parts)),
        }
    }

    fn parts(&self, at: usize, content: Option<Content>) -> Result<Vec<Part>, Error> {
        let parts = content.map(Content::into_parts).unwrap_or_default();
        let parts = parts.into_iter().enumerate();
        let parts = parts.map(|(i, part)| {
            self.part(part)
                .map_err(|why| why.into_error(&format!("messages[{at}].content[{i}]")))
        });
        // Gemini refuses empty texts.
        let filled = |part: &Result<Part, Error>| {
            part.as_ref()
                .map_or(true, |part| part.text.as_deref() != Some(""))
        };
        parts.filter(filled).collect()
    }

    fn part(&self, mut part: ContentPart) -> Result<Part, Fault> {
        let mut text = |kind: &str| match part.extra.remove(kind) {
            Some(Value::String(text)) => text,
            _ => part.text.take().unwrap_or_default(),
        };
        match part.kind.as_str() {
            "text" | "input_text" | "output_text" | "guarded_text" => Ok(Part::text(text("text"))),
            "refusal" => Ok(Part::text(text("refusal"))),
            "thinking" => Ok(Part {
                thought: Some(true),
                thought_signature: part
                    .extra
                    .get("signature")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                text: part
                    .extra
                    .get("thinking")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                ..Part::default()
            }),
            _ => match Medium::of(&part).map_err(Fault::Text)? {
                Some(medium) => medium
                    .part(self.call)
                    .map_err(|e| Fault::Whole(Box::new(e))),
                None => Err(Fault::Text(format!(
                    "'{}' parts cannot be sent to Gemini",
                    part.kind
                ))),
            },
        }
    }

    fn assistant(&mut self, at: usize, message: Message) -> Result<(), Error> {
        let mut parts: Vec<Part> = message.thinking_blocks.iter().filter_map(thought).collect();
        let fields = &message.provider_specific_fields;
        let native = fields.get(NATIVE_PARTS).cloned();
        parts.extend(
            native
                .and_then(|list| serde_json::from_value::<Vec<Part>>(list).ok())
                .unwrap_or_default(),
        );
        let mut said = self.parts(at, message.content)?;
        said.extend(
            message
                .refusal
                .filter(|text| !text.is_empty())
                .map(Part::text),
        );
        sign(&mut said, fields);
        parts.extend(said);
        for image in &message.images {
            parts.extend(generated(image));
        }
        let first = parts.len();
        for (i, call) in message.tool_calls.into_iter().enumerate() {
            parts.push(self.tool_call(&format!("messages[{at}].tool_calls[{i}]"), call)?);
        }
        if let Some(call) = message.function_call {
            let name = call.name.unwrap_or_default();
            let args = arguments(&call.arguments, &format!("messages[{at}].function_call"))?;
            parts.push(called(None, &name, args));
        }
        // Only the first of parallel calls carries a signature, and Gemini 3 insists on that one.
        if self.model.is_3()
            && parts
                .iter()
                .skip(first)
                .all(|part| part.thought_signature.is_none())
            && let Some(part) = parts.get_mut(first)
        {
            part.thought_signature = Some(STANDARD.encode(NO_SIGNATURE));
        }
        if !parts.is_empty() {
            self.push(Speaker::Model, parts);
        }
        Ok(())
    }

    fn tool_call(&mut self, field: &str, call: llm_types::ToolCall) -> Result<Part, Error> {
        let (id, hidden) = signature::split(call.id.as_deref().unwrap_or_default());
        let name = call.function.name.as_deref().unwrap_or_default();
        let given = call.provider_specific_fields.get(SIGNATURE);
        let signature = given.and_then(Value::as_str).or(hidden).map(str::to_owned);
        let args = arguments(&call.function.arguments, field)?;
        self.calls.insert(id.to_owned(), name.to_owned());
        let mut part = called(Some(id), name, args);
        part.thought_signature = signature;
        Ok(part)
    }

    fn result(&mut self, at: usize, message: Message) -> Result<(), Error> {
        let (id, _) = signature::split(message.tool_call_id.as_deref().unwrap_or_default());
        let known = self.calls.get(id).map(String::as_str);
        let Some(name) = known.or(message.name.as_deref()) else {
            let field = format!("messages[{at}].tool_call_id");
            return Err(Error::bad_request(
                field,
                format!("no tool call before it has the id '{id}'"),
            ));
        };
        let mut response = FunctionResponse {
            id: Some(id.to_owned()).filter(|id| !id.is_empty()),
            name: names::clean(name).into_owned(),
            ..FunctionResponse::default()
        };
        let parts = self.parts(at, message.content)?;
        let (texts, media): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.text.is_some());
        let text: String = texts.into_iter().filter_map(|part| part.text).collect();
        response.response = match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(map)) => map,
            _ => Map::from_iter([("content".to_owned(), text.into())]),
        };
        // Results with images are new in Gemini 3; before it they stand beside the result.
        let beside = if self.model.is_3() {
            response.parts = media;
            Vec::new()
        } else {
            media
        };
        let result = Part {
            function_response: Some(response),
            ..Part::default()
        };
        self.push(
            Speaker::Tool,
            std::iter::once(result).chain(beside).collect(),
        );
        Ok(())
    }

    fn finish(self) -> (Option<wire::Content>, Vec<wire::Content>) {
        let mut contents: Vec<wire::Content> = self.all.into_iter().map(turn).collect();
        if contents.is_empty() {
            contents.push(wire::Content::new("user", vec![Part::text(".")]));
        }
        let system = (!self.system.is_empty()).then_some(wire::Content {
            role: None,
            parts: self.system,
        });
        (system, contents)
    }
}

/// Why a part cannot be sent.
enum Fault {
    Text(String),
    Whole(Box<Error>),
}

impl Fault {
    fn into_error(self, field: &str) -> Error {
        match self {
            Self::Text(why) => Error::bad_request(field, why),
            Self::Whole(error) => *error,
        }
    }
}

/// A turn of the user needs a text.
fn turn((speaker, mut parts): (Speaker, Vec<Part>)) -> wire::Content {
    if speaker == Speaker::User && parts.iter().all(|part| part.text.is_none()) {
        parts.push(Part::text(" "));
    }
    let role = match speaker {
        Speaker::Model => "model",
        Speaker::User | Speaker::Tool => "user",
    };
    wire::Content::new(role, parts)
}

fn thought(block: &ThinkingBlock) -> Option<Part> {
    match block {
        ThinkingBlock::Thinking {
            thinking,
            signature,
        } => Some(Part {
            text: Some(thinking.clone()),
            thought: Some(true),
            thought_signature: signature.clone(),
            ..Part::default()
        }),
        // Sealed by another vendor: nobody here can read it.
        ThinkingBlock::RedactedThinking { .. } => None,
    }
}

/// Gives the signatures of an earlier answer's text back to it; its last part carries them.
fn sign(said: &mut Vec<Part>, fields: &Map) {
    let list = fields.get(SIGNATURES).and_then(Value::as_array);
    let Some(signature) = list.and_then(|list| list.last()?.as_str()) else {
        return;
    };
    if said.is_empty() {
        said.push(Part::text(""));
    }
    if let Some(last) = said.last_mut() {
        last.thought_signature = Some(signature.to_owned());
    }
}

/// An image of an earlier answer.
fn generated(image: &Value) -> Option<Part> {
    let url = image["image_url"]["url"].as_str()?;
    let (kind, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    let mut part = Part::inline(kind, data);
    let signature = &image["provider_specific_fields"][SIGNATURE];
    part.thought_signature = signature.as_str().map(str::to_owned);
    Some(part)
}

fn called(id: Option<&str>, name: &str, args: Map) -> Part {
    Part {
        function_call: Some(FunctionCall {
            id: id.filter(|id| !id.is_empty()).map(str::to_owned),
            name: names::clean(name).into_owned(),
            args,
        }),
        ..Part::default()
    }
}

/// Arguments are a JSON object as text; no text is an empty object.
fn arguments(text: &str, field: &str) -> Result<Map, Error> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(other) => Ok(Map::from_iter([("arguments".to_owned(), json!(other))])),
        Err(e) => {
            let field = format!("{field}.function.arguments");
            Err(Error::bad_request(
                field,
                format!("the arguments are not JSON: {e}"),
            ))
        }
    }
}
