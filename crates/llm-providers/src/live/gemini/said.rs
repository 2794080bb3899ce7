//! What clients say: events, and the items of a conversation, in Gemini's words.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::settings::{RATE, wrong};
use crate::Error;

/// A client's event: its name, and of the rest what that name calls for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) session: Value,
    pub(super) audio: String,
    pub(super) item: Value,
    pub(super) item_id: Value,
    pub(super) content_index: Value,
    pub(super) audio_end_ms: Value,
    pub(super) previous_item_id: Option<String>,
    pub(super) response: Value,
}

/// What an item is in Gemini's words.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    /// A turn of the conversation.
    Turn(Value),
    /// A call that a model made earlier.
    Call {
        call_id: String,
        name: String,
        turn: Value,
    },
    /// What a system says.
    Instruction(String),
    /// What became of a function call.
    Output { call_id: String, output: Value },
}

/// Sound, as it is sent while it is spoken.
pub(super) fn sound(audio: &str) -> Value {
    json!({"realtimeInput": {"audio": {"data": audio, "mimeType": format!("audio/pcm;rate={RATE}")}}})
}

/// A turn of the client's.
pub(super) fn words(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

/// Reads an item.
pub(super) fn item(item: &Value) -> Result<Item, Error> {
    let text = |key: &str| item[key].as_str().unwrap_or_default();
    match item["type"].as_str() {
        Some("message") | None => message(item),
        Some("function_call") => {
            let arguments = serde_json::from_str(text("arguments"));
            let arguments = arguments.unwrap_or_else(|_| Value::Object(Map::new()));
            let call = json!({"id": text("call_id"), "name": text("name"), "args": arguments});
            Ok(Item::Call {
                call_id: text("call_id").to_owned(),
                name: text("name").to_owned(),
                turn: json!({"role": "model", "parts": [{"functionCall": call}]}),
            })
        }
        Some("function_call_output") => {
            let said = text("output");
            // Gemini wants an object.
            let output = match serde_json::from_str(said) {
                Ok(Value::Object(map)) => Value::Object(map),
                Ok(other) => json!({ "output": other }),
                Err(_) => json!({ "output": said }),
            };
            Ok(Item::Output {
                call_id: text("call_id").to_owned(),
                output,
            })
        }
        Some(other) => Err(wrong(
            "item.type",
            format!("Gemini's sessions have no items of the type '{other}'"),
        )),
    }
}

fn message(item: &Value) -> Result<Item, Error> {
    let content = item["content"].as_array().map_or(&[][..], Vec::as_slice);
    let parts = content.iter().enumerate().map(|(at, part)| {
        let place = format!("item.content[{at}]");
        piece(&place, part)
    });
    let parts = parts.collect::<Result<Vec<Value>, Error>>()?;
    match item["role"].as_str() {
        Some("system") => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect();
            Ok(Item::Instruction(texts.join("\n")))
        }
        Some("assistant") => Ok(Item::Turn(json!({"role": "model", "parts": parts}))),
        _ => Ok(Item::Turn(json!({"role": "user", "parts": parts}))),
    }
}

fn piece(place: &str, part: &Value) -> Result<Value, Error> {
    let text = |key: &str| part[key].as_str();
    let missing = |key: &str| wrong(&format!("{place}.{key}"), "is missing");
    match text("type").unwrap_or_default() {
        "input_text" | "text" | "output_text" => {
            let text = text("text").ok_or_else(|| missing("text"))?;
            Ok(json!({ "text": text }))
        }
        // Of sound that was said before, Gemini is told the words.
        "output_audio" | "audio" => {
            let words = text("transcript").ok_or_else(|| missing("transcript"))?;
            Ok(json!({ "text": words }))
        }
        "input_audio" => match (text("audio"), text("transcript")) {
            (Some(audio), _) => {
                let kind = format!("audio/pcm;rate={RATE}");
                Ok(json!({"inlineData": {"mimeType": kind, "data": audio}}))
            }
            (None, Some(words)) => Ok(json!({ "text": words })),
            (None, None) => Err(missing("audio")),
        },
        "input_image" => {
            let url = text("image_url").ok_or_else(|| missing("image_url"))?;
            let data = url
                .strip_prefix("data:")
                .and_then(|rest| rest.split_once(";base64,"));
            let (kind, data) = data.ok_or_else(|| {
                wrong(
                    &format!("{place}.image_url"),
                    "Gemini's sessions take pictures as data: URLs",
                )
            })?;
            Ok(json!({"inlineData": {"mimeType": kind, "data": data}}))
        }
        other => Err(wrong(
            &format!("{place}.type"),
            format!("'{other}' is no content that Gemini's sessions know"),
        )),
    }
}

/// What an answer is asked for with: words to go by, and notes of the client's own.
pub(super) fn wishes(response: &Value) -> Result<(Option<String>, Value), Error> {
    let (mut instructions, mut metadata) = (None, Value::Null);
    for (key, value) in response.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            ("instructions", Value::String(text)) => instructions = Some(text.clone()),
            ("metadata", value) => metadata = value.clone(),
            ("conversation", value) if value == "auto" => {}
            _ => {
                let place = format!("response.{key}");
                return Err(wrong(
                    &place,
                    "Gemini's answers go by the session's settings",
                ));
            }
        }
    }
    Ok((instructions, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_turns() {
        let read = |json: Value| item(&json).unwrap();
        let said = read(json!({"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
            {"type": "input_audio", "audio": "BBBB"},
        ]}));
        assert_eq!(
            said,
            Item::Turn(json!({"role": "user", "parts": [
                {"text": "What is this?"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "BBBB"}},
            ]}))
        );
        let answered = read(
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "A cat."}]}),
        );
        assert_eq!(
            answered,
            Item::Turn(json!({"role": "model", "parts": [{"text": "A cat."}]}))
        );
        for (output, expected) in [
            ("{\"t\":1}", json!({"t": 1})),
            ("[1]", json!({"output": [1]})),
            ("sunny", json!({"output": "sunny"})),
        ] {
            let read =
                read(json!({"type": "function_call_output", "call_id": "c", "output": output}));
            let call_id = "c".to_owned();
            assert_eq!(
                read,
                Item::Output {
                    call_id,
                    output: expected
                }
            );
        }
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        for (given, place) in [
            (json!({"type": "mcp_call"}), "item.type"),
            (
                json!({"content": [{"type": "input_image", "image_url": "https://x.org/a.png"}]}),
                "item.content[0].image_url",
            ),
            (
                json!({"content": [{"type": "input_text"}]}),
                "item.content[0].text",
            ),
            (
                json!({"content": [{"type": "hologram"}]}),
                "item.content[0].type",
            ),
        ] {
            assert_eq!(item(&given).unwrap_err().param.as_deref(), Some(place));
        }
        let error = wishes(&json!({"conversation": "none"})).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("response.conversation"));
        assert!(wishes(&Value::Null).is_ok());
    }
}
