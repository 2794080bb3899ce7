//! Claude, at Anthropic, Azure and Vertex: recorded answers read as chat and passed through as Messages.

mod oracle;
mod over_chat;

use bytes::Bytes;
use llm_providers::{
    Answer, Body, Call, CallOptions, Chunk, Credential, Kind, Reply, Step, Target, lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{Cassette, Tally, decode_stream, however_cut};
use oracle::{Said, count, folded, oracle, oracle_stream, same, told};

fn recordings(stream: bool) -> Vec<Cassette> {
    Cassette::all(|line| {
        line["wire"] == "anthropic_messages"
            && line["endpoint"] == "chat"
            && line["stream"] == stream
    })
}

fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.as_deref().unwrap_or("claude-sonnet-4-5");
    Target::new(
        lookup("anthropic").expect("the row"),
        model,
        Credential::key("k"),
    )
}

fn object(value: &Value) -> JsonObject {
    JsonObject::parse(&Bytes::from(value.to_string())).expect("an object")
}

fn asking(op: Op, stream: bool) -> JsonObject {
    object(&json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}],
        "stream": stream, "stream_options": {"include_usage": true}, "web_search_options": {},
    }))
    .tap(|body| {
        if op == Op::Messages {
            body.remove("stream_options");
            body.remove("web_search_options");
        }
    })
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for JsonObject {}

fn answer(call: &Call<'_>, reply: Reply) -> Result<Answer, llm_providers::Error> {
    match call.decode(reply)? {
        Step::Done(answer) => Ok(answer),
        _ => panic!("nothing is polled here"),
    }
}

/// Some recordings of the endpoint are of something else, which must not be read as an answer.
fn is_message(cassette: &Cassette) -> bool {
    let body: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
    body["type"] == "message"
}

#[test]
fn answers_say_the_same_as_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let call = Call::prepare(
            Op::Chat,
            &target,
            Body::from(asking(Op::Chat, false)),
            &options,
        )
        .expect("a call");
        let reply = cassette.reply();
        let result = match answer(&call, reply) {
            Err(e) if !is_message(&cassette) && e.kind == Kind::Decode => Ok(()),
            Ok(answer) if cassette.status().is_success() => {
                let message = serde_json::from_slice(&cassette.body()).expect("json");
                answer
                    .into_chat()
                    .map_err(|e| e.to_string())
                    .and_then(|chat| same(&told(&chat), &oracle(&message)))
            }
            Ok(_) => Err("an error was read as an answer".to_owned()),
            Err(e) if !cassette.status().is_success() => {
                let kind = match cassette.status().as_u16() {
                    401 => Kind::Auth,
                    404 => Kind::NotFound,
                    429 => Kind::RateLimit,
                    _ => Kind::BadRequest,
                };
                if e.kind == kind && !e.message.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{e:?}"))
                }
            }
            Err(e) => Err(e.to_string()),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's answers as chat", &[]);
}

#[test]
fn streams_say_the_same_as_chat_however_they_are_cut() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let call = Call::prepare(
            Op::Chat,
            &target,
            Body::from(asking(Op::Chat, true)),
            &options,
        )
        .expect("a call");
        let body = cassette.body();
        let whole = decode_stream(&call, &body, usize::MAX);
        let expected = oracle_stream(&body);
        let mut result = match (&whole.error, expected) {
            (None, Some(expected)) => same(&folded(&whole.chunks), &expected),
            (Some(_), None) => Ok(()),
            (None, None) => Err("an unfinished stream was read as an answer".to_owned()),
            (Some(error), Some(_)) => Err(error.clone()),
        };
        result = result.and_then(|()| however_cut(&call, &body, &whole));
        let half = decode_stream(&call, &body.slice(..body.len() / 2), usize::MAX);
        if half.error.is_none() {
            result = Err("half of it was read as an answer".into());
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's streams as chat", &[]);
}

#[test]
fn messages_pass_through_untouched() {
    let mut tally = Tally::proving(Op::Messages);
    for cassette in recordings(false) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let Some(request) = cassette.request().filter(|request| request.is_object()) else {
            continue;
        };
        let call = Call::prepare(Op::Messages, &target, Body::from(object(request)), &options)
            .expect("a call");
        let sent: Value = serde_json::from_slice(
            call.encode()
                .expect("a request")
                .body()
                .bytes()
                .expect("in memory"),
        )
        .expect("json");
        let mut expected = request.clone();
        expected["model"] = target.model.clone().into();
        let mut result = if sent == expected {
            Ok(())
        } else {
            Err("the request changed".to_owned())
        };
        if cassette.status().is_success() && is_message(&cassette) {
            let usage = oracle(&serde_json::from_slice(&cassette.body()).expect("json"));
            let read = answer(&call, cassette.reply()).expect("an answer");
            let mut ours = Said::default();
            count(&mut ours, read.usage.as_ref());
            if (ours.prompt, ours.completion) != (usage.prompt, usage.completion) {
                result = Err("the usage is another".into());
            }
            if read.into_bytes().expect("bytes") != cassette.body() {
                result = Err("the answer changed".into());
            }
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Messages passed through", &[]);
}

#[test]
fn message_streams_pass_through_untouched() {
    let mut tally = Tally::proving(Op::Messages);
    for cassette in recordings(true) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let call = Call::prepare(
            Op::Messages,
            &target,
            Body::from(asking(Op::Messages, true)),
            &options,
        )
        .expect("a call");
        let body = cassette.body();
        let whole = decode_stream(&call, &body, usize::MAX);
        let recorded: Vec<Value> = String::from_utf8_lossy(&body)
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
            .collect();
        let mut ours: Vec<Value> = Vec::new();
        for chunk in &whole.chunks {
            let Chunk::Raw { event, data } = chunk else {
                panic!("a translated chunk")
            };
            let data: Value = serde_json::from_slice(data).expect("json");
            assert_eq!(
                data["type"],
                *String::from_utf8_lossy(event.as_ref().expect("a name"))
            );
            ours.push(data);
        }
        let expected = oracle_stream(&body);
        // One whole document in place of a stream is told again as events.
        let document = recorded
            .first()
            .is_some_and(|event| event["type"] == "message");
        let mut result = Ok(());
        if document {
            let sse: String = ours
                .iter()
                .map(|event| format!("data: {event}\n\n"))
                .collect();
            let again = oracle_stream(&Bytes::from(sse)).unwrap_or_default();
            result = same(&again, &expected.unwrap_or_default());
        } else if whole.error.is_some() != expected.is_none() {
            result = Err(format!("{:?}", whole.error));
        } else if ours.iter().ne(recorded.iter()) && !ours.starts_with(&recorded) {
            result = Err("the events changed".to_owned());
        } else if let (Some(expected), Some(usage)) = (expected, whole.usage.as_ref())
            && (usage.prompt_tokens, usage.completion_tokens)
                != (expected.prompt, expected.completion)
        {
            result = Err("the usage is another".into());
        }
        result = result.and_then(|()| however_cut(&call, &body, &whole));
        tally.check(&cassette.id, result);
    }
    tally.settle("Message streams passed through", &[]);
}

#[test]
fn tokens_are_counted_natively() {
    let mut tally = Tally::default();
    let recordings =
        Cassette::all(|line| line["provider"] == "anthropic" && line["endpoint"] == "count_tokens");
    for cassette in recordings {
        let target = target(&cassette);
        let options = CallOptions::default();
        let Some(request) = cassette.request() else {
            continue;
        };
        let call = Call::prepare(
            Op::CountTokens,
            &target,
            Body::from(object(request)),
            &options,
        )
        .expect("a call");
        let sent = call.encode().expect("a request");
        let same = sent.uri().path() == "/v1/messages/count_tokens"
            && serde_json::from_slice::<Value>(sent.body().bytes().expect("in memory"))
                .expect("json")
                == *request;
        let read = answer(&call, cassette.reply());
        let result = match read {
            _ if !same => Err("the request changed".to_owned()),
            Ok(answer) => (answer.into_bytes().expect("bytes") == cassette.body())
                .then_some(())
                .ok_or_else(|| "the answer changed".to_owned()),
            Err(e) if cassette.status().is_success() => Err(e.to_string()),
            Err(_) => Ok(()),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Counted tokens", &[]);
}

/// The first API: 2 answers and 3 refusals were recorded.
#[test]
fn the_first_api_says_the_same_as_chat() {
    let mut tally = Tally::default();
    for cassette in Cassette::all(|line| line["wire"] == "anthropic_complete") {
        let row = lookup("anthropic_text").expect("the row");
        let target = Target::new(row, "claude-2.1", Credential::key("k"));
        let options = CallOptions::default();
        let body = asking(Op::Chat, cassette.is_stream()).tap(|body| {
            body.remove("web_search_options");
        });
        let call = Call::prepare(Op::Chat, &target, Body::from(body), &options).expect("a call");
        let body = cassette.body();
        let said = if cassette.is_stream() {
            let streamed = decode_stream(&call, &body, 7);
            streamed
                .error
                .map_or_else(|| Ok(folded(&streamed.chunks).text), Err)
        } else {
            let chat = answer(&call, cassette.reply()).and_then(Answer::into_chat);
            chat.map(|chat| told(&chat).text)
                .map_err(|e| format!("{:?}", e.kind))
        };
        let pieces = String::from_utf8_lossy(&body).into_owned();
        let expected: String = pieces
            .lines()
            .map(|line| line.strip_prefix("data:").unwrap_or(line))
            .filter_map(|json| serde_json::from_str::<Value>(json).ok())
            .filter_map(|piece| piece["completion"].as_str().map(str::to_owned))
            .collect();
        let result = match said {
            Ok(text) if cassette.status().is_success() && text == expected => Ok(()),
            Err(kind)
                if !cassette.status().is_success()
                    && ["BadRequest", "NotFound"].contains(&kind.as_str()) =>
            {
                Ok(())
            }
            other => Err(format!("{other:?} is not {expected}")),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's first API as chat", &[]);
}
