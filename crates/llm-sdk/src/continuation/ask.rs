//! How another attempt is asked for the rest of an answer.

use llm_providers::{CallOptions, Error, Kind, Prefill, Target, bridges};
use llm_types::{JsonObject, Op, Prompt};
use serde_json::{Value, json, value::RawValue};

use super::{
    anew, native,
    said::{CallSaid, Said},
};

/// An answer keeps room for at least this many tokens, however many it has used.
const LEAST_ROOM: u64 = 16;

/// What a model is told that has seen the beginning of its answer.
pub(super) const GO_ON: &str = "Your last message was cut off while it was being sent. Continue it from exactly where it \
    stops: write only what comes next, beginning with the very next character, even in the middle of a word. \
    Repeat nothing of it, and add no introduction, no comment and no apology.";

/// How the rest of an answer is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The model is given what was sent as the beginning of its own answer.
    Prefill,
    /// The model is shown what was sent, and asked to go on.
    Asked,
    /// The model answers once more: a JSON document, of which the client is sent what it does not have.
    Document,
    /// The model makes the tool call once more, of which the client is sent what it does not have.
    Call,
    /// The model answers once more: the client has nothing but its thinking.
    Anew,
}

/// A request for the rest.
pub(crate) struct Rest {
    pub(crate) op: Op,
    pub(crate) body: JsonObject,
    pub(crate) way: Way,
}

/// Why an answer cannot be carried on, if it cannot.
pub(crate) fn obstacle(op: Op, body: &JsonObject, said: &Said) -> Option<&'static str> {
    let count = |key: &str| body.get::<u64>(key).ok().flatten().unwrap_or(1);
    let is_on = |key: &str| {
        body.raw(key)
            .is_some_and(|raw| !matches!(&raw[..], b"null" | b"false"))
    };
    if let Some(why) = said.closed {
        return Some(why);
    }
    if count("n") > 1 || count("best_of") > 1 {
        return Some("several answers were asked for");
    }
    if is_on("logprobs") {
        return Some("probabilities were asked for");
    }
    if is_on("audio") {
        return Some("speech was asked for");
    }
    if op == Op::Responses && (is_on("background") || is_on("conversation")) {
        return Some("its vendor goes on with it, or keeps it");
    }
    // A signature vouches for one attempt's thinking: half of it can be neither signed nor taken back.
    let only_thought = said.text.is_empty() && said.calls.is_empty();
    if op == Op::Messages && said.unsigned && only_thought {
        return Some("its thinking is not signed");
    }
    let named = said.calls.iter().all(|call| !call.name.is_empty());
    (!named).then_some("it calls a tool without a name")
}

/// The request that asks `target` for the rest. `body`: the client's, with the deployment's defaults. `prefill`: whether
/// the model may be given the beginning of its answer.
pub(crate) fn rest(
    op: Op,
    body: &JsonObject,
    target: &Target,
    options: &CallOptions,
    said: &Said,
    prefill: bool,
) -> Result<Rest, Error> {
    if op == Op::Completion && target.speaks(Op::Completion) {
        return completion(body, said);
    }
    if op == Op::Responses && target.speaks(op) {
        return native::rest(body, &target.model, said);
    }
    let mut chat = match op {
        Op::Chat => body.clone(),
        _ => match bridges::over_chat(op) {
            Some(bridge) => bridge.request(body, options)?,
            None => return Err(unsupported(op, target)),
        },
    };
    if !target.speaks(Op::Chat) {
        return Err(unsupported(op, target));
    }
    let prefill = Some(target).filter(|_| prefill && takes_prefill(target, &chat));
    let way = match said.calls.last() {
        Some(_) => Way::Call,
        None if said.text.trim().is_empty() => Way::Anew,
        None if is_structured(&chat) => Way::Document,
        None if prefill.is_some() && ends_with_user(&chat)? => Way::Prefill,
        None => Way::Asked,
    };
    match (way, said.calls.split_last()) {
        (Way::Call, Some((open, made))) => call(&mut chat, said, open, made)?,
        (Way::Document, _) => document(&mut chat, said)?,
        (Way::Prefill, _) => prefilled(&mut chat, said, target)?,
        (Way::Asked, _) => asked(&mut chat, said)?,
        _ => {}
    }
    if matches!(way, Way::Prefill | Way::Asked) {
        leave_room(&mut chat, target, said);
    }
    Ok(Rest {
        op: Op::Chat,
        body: chat,
        way,
    })
}

fn unsupported(op: Op, target: &Target) -> Error {
    let name = target.provider.name;
    let message = format!("{name} cannot go on with an answer to {}", op.name());
    Error::new(Kind::Unsupported, message).of(name)
}

/// A text completion goes on by itself.
fn completion(body: &JsonObject, said: &Said) -> Result<Rest, Error> {
    let prompt: Option<Prompt> = body.get("prompt")?;
    let prompt = match prompt {
        Some(Prompt::Text(text)) => text,
        Some(Prompt::Texts(mut texts)) if texts.len() == 1 => texts.remove(0),
        _ => {
            let message = "only a completion of one text can be carried on";
            return Err(Error::new(Kind::Unsupported, message));
        }
    };
    let mut body = body.clone();
    // What was sent begins with the prompt already, where it was to be echoed.
    let said = if body.is_true("echo") && said.text.starts_with(&prompt) {
        said.text.clone()
    } else {
        prompt + &said.text
    };
    body.remove("echo");
    body.set_str("prompt", &said);
    Ok(Rest {
        op: Op::Completion,
        body,
        way: Way::Prefill,
    })
}

/// Thinking comes before an answer, and an answer that has begun leaves no place for it.
fn takes_prefill(target: &Target, chat: &JsonObject) -> bool {
    let thinks = ["thinking", "reasoning_effort"].iter().any(|key| {
        let raw = chat
            .raw(key)
            .map(|raw| String::from_utf8_lossy(raw).into_owned());
        raw.is_some_and(|raw| {
            !["null", "\"none\"", "\"disabled\""]
                .iter()
                .any(|off| raw.contains(off))
        })
    });
    let known = target.facts.supports("assistant_prefill");
    let takes = match target.provider.prefill {
        Prefill::LastMessage => known == Some(true),
        Prefill::PrefixKey { .. } | Prefill::ContinueFinal => known != Some(false),
    };
    takes && !thinks
}

fn is_structured(chat: &JsonObject) -> bool {
    let format: Option<Value> = chat.get("response_format").ok().flatten();
    format.is_some_and(|format| {
        matches!(format["type"].as_str(), Some("json_object" | "json_schema"))
    })
}

fn messages(chat: &JsonObject) -> Result<Vec<Box<RawValue>>, Error> {
    Ok(chat.get("messages")?.unwrap_or_default())
}

fn last(messages: &[Box<RawValue>]) -> Value {
    let last = messages.last().map(|last| last.get());
    last.and_then(|last| serde_json::from_str(last).ok())
        .unwrap_or_default()
}

/// A client that begins the answer itself has its own words there.
fn ends_with_user(chat: &JsonObject) -> Result<bool, Error> {
    Ok(last(&messages(chat)?)["role"] != "assistant")
}

fn add(chat: &mut JsonObject, more: Vec<Value>) -> Result<(), Error> {
    let mut all = messages(chat)?;
    for message in more {
        let raw = serde_json::value::to_raw_value(&message);
        all.push(raw.map_err(|e| Error::decode("", e))?);
    }
    chat.set("messages", &all);
    Ok(())
}

fn prefilled(chat: &mut JsonObject, said: &Said, target: &Target) -> Result<(), Error> {
    let mut message = json!({"role": "assistant", "content": given(said)});
    match target.provider.prefill {
        Prefill::LastMessage => {}
        Prefill::PrefixKey { .. } => message["prefix"] = true.into(),
        Prefill::ContinueFinal => {
            chat.set("continue_final_message", &true);
            chat.set("add_generation_prompt", &false);
        }
    }
    add(chat, vec![message])
}

/// What of the text a model is given as its own: vendors refuse white space at its end.
pub(crate) fn given(said: &Said) -> &str {
    said.text.trim_end()
}

fn asked(chat: &mut JsonObject, said: &Said) -> Result<(), Error> {
    let mut all = messages(chat)?;
    let mut text = said.text.clone();
    let before = last(&all);
    if let ("assistant", Some(own)) = (
        before["role"].as_str().unwrap_or_default(),
        before["content"].as_str(),
    ) {
        // Two messages of the assistant in a row are refused by some.
        text.insert_str(0, own);
        all.pop();
        chat.set("messages", &all);
    }
    add(
        chat,
        vec![
            json!({"role": "assistant", "content": text}),
            json!({"role": "user", "content": GO_ON}),
        ],
    )
}

fn document(chat: &mut JsonObject, said: &Said) -> Result<(), Error> {
    let content = anew::document(said);
    add(chat, vec![json!({"role": "user", "content": content})])
}

/// Asks for the call that was cut. A forced call and thinking exclude each other at some vendors.
fn call(
    chat: &mut JsonObject,
    said: &Said,
    open: &CallSaid,
    made: &[CallSaid],
) -> Result<(), Error> {
    chat.remove("thinking");
    chat.remove("reasoning_effort");
    chat.set(
        "tool_choice",
        &json!({"type": "function", "function": {"name": open.name}}),
    );
    let content = anew::call(said, open, made);
    add(chat, vec![json!({"role": "user", "content": content})])
}

/// What was sent counts against the longest answer that the client wants.
fn leave_room(chat: &mut JsonObject, target: &Target, said: &Said) {
    for key in ["max_tokens", "max_completion_tokens"] {
        room(chat, key, &target.model, said);
    }
}

pub(super) fn room(body: &mut JsonObject, key: &'static str, model: &str, said: &Said) {
    if let Ok(Some(most)) = body.get::<u64>(key) {
        let used = llm_cost::count_text(model, &said.text).tokens;
        body.set(key, &most.saturating_sub(used).max(LEAST_ROOM.min(most)));
    }
}
