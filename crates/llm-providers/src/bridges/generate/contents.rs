//! Contents as chat messages.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{
    Content as ChatContent, ContentPart, FunctionCall, Message, ThinkingBlock, ToolCall,
};
use serde_json::{Value, json};

use super::wire::{Blob, Content, File, FunctionResponse, Part};
use crate::{
    Error,
    bridges::seal::Seal,
    protocols::{gemini::signature, names::Names},
};

/// What only Google can do something with: left out of a model's turn, its outcome is in the text.
const HOSTED: [&str; 8] = [
    "executableCode",
    "executable_code",
    "codeExecutionResult",
    "code_execution_result",
    "toolCall",
    "tool_call",
    "toolResponse",
    "tool_response",
];

/// The messages that say the same.
pub(super) fn messages(
    system: Option<Content>,
    contents: Vec<Content>,
    names: &Names,
) -> Result<Vec<Message>, Error> {
    let mut turns = Turns {
        names,
        messages: Vec::with_capacity(contents.len() + 1),
        waiting: Vec::new(),
        calls: 0,
    };
    if let Some(system) = system {
        let parts = plain(system.parts, "systemInstruction.parts")?;
        turns.say("system", parts);
    }
    for (i, content) in contents.into_iter().enumerate() {
        let path = format!("contents[{i}]");
        match content.role.as_deref() {
            None | Some("user" | "function" | "tool") => turns.user(content.parts, &path)?,
            Some("model" | "assistant") => turns.model(content.parts, &path)?,
            Some("system") => {
                let parts = plain(content.parts, &format!("{path}.parts"))?;
                turns.say("system", parts);
            }
            Some(role) => {
                return Err(Error::bad_request(
                    format!("{path}.role"),
                    format!("'{role}' is not a role: expected user or model"),
                ));
            }
        }
    }
    Ok(turns.messages)
}

/// Which of a video's pictures are looked at.
fn is_framing(key: &str) -> bool {
    matches!(key, "videoMetadata" | "video_metadata")
}

/// Whether part of what a part says is left out.
pub(super) fn is_lossy(part: &Part) -> bool {
    is_hosted(part) || part.extra.keys().any(|key| is_framing(key))
}

/// Whether a part is a trace of what Google ran itself.
fn is_hosted(part: &Part) -> bool {
    part.extra.keys().any(|key| HOSTED.contains(&key.as_str()))
}

struct Waiting {
    /// The id that Google gave it.
    own: Option<String>,
    name: String,
    /// The id that it has in chat.
    wire: String,
}

struct Turns<'a> {
    names: &'a Names,
    messages: Vec<Message>,
    /// The calls without an answer. Google ties both together by name where there is no id.
    waiting: Vec<Waiting>,
    calls: usize,
}

impl Turns<'_> {
    fn say(&mut self, role: &str, parts: Vec<ContentPart>) {
        if !parts.is_empty() {
            self.messages.push(Message {
                role: role.to_owned(),
                content: Some(compact(parts)),
                ..Message::default()
            });
        }
    }

    /// Results become messages of their own, before the rest of what the user says.
    fn user(&mut self, parts: Vec<Part>, path: &str) -> Result<(), Error> {
        let mut rest = Vec::new();
        for (i, mut given) in parts.into_iter().enumerate() {
            let path = format!("{path}.parts[{i}]");
            match given.function_response.take() {
                Some(response) => self.result(response, &mut rest, &path)?,
                None => rest.extend(part(given, &path)?),
            }
        }
        self.say("user", rest);
        Ok(())
    }

    fn result(
        &mut self,
        response: FunctionResponse,
        rest: &mut Vec<ContentPart>,
        path: &str,
    ) -> Result<(), Error> {
        let at = self.waiting.iter().position(|call| match &response.id {
            Some(_) => call.own == response.id,
            None => call.name == response.name,
        });
        let id = match (at.map(|at| self.waiting.remove(at).wire), response.id) {
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => {
                return Err(Error::bad_request(
                    format!("{path}.functionResponse.name"),
                    format!("no call of '{}' waits for an answer", response.name),
                ));
            }
        };
        for (i, media) in response.parts.into_iter().enumerate() {
            rest.extend(part(media, &format!("{path}.functionResponse.parts[{i}]"))?);
        }
        let text = match response.response {
            Value::Null => String::new(),
            value => value.to_string(),
        };
        self.messages.push(Message {
            role: "tool".into(),
            content: Some(ChatContent::Text(text)),
            tool_call_id: Some(id),
            ..Message::default()
        });
        Ok(())
    }

    fn model(&mut self, parts: Vec<Part>, path: &str) -> Result<(), Error> {
        self.waiting.clear();
        let mut message = Message {
            role: "assistant".into(),
            ..Message::default()
        };
        let mut texts = Vec::new();
        for (i, mut given) in parts.into_iter().enumerate() {
            if let Some(call) = given.function_call.take() {
                let own = call.id.filter(|id| !id.is_empty());
                let id = own
                    .clone()
                    .unwrap_or_else(|| format!("call_{}", self.calls));
                self.calls += 1;
                let signature = given.thought_signature.as_deref();
                // Google's own seal on a call is for Google alone, and rides in the id.
                let google = signature.filter(|s| !s.is_empty() && unsealed(s).is_none());
                let wire = google.map_or_else(|| id.clone(), |s| signature::join(&id, s));
                self.waiting.push(Waiting {
                    own,
                    name: call.name.clone(),
                    wire: wire.clone(),
                });
                message.tool_calls.push(ToolCall {
                    id: Some(wire),
                    kind: Some("function".into()),
                    function: FunctionCall {
                        name: Some(self.names.wire(call.name)),
                        arguments: call
                            .args
                            .map_or_else(|| "{}".to_owned(), |args| args.to_string()),
                    },
                    ..ToolCall::default()
                });
            } else if given.thought {
                think(&mut message, given);
            } else if !is_hosted(&given) {
                texts.extend(part(given, &format!("{path}.parts[{i}]"))?);
            }
        }
        if !texts.is_empty() {
            message.content = Some(compact(texts));
        } else if message.tool_calls.is_empty() {
            message.content = Some(ChatContent::Text(String::new()));
        }
        self.messages.push(message);
        Ok(())
    }
}

/// A thought goes back in blocks where its seal is one that we handed out.
fn think(message: &mut Message, part: Part) {
    let text = part.text.unwrap_or_default();
    match part.thought_signature.as_deref().and_then(unsealed) {
        Some(Seal::Signature(signature)) => {
            // A stream tells the thought first and its seal in a part of its own.
            let told = message.reasoning_content.clone().unwrap_or_default();
            let sealed: usize = message.thinking_blocks.iter().map(length).sum();
            let before = told.get(sealed..).unwrap_or_default();
            message.thinking_blocks.push(ThinkingBlock::Thinking {
                thinking: format!("{before}{text}"),
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

fn length(block: &ThinkingBlock) -> usize {
    match block {
        ThinkingBlock::Thinking { thinking, .. } => thinking.len(),
        ThinkingBlock::RedactedThinking { .. } => 0,
    }
}

/// The seal in a signature, which Google's clients take for base64.
fn unsealed(signature: &str) -> Option<Seal> {
    let bytes = STANDARD.decode(signature).ok()?;
    Seal::read(std::str::from_utf8(&bytes).ok()?)
}

/// A seal as Google's clients take it.
pub(super) fn sealed(seal: &Seal) -> String {
    STANDARD.encode(seal.text())
}

/// One plain text goes as a string: not every vendor takes lists.
fn compact(mut parts: Vec<ContentPart>) -> ChatContent {
    match parts.as_mut_slice() {
        [one] if one.kind == "text" => ChatContent::Text(one.text.take().unwrap_or_default()),
        _ => ChatContent::Parts(parts),
    }
}

fn plain(parts: Vec<Part>, path: &str) -> Result<Vec<ContentPart>, Error> {
    let mut all = Vec::new();
    for (i, given) in parts.into_iter().enumerate() {
        all.extend(part(given, &format!("{path}[{i}]"))?);
    }
    Ok(all)
}

/// What a part says; nothing for one that is empty.
fn part(given: Part, path: &str) -> Result<Option<ContentPart>, Error> {
    if let Some(blob) = given.inline_data {
        return Ok(Some(inline(blob)));
    }
    if let Some(file) = given.file_data {
        return Ok(Some(referred(file)));
    }
    if let Some(text) = given.text {
        return Ok(Some(ContentPart::text(text)));
    }
    match given.extra.keys().find(|key| !is_framing(key)) {
        None => Ok(None),
        Some(key) => Err(Error::bad_request(
            format!("{path}.{key}"),
            format!("'{key}' works with Google's own API only"),
        )),
    }
}

fn inline(blob: Blob) -> ContentPart {
    let Blob {
        mime_type,
        data,
        display_name,
    } = blob;
    let uri = format!("data:{mime_type};base64,{data}");
    if mime_type.starts_with("image/") {
        return ContentPart::image_url(&uri);
    }
    let audio = match mime_type.as_str() {
        "audio/wav" | "audio/x-wav" => Some("wav"),
        "audio/mp3" | "audio/mpeg" => Some("mp3"),
        _ => None,
    };
    if let Some(format) = audio {
        return ContentPart {
            kind: "input_audio".into(),
            input_audio: Some(json!({"data": data, "format": format})),
            ..ContentPart::default()
        };
    }
    let mut file = json!({ "file_data": uri });
    if let Some(name) = display_name {
        file["filename"] = name.into();
    }
    as_file(file)
}

fn referred(file: File) -> ContentPart {
    let is_image = file
        .mime_type
        .as_deref()
        .is_some_and(|mime| mime.starts_with("image/"));
    if is_image && file.file_uri.starts_with("http") {
        return ContentPart::image_url(&file.file_uri);
    }
    let mut part = json!({"file_id": file.file_uri});
    if let Some(mime) = file.mime_type {
        part["format"] = mime.into();
    }
    as_file(part)
}

fn as_file(file: Value) -> ContentPart {
    ContentPart {
        kind: "file".into(),
        file: Some(file),
        ..ContentPart::default()
    }
}
