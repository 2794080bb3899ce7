//! Counts a conversation as OpenAI's models are billed for it.

use llm_types::{Content, ContentPart, Message, Tool, ToolChoice};
use serde_json::Value;
use thiserror::Error;

use super::{Count, Encoding, functions, image};

/// How to count a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageOptions {
    /// Whether the messages are an answer: then nothing is added for what starts one, nor for tools.
    pub answer: bool,
    /// Whether every image counts 250, whatever its size.
    pub default_image: bool,
    /// What a part of an unknown kind counts; without it such a part is an error.
    pub unknown_part: Option<u64>,
}

/// A part that nobody knows how to count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("content part {kind:?} of message {message} cannot be counted")]
pub struct UncountablePart {
    /// Which message.
    pub message: usize,
    /// The part's `type`.
    pub kind: String,
}

const DEFAULT_IMAGE: u64 = 250;
/// What the model reads before it begins to answer.
const PRIMING: u64 = 3;
/// What a page of a document costs as a picture: 1.15 megapixels at 750 pixels a token.
const PAGE: u64 = 1534;
/// Deeper nesting of results in results is not looked into.
const DEEPEST: usize = 16;

/// Counts messages, and the tools that are on offer with them. Images count by the size that their data shows;
/// pictures elsewhere are never fetched.
pub fn count_messages(
    model: &str,
    messages: &[Message],
    tools: &[Tool],
    tool_choice: Option<&ToolChoice>,
    options: &MessageOptions,
) -> Result<Count, UncountablePart> {
    let mut tally = Tally {
        encoding: Encoding::of(model),
        early: model.contains("gpt-3.5-turbo-0301"),
        options: *options,
        tokens: 0,
        estimated: false,
    };
    for (index, message) in messages.iter().enumerate() {
        tally.message(message).map_err(|kind| UncountablePart {
            message: index,
            kind,
        })?;
    }
    if !options.answer {
        tally.tokens += PRIMING;
        tally.tools(tools, tool_choice, messages);
    }
    Ok(Count {
        tokens: tally.tokens,
        tokenizer: tally.encoding.name,
        exact: tally.encoding.own && !tally.estimated,
    })
}

struct Tally {
    encoding: Encoding,
    /// One model of the year 2023 framed its messages otherwise.
    early: bool,
    options: MessageOptions,
    tokens: u64,
    estimated: bool,
}

impl Tally {
    fn text(&mut self, text: &str) {
        let (tokens, whole) = self.encoding.count(text);
        self.tokens += tokens;
        self.estimated |= !whole;
    }

    /// Fails with the kind of a part that cannot be counted.
    fn message(&mut self, message: &Message) -> Result<(), String> {
        self.tokens += if self.early { 4 } else { 3 };
        self.text(&message.role);
        match &message.content {
            Some(Content::Text(text)) => self.text(text),
            Some(Content::Parts(parts)) => parts.iter().try_for_each(|part| self.part(part))?,
            None => {}
        }
        if let Some(name) = &message.name {
            self.text(name);
            match self.early {
                true => self.tokens = self.tokens.saturating_sub(1),
                false => self.tokens += 1,
            }
        }
        let calls = message.tool_calls.iter().map(|call| &call.function);
        for call in calls.chain(&message.function_call) {
            self.text(&call.arguments);
        }
        let texts = [
            &message.tool_call_id,
            &message.refusal,
            &message.reasoning_content,
        ];
        for text in texts.into_iter().flatten() {
            self.text(text);
        }
        for text in message.extra.values().filter_map(Value::as_str) {
            self.text(text);
        }
        Ok(())
    }

    fn part(&mut self, part: &ContentPart) -> Result<(), String> {
        match part.kind.as_str() {
            "text" | "input_text" | "output_text" | "refusal" => {
                let refusal = part.extra.get("refusal").and_then(Value::as_str);
                self.text(part.text.as_deref().or(refusal).unwrap_or(""));
            }
            "image_url" | "input_image" => self.image(part.image_url.as_ref()),
            "image" | "document" => self.document(part),
            "thinking" | "tool_use" | "tool_result" | "redacted_thinking" | "server_tool_use" => {
                for (name, value) in &part.extra {
                    self.nested(name, value, 0)?;
                }
            }
            kind => match self.options.unknown_part {
                Some(tokens) => {
                    self.tokens += tokens;
                    self.estimated = true;
                }
                None => return Err(kind.to_owned()),
            },
        }
        Ok(())
    }

    fn image(&mut self, image: Option<&Value>) {
        self.estimated = true;
        self.tokens += match image {
            _ if self.options.default_image => DEFAULT_IMAGE,
            Some(image) => image::tokens(image),
            None => image::low_detail(),
        };
    }

    /// Anthropic's image and document parts.
    fn document(&mut self, part: &ContentPart) {
        self.estimated = true;
        let source = part.extra.get("source");
        let field = |name: &str| source.and_then(|source| source.get(name)?.as_str());
        match field("media_type") {
            Some("text/plain") => self.text(field("data").unwrap_or("")),
            Some("application/pdf") => self.tokens += PAGE * pages(field("data").unwrap_or("")),
            _ => self.image(None),
        }
    }

    /// The text in a tool's arguments or result, and in thinking: everything but ids and marks.
    fn nested(&mut self, name: &str, value: &Value, depth: usize) -> Result<(), String> {
        match (name, value) {
            ("id" | "tool_use_id" | "signature" | "type" | "cache_control", _) => {}
            (_, Value::String(text)) => self.text(text),
            ("input", input) => self.text(&input.to_string()),
            (_, Value::Array(parts)) if depth < DEEPEST => {
                for part in parts {
                    match serde_json::from_value::<ContentPart>(part.clone()) {
                        Ok(part) if !part.kind.is_empty() => self.part(&part)?,
                        _ => self.nested("", part, depth + 1)?,
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tools(&mut self, tools: &[Tool], choice: Option<&ToolChoice>, messages: &[Message]) {
        if !tools.is_empty() {
            self.text(&functions::declarations(tools));
            self.tokens += 9;
            // The tools stand in the system message, whose frame they then do not need again.
            if messages.iter().any(|message| message.role == "system") {
                self.tokens = self.tokens.saturating_sub(4);
            }
        }
        match choice {
            Some(ToolChoice::Mode(mode)) if mode == "none" => self.tokens += 1,
            Some(named @ ToolChoice::Named(_)) => {
                self.tokens += 7;
                self.text(named.function_name().unwrap_or(""));
            }
            _ => {}
        }
    }
}

/// Pages of a PDF by its size, where the file cannot be read: fifty thousand bytes a page is common.
fn pages(base64: &str) -> u64 {
    (base64.len() as u64 / 4 * 3).div_ceil(50_000).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(messages: Value) -> Count {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        count_messages("gpt-4o", &messages, &[], None, &MessageOptions::default()).unwrap()
    }

    #[test]
    fn a_hello_is_eight_tokens() {
        let hello = count(json!([{"role": "user", "content": "hello"}]));
        assert_eq!(
            hello,
            Count {
                tokens: 8,
                tokenizer: "o200k_base",
                exact: true
            }
        );
        let named = count(json!([{"role": "user", "content": "hello", "name": "hello"}]));
        assert_eq!(named.tokens, 10);
    }

    #[test]
    fn parts_and_calls_are_counted() {
        let parts = count(json!([{"role": "user", "content": [
            {"type": "text", "text": "hello"},
            {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
        ]}]));
        assert_eq!((parts.tokens, parts.exact), (8 + 85, false));
        let call = count(
            json!([{"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_123", "type": "function", "function": {"name": "ignored", "arguments": "hello"}},
            ]}]),
        );
        assert_eq!(call.tokens, 8);
    }

    #[test]
    fn tools_and_choices_add_their_text() {
        let messages: Vec<Message> =
            serde_json::from_value(json!([{"role": "user", "content": "hello"}])).unwrap();
        let tools: Vec<Tool> =
            serde_json::from_value(json!([{"type": "function", "function": {"name": "now"}}]))
                .unwrap();
        let declared = super::super::count_text("gpt-4o", &functions::declarations(&tools)).tokens;
        let count = |messages: &[Message], choice: Option<Value>, answer| {
            let choice: Option<ToolChoice> = choice.map(|c| serde_json::from_value(c).unwrap());
            let options = MessageOptions {
                answer,
                ..MessageOptions::default()
            };
            count_messages("gpt-4o", messages, &tools, choice.as_ref(), &options)
                .unwrap()
                .tokens
        };
        assert_eq!(count(&messages, None, false), 8 + declared + 9);
        assert_eq!(
            count(&messages, Some(json!("none")), false),
            8 + declared + 9 + 1
        );
        let named = json!({"type": "function", "function": {"name": "hello"}});
        assert_eq!(
            count(&messages, Some(named), false),
            8 + declared + 9 + 7 + 1
        );
        assert_eq!(count(&messages, None, true), 5);
        let mut with_system = messages.clone();
        with_system[0].role = "system".into();
        assert_eq!(count(&with_system, None, false), 8 + declared + 9 - 4);
    }

    #[test]
    fn unknown_parts_are_an_error_unless_a_count_is_given() {
        let messages: Vec<Message> =
            serde_json::from_value(json!([{"role": "user", "content": [{"type": "hologram"}]}]))
                .unwrap();
        let count = |unknown_part| {
            let options = MessageOptions {
                unknown_part,
                ..MessageOptions::default()
            };
            count_messages("gpt-4o", &messages, &[], None, &options)
        };
        assert_eq!(
            count(None).unwrap_err().to_string(),
            "content part \"hologram\" of message 0 cannot be counted"
        );
        assert_eq!(count(Some(100)).unwrap().tokens, 3 + 1 + 100 + 3);
    }

    #[test]
    fn results_and_thinking_are_text() {
        let result = count(json!([{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "hello"}]},
        ]}]));
        assert_eq!(result.tokens, 8);
        let thinking = count(json!([{"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hello", "signature": "long"},
        ]}]));
        assert_eq!(thinking.tokens, 8);
    }
}
