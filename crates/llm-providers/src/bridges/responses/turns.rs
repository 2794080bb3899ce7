//! The items of a conversation as chat messages.

use llm_types::{
    Content, ContentPart, FunctionCall, Message, ThinkingBlock, ToolCall,
    responses::{Input, Item},
};
use serde_json::{Map, Value, json};

use super::tools::Offered;
use crate::{Error, bridges::seal::Seal};

/// Calls that OpenAI ran itself, and what it thought of doing: their outcome is in the text.
const HOSTED: [&str; 8] = [
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_list_tools",
    "mcp_call",
    "tool_search_call",
    "tool_search_output",
];

/// What of a conversation is left out.
pub(super) fn losses(input: Input) -> Vec<(String, &'static str)> {
    let items = input.into_items();
    let lost = items.iter().enumerate().filter_map(|(i, item)| {
        let path = format!("input[{i}]");
        match item.kind() {
            kind if HOSTED.contains(&kind) => Some((
                path,
                "not sent: only OpenAI can read the calls it made itself",
            )),
            "reasoning" if item.encrypted_content.is_some() && sealed(item).is_none() => Some((
                format!("{path}.encrypted_content"),
                "not sent: only the vendor that wrote it can read it",
            )),
            _ => None,
        }
    });
    lost.collect()
}

/// The messages that say the same.
pub(super) fn messages(
    instructions: Option<String>,
    items: Vec<Item>,
    offered: &Offered,
) -> Result<Vec<Message>, Error> {
    let mut turns = Turns {
        offered,
        messages: Vec::with_capacity(items.len() + 1),
        assistant: None,
        media: Vec::new(),
    };
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        turns.say("system", Content::Text(text));
    }
    for (i, item) in items.into_iter().enumerate() {
        turns.item(item, &format!("input[{i}]"))?;
    }
    turns.settle();
    Ok(turns.messages)
}

struct Turns<'a> {
    offered: &'a Offered,
    messages: Vec<Message>,
    /// The assistant's message that is being put together: its thoughts, text and calls are items of their own.
    assistant: Option<Message>,
    /// What chat cannot put into a call's output: it follows the last of the outputs.
    media: Vec<ContentPart>,
}

impl Turns<'_> {
    fn item(&mut self, item: Item, path: &str) -> Result<(), Error> {
        match item.kind() {
            "message" => self.message(item, path),
            "function_call" => {
                let arguments = match item.arguments {
                    Some(Value::String(text)) => text,
                    Some(value) if !value.is_null() => value.to_string(),
                    _ => "{}".to_owned(),
                };
                self.call(item.call_id.or(item.id), item.name, arguments);
                Ok(())
            }
            "custom_tool_call" => {
                let arguments = json!({"input": item.input.unwrap_or_default()}).to_string();
                self.call(item.call_id.or(item.id), item.name, arguments);
                Ok(())
            }
            "function_call_output" | "custom_tool_call_output" => self.output(item, path),
            "reasoning" => {
                self.thought(item);
                Ok(())
            }
            kind if HOSTED.contains(&kind) => Ok(()),
            "" => Err(Error::bad_request(
                format!("{path}.type"),
                "an item needs a type or a role",
            )),
            kind => Err(Error::bad_request(
                path,
                format!("'{kind}' items work with OpenAI's own Responses API only"),
            )),
        }
    }

    fn message(&mut self, item: Item, path: &str) -> Result<(), Error> {
        let role = item.role.unwrap_or_else(|| "user".into());
        let path = format!("{path}.content");
        let content = content(item.content, &path)?;
        match role.as_str() {
            "assistant" => self.said(content, &path),
            "user" | "system" | "developer" => {
                let parts = parts(content, &path)?;
                self.say(&role, compact(parts));
                Ok(())
            }
            _ => Err(Error::bad_request(
                path.replace(".content", ".role"),
                format!("'{role}' is not a role"),
            )),
        }
    }

    fn said(&mut self, content: Vec<ContentPart>, path: &str) -> Result<(), Error> {
        let mut texts = Vec::new();
        let message = self.assistant();
        for (i, part) in content.into_iter().enumerate() {
            match part.kind.as_str() {
                "refusal" => {
                    let refusal = part.extra.get("refusal").and_then(Value::as_str);
                    message.refusal = refusal.map(str::to_owned);
                }
                _ => texts.push(self::part(part, &format!("{path}[{i}]"))?),
            }
        }
        if !texts.is_empty() {
            let mut all = message
                .content
                .take()
                .map(Content::into_parts)
                .unwrap_or_default();
            all.append(&mut texts);
            message.content = Some(compact(all));
        }
        Ok(())
    }

    fn call(&mut self, id: Option<String>, name: Option<String>, arguments: String) {
        let name = name.map(|name| self.offered.wire(name));
        self.assistant().tool_calls.push(ToolCall {
            id,
            kind: Some("function".into()),
            function: FunctionCall { name, arguments },
            ..ToolCall::default()
        });
    }

    fn output(&mut self, item: Item, path: &str) -> Result<(), Error> {
        self.end_assistant();
        let path = format!("{path}.output");
        let output = match item.output {
            // An object is what the tool said, too.
            Some(value @ (Value::Object(_) | Value::Number(_) | Value::Bool(_))) => {
                vec![ContentPart::text(value.to_string())]
            }
            other => parts(content(other, &path)?, &path)?,
        };
        let (mut texts, others): (Vec<_>, Vec<_>) =
            output.into_iter().partition(|part| part.kind == "text");
        if texts.is_empty() && !others.is_empty() {
            texts.push(ContentPart::text(
                "The result follows in the user's message.",
            ));
        }
        self.media.extend(others);
        self.messages.push(Message {
            role: "tool".into(),
            content: Some(match texts.is_empty() {
                true => Content::Text(String::new()),
                false => compact(texts),
            }),
            tool_call_id: item.call_id,
            ..Message::default()
        });
        Ok(())
    }

    fn thought(&mut self, item: Item) {
        let text = thought_text(&item);
        let seal = sealed(&item);
        let message = self.assistant();
        match seal {
            Some(Seal::Signature(signature)) => {
                message.thinking_blocks.push(ThinkingBlock::Thinking {
                    thinking: text.clone(),
                    signature: Some(signature),
                });
            }
            Some(Seal::Redacted(data)) => message
                .thinking_blocks
                .push(ThinkingBlock::RedactedThinking { data }),
            None => {}
        }
        if !text.is_empty() {
            message
                .reasoning_content
                .get_or_insert_default()
                .push_str(&text);
        }
    }

    fn say(&mut self, role: &str, content: Content) {
        self.settle();
        self.messages.push(Message {
            role: role.to_owned(),
            content: Some(content),
            ..Message::default()
        });
    }

    fn assistant(&mut self) -> &mut Message {
        self.end_outputs();
        self.assistant.get_or_insert_with(|| Message {
            role: "assistant".into(),
            ..Message::default()
        })
    }

    fn end_assistant(&mut self) {
        let Some(mut message) = self.assistant.take() else {
            return;
        };
        let says = message.content.is_some() || message.refusal.is_some();
        if !says && message.tool_calls.is_empty() {
            message.content = Some(Content::Text(String::new()));
        }
        self.messages.push(message);
    }

    fn end_outputs(&mut self) {
        if !self.media.is_empty() {
            let media = std::mem::take(&mut self.media);
            self.messages.push(Message {
                role: "user".into(),
                content: Some(Content::Parts(media)),
                ..Message::default()
            });
        }
    }

    fn settle(&mut self) {
        self.end_assistant();
        self.end_outputs();
    }
}

fn sealed(item: &Item) -> Option<Seal> {
    Seal::read(item.encrypted_content.as_deref()?)
}

/// What was thought, in full where that is shown, else in short.
fn thought_text(item: &Item) -> String {
    let full = item.content.as_ref().and_then(Value::as_array);
    let full: Vec<&str> = full
        .into_iter()
        .flatten()
        .filter_map(|part| part.get("text")?.as_str())
        .collect();
    if !full.is_empty() {
        return full.concat();
    }
    let short: Vec<&str> = item
        .summary
        .iter()
        .filter_map(|part| part.get("text")?.as_str())
        .collect();
    short.join("\n\n")
}

fn content(value: Option<Value>, path: &str) -> Result<Vec<ContentPart>, Error> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => match serde_json::from_value::<Content>(value) {
            Ok(content) => Ok(content.into_parts()),
            Err(e) => Err(Error::bad_request(path, e.to_string())),
        },
    }
}

/// One plain text goes as a string: not every vendor takes lists.
fn compact(mut parts: Vec<ContentPart>) -> Content {
    match parts.as_mut_slice() {
        [] => Content::Text(String::new()),
        [one] if one.kind == "text" && one.cache_control.is_none() => {
            Content::Text(one.text.take().unwrap_or_default())
        }
        _ => Content::Parts(parts),
    }
}

fn parts(content: Vec<ContentPart>, path: &str) -> Result<Vec<ContentPart>, Error> {
    content
        .into_iter()
        .enumerate()
        .map(|(i, given)| part(given, &format!("{path}[{i}]")))
        .collect()
}

fn part(mut part: ContentPart, path: &str) -> Result<ContentPart, Error> {
    match part.kind.as_str() {
        "input_text" | "output_text" | "text" | "summary_text" => Ok(ContentPart {
            cache_control: part.cache_control,
            ..ContentPart::text(part.text.unwrap_or_default())
        }),
        "input_image" => image(&part, path),
        "input_file" => file(&part.extra, path),
        "input_audio" => {
            part.extra.clear();
            Ok(part)
        }
        // Chat's own spelling, which clients use here too.
        "image_url" | "file" | "video_url" => Ok(part),
        kind => Err(Error::bad_request(
            path,
            format!("'{kind}' parts work with OpenAI's own Responses API only"),
        )),
    }
}

fn image(part: &ContentPart, path: &str) -> Result<ContentPart, Error> {
    if let Some(url) = part.url() {
        let mut image = ContentPart::image_url(url);
        let detail = part.extra.get("detail").filter(|detail| detail.is_string());
        if let (Some(Value::Object(image)), Some(detail)) = (&mut image.image_url, detail) {
            image.insert("detail".into(), detail.clone());
        }
        return Ok(image);
    }
    match part.extra.get("file_id") {
        Some(id @ Value::String(_)) => Ok(as_file(json!({"file_id": id, "format": "image/png"}))),
        _ => Err(Error::bad_request(path, "expected image_url or file_id")),
    }
}

fn file(given: &Map<String, Value>, path: &str) -> Result<ContentPart, Error> {
    let text = |key: &str| given.get(key).filter(|value| value.is_string()).cloned();
    let mut file = match (text("file_data"), text("file_id"), text("file_url")) {
        (Some(data), ..) => json!({"file_data": data}),
        (None, Some(id), _) => json!({"file_id": id}),
        // An address goes in the place of an id, as in chat.
        (None, None, Some(url)) => json!({"file_id": url, "format": "application/pdf"}),
        _ => {
            return Err(Error::bad_request(
                path,
                "expected file_data, file_id or file_url",
            ));
        }
    };
    if let Some(name) = text("filename") {
        file["filename"] = name;
    }
    Ok(as_file(file))
}

fn as_file(file: Value) -> ContentPart {
    ContentPart {
        kind: "file".into(),
        file: Some(file),
        ..ContentPart::default()
    }
}
