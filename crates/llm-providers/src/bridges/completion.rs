//! OpenAI's legacy text completions over chat.

use bytes::Bytes;
use llm_types::{
    ChatChunk, ChatResponse, CompletionChoice, CompletionRequest, CompletionResponse, JsonObject,
    Prompt,
};
use serde_json::{Map, Value, json};

use super::{Bridge, BridgeStream, Event};
use crate::{CallOptions, Error, Kind};

/// Text completions over chat: the prompt is the user's only message.
#[derive(Debug)]
pub struct Completion;

impl Bridge for Completion {
    fn request(&self, body: &JsonObject, _: &CallOptions) -> Result<JsonObject, Error> {
        let request = CompletionRequest::from_object(body)?;
        if request.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            return Err(unsupported("suffix", "chat models do not fill gaps"));
        }
        let prompt = only_text(request.prompt)?;
        let logprobs: Option<u64> = body.get("logprobs")?;
        if request.echo && logprobs.is_some() {
            return Err(unsupported(
                "logprobs",
                "chat models give no probabilities of an echoed prompt",
            ));
        }
        let best_of: Option<u64> = body.get("best_of")?;
        let n: Option<u64> = body.get("n")?;
        if best_of.is_some_and(|best| best != n.unwrap_or(1)) {
            return Err(unsupported(
                "best_of",
                "chat models do not choose among answers",
            ));
        }
        let mut chat = JsonObject::new();
        for (key, value) in body.iter() {
            match key {
                "prompt" => chat.set("messages", &json!([{"role": "user", "content": prompt}])),
                "logprobs" => {
                    if let Some(top) = logprobs {
                        chat.set("logprobs", &true);
                        chat.set("top_logprobs", &top);
                    }
                }
                "suffix" | "echo" | "best_of" => {}
                key => chat.set_raw(key.to_owned(), value.clone()),
            }
        }
        Ok(chat)
    }

    fn response(&self, body: &JsonObject, answer: ChatResponse) -> Result<Bytes, Error> {
        let echo = echoed(body);
        let choices = answer.choices.into_iter().map(|choice| {
            let text = choice.message.content.map(|c| c.text());
            CompletionChoice {
                text: format!("{echo}{}", text.unwrap_or_default()),
                index: choice.index,
                logprobs: choice.logprobs.as_ref().map(|l| logprobs(l, &mut 0)),
                finish_reason: choice.finish_reason.map(reason),
                extra: Map::new(),
            }
        });
        write(&CompletionResponse {
            id: answer.id,
            object: "text_completion".into(),
            created: answer.created,
            model: answer.model,
            choices: choices.collect(),
            usage: answer.usage,
            extra: answer.extra,
        })
    }

    fn stream(&self, body: &JsonObject) -> Box<dyn BridgeStream> {
        Box::new(Pieces {
            echo: echoed(body),
            said: Vec::new(),
        })
    }
}

/// A chat has one text: lists of texts and tokens would need several requests, or the vendor's tokenizer.
fn only_text(prompt: Prompt) -> Result<String, Error> {
    match prompt {
        Prompt::Text(text) => Ok(text),
        Prompt::Texts(mut texts) if texts.len() == 1 => Ok(texts.remove(0)),
        Prompt::Texts(_) => Err(unsupported(
            "prompt",
            "this provider answers one prompt at a time",
        )),
        Prompt::Tokens(_) | Prompt::TokenLists(_) => Err(unsupported(
            "prompt",
            "this provider takes text: its tokens cannot be told from their numbers",
        )),
    }
}

fn unsupported(param: &str, why: &str) -> Error {
    let mut error = Error::new(Kind::UnsupportedParams, format!("'{param}': {why}"));
    error.param = Some(param.to_owned());
    error
}

/// What goes before every answer.
fn echoed(body: &JsonObject) -> String {
    if !body.is_true("echo") {
        return String::new();
    }
    let prompt = CompletionRequest::from_object(body).map(|request| request.prompt);
    prompt
        .ok()
        .and_then(|p| only_text(p).ok())
        .unwrap_or_default()
}

fn reason(finish: String) -> String {
    match finish.as_str() {
        "length" | "content_filter" => finish,
        _ => "stop".into(),
    }
}

/// Chat's list of tokens as the four parallel lists of text completions. `offset`: characters before them.
fn logprobs(chat: &Value, offset: &mut usize) -> Value {
    let (mut tokens, mut own, mut top, mut offsets) = (vec![], vec![], vec![], vec![]);
    for entry in chat["content"].as_array().into_iter().flatten() {
        let token = entry["token"].as_str().unwrap_or_default();
        tokens.push(json!(token));
        own.push(entry["logprob"].clone());
        let others = entry["top_logprobs"].as_array().into_iter().flatten();
        let others: Map<String, Value> = others
            .filter_map(|other| {
                Some((
                    other["token"].as_str()?.to_owned(),
                    other["logprob"].clone(),
                ))
            })
            .collect();
        top.push(Value::Object(others));
        offsets.push(json!(*offset));
        *offset += token.chars().count();
    }
    json!({"tokens": tokens, "token_logprobs": own, "top_logprobs": top, "text_offset": offsets})
}

fn write(response: &CompletionResponse) -> Result<Bytes, Error> {
    match serde_json::to_vec(response) {
        Ok(bytes) => Ok(bytes.into()),
        Err(e) => Err(Error::decode("", e)),
    }
}

/// Turns chat chunks into pieces of completions.
struct Pieces {
    echo: String,
    /// Choices that have begun, with the characters of their tokens so far.
    said: Vec<(u64, usize)>,
}

impl Pieces {
    fn choice(&mut self, choice: llm_types::ChunkChoice) -> Option<CompletionChoice> {
        let mut text = choice.delta.content.unwrap_or_default();
        let at = match self
            .said
            .iter()
            .position(|(index, _)| *index == choice.index)
        {
            Some(at) => at,
            None => {
                text.insert_str(0, &self.echo);
                self.said.push((choice.index, 0));
                self.said.len() - 1
            }
        };
        if text.is_empty() && choice.finish_reason.is_none() && choice.logprobs.is_none() {
            return None;
        }
        let offset = &mut self.said[at].1;
        Some(CompletionChoice {
            text,
            index: choice.index,
            logprobs: choice.logprobs.as_ref().map(|l| logprobs(l, offset)),
            finish_reason: choice.finish_reason.map(reason),
            extra: Map::new(),
        })
    }
}

impl BridgeStream for Pieces {
    fn push(&mut self, chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        let choices: Vec<_> = chunk
            .choices
            .into_iter()
            .filter_map(|choice| self.choice(choice))
            .collect();
        if choices.is_empty() && chunk.usage.is_none() {
            return Ok(());
        }
        let data = write(&CompletionResponse {
            id: chunk.id,
            object: "text_completion".into(),
            created: chunk.created,
            model: chunk.model,
            choices,
            usage: chunk.usage,
            extra: chunk.extra,
        })?;
        out.push(Event { name: None, data });
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<Event>) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> JsonObject {
        JsonObject::parse(&Bytes::from_static(text.as_bytes())).expect("an object")
    }

    #[test]
    fn the_prompt_is_the_users_message() {
        let chat = Completion
            .request(&body(
                r#"{"model":"m","prompt":["Say hi"],"max_tokens":5,"logprobs":2,"echo":false,"best_of":1,"stop":["x"]}"#,
            ), &CallOptions::default())
            .expect("a chat request");
        assert_eq!(
            chat.to_bytes(),
            r#"{"model":"m","messages":[{"role":"user","content":"Say hi"}],"max_tokens":5,"logprobs":true,"top_logprobs":2,"stop":["x"]}"#
        );
    }

    #[test]
    fn what_chat_cannot_do_is_refused_by_name() {
        let cases = [
            (r#"{"prompt":[1,2]}"#, "prompt"),
            (r#"{"prompt":["a","b"]}"#, "prompt"),
            (r#"{"prompt":"a","suffix":"b"}"#, "suffix"),
            (r#"{"prompt":"a","best_of":3}"#, "best_of"),
            (r#"{"prompt":"a","echo":true,"logprobs":1}"#, "logprobs"),
            (r#"{}"#, "prompt"),
        ];
        for (text, param) in cases {
            let error = Completion
                .request(&body(text), &CallOptions::default())
                .expect_err("refused");
            assert_eq!(error.param.as_deref(), Some(param), "{text}");
        }
    }

    #[test]
    fn a_stream_says_what_the_answer_says() {
        let asked = body(r#"{"prompt":"2+2=","echo":true}"#);
        let chunks = [
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"fo"}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"ur"}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
        ];
        let (mut stream, mut events) = (Completion.stream(&asked), Vec::new());
        for chunk in chunks {
            let chunk = serde_json::from_str(chunk).expect("a chunk");
            stream.push(chunk, &mut events).expect("pieces");
        }
        stream.finish(&mut events).expect("an end");
        let pieces: Vec<CompletionResponse> = events
            .iter()
            .map(|event| serde_json::from_slice(&event.data).expect("a piece"))
            .collect();
        let text: String = pieces
            .iter()
            .flat_map(|piece| &piece.choices)
            .map(|choice| choice.text.as_str())
            .collect();
        let answer = serde_json::from_str(
            r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"four"},"finish_reason":"stop"}]}"#,
        )
        .expect("an answer");
        let whole: CompletionResponse =
            serde_json::from_slice(&Completion.response(&asked, answer).expect("bytes"))
                .expect("an answer");
        assert_eq!(whole.choices[0].text, text);
        assert_eq!(text, "2+2=four");
        assert_eq!(
            pieces
                .last()
                .and_then(|p| p.usage.as_ref())
                .map(|u| u.total_tokens),
            Some(4)
        );
    }

    #[test]
    fn probabilities_change_their_shape() {
        let chat = json!({"content":[
            {"token":"Hé","logprob":-0.5,"top_logprobs":[{"token":"Hé","logprob":-0.5},{"token":"H","logprob":-2.0}]},
            {"token":"y","logprob":-0.1,"top_logprobs":[]}]});
        assert_eq!(
            logprobs(&chat, &mut 0),
            json!({"tokens":["Hé","y"],"token_logprobs":[-0.5,-0.1],
                "top_logprobs":[{"Hé":-0.5,"H":-2.0},{}],"text_offset":[0,2]})
        );
    }
}
