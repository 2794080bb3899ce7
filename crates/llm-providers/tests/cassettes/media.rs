//! Recorded images and transcripts: answers whole and streamed, refusals, and requests for images.

use llm_providers::{
    Body, Call, CallOptions, Chunks, Credential, Kind, Payload, Step, Target, Upload,
    frame::Splitter, lookup,
};
use llm_types::{ImageResponse, JsonObject, Op};
use serde_json::{Value, json};

use crate::{Cassette, Tally};

/// The recordings of `endpoint` at addresses where we ask for it, too.
fn all(endpoint: &str, op: Op) -> Vec<Cassette> {
    let mut all = Cassette::all(|line| line["endpoint"] == endpoint);
    all.retain(|cassette| {
        let Some(row) = lookup(&cassette.provider).filter(|row| row.speaks(op)) else {
            return false;
        };
        // Pictures that a Responses call drew stand here, too.
        let answer = &cassette.record["response"]["body_json"];
        let is_response = answer["object"] == "response";
        let text = cassette.record["response"]["body_text"].as_str();
        let is_events = text.is_some_and(|text| text.contains("response.created"));
        // OpenRouter hears JSON.
        row.name != "openrouter" && !is_response && !is_events
    });
    all
}

fn target(cassette: &Cassette) -> Target {
    let row = lookup(&cassette.provider).expect("a row");
    let unknown = match cassette.provider.as_str() {
        "vertex_ai" => "imagen-3.0-generate-002",
        _ => "model",
    };
    // Where only an answer was published, the address says no model.
    let model = cassette.model.clone().filter(|model| model != "MODEL");
    let model = model.unwrap_or_else(|| unknown.into());
    let target = Target::new(row, model, Credential::key("k"));
    target.with("vertex_project", "p")
}

/// A request like the recorded one.
fn asked(op: Op, cassette: &Cassette) -> Body {
    let mut body = Body::default();
    let recorded = cassette.request().and_then(Value::as_object);
    match (op, recorded) {
        (Op::ImageGeneration, Some(fields)) if fields.contains_key("prompt") => {
            return JsonObject::from_serialize(fields)
                .expect("an object")
                .into();
        }
        (Op::ImageGeneration, _) => body.fields.set_str("prompt", "a"),
        (Op::ImageEdit | Op::ImageVariation, _) => {
            body.fields.set_str("prompt", "a");
            body.attach("image", Upload::new("a.png", "a"));
        }
        _ => {
            let form = cassette.record["request"]["multipart"].as_array();
            for part in form.into_iter().flatten() {
                if let (Some(name), Some(value)) = (part["name"].as_str(), part["value"].as_str())
                    && ["response_format", "stream"].contains(&name)
                {
                    body.fields.set_str(name.to_owned(), value);
                }
            }
            body.attach("file", Upload::new("a.wav", "a"));
        }
    }
    if cassette.is_stream() {
        body.fields.set_str("stream", "true");
    }
    body
}

fn answer(op: Op, cassette: &Cassette) -> Result<(), String> {
    let target = target(cassette);
    let options = CallOptions {
        drop_params: true,
        ..CallOptions::default()
    };
    let call = Call::prepare(op, &target, asked(op, cassette), &options);
    let call = call.map_err(|e| e.to_string())?;
    if cassette.is_stream() {
        return streamed(&call, cassette);
    }
    let step = call.decode(cassette.reply());
    if cassette.status().as_u16() >= 400 {
        return match step {
            Err(error) if !error.message.is_empty() && error.kind != Kind::Decode => Ok(()),
            other => Err(format!("not a refusal: {other:?}")),
        };
    }
    let Step::Done(answer) = step.map_err(|e| e.to_string())? else {
        return Err("not answered at once".into());
    };
    let usage = answer.usage.clone().ok_or("nothing is counted")?;
    let Payload::Raw { body, .. } = answer.payload else {
        return Err("a chat".into());
    };
    if !matches!(op, Op::Transcription | Op::Translation) {
        return drawn(&body, &usage, cassette);
    }
    let theirs = cassette.body();
    let Ok(theirs) = serde_json::from_slice::<Value>(&theirs) else {
        return (body == theirs).then_some(()).ok_or("another text".into());
    };
    let ours: Value = serde_json::from_slice(&body).map_err(|e| e.to_string())?;
    let text = theirs["text"].as_str();
    let text = text.or_else(|| {
        theirs
            .pointer("/results/channels/0/alternatives/0/transcript")?
            .as_str()
    });
    let seconds = theirs.pointer("/usage/seconds").or(theirs.get("duration"));
    let seconds = seconds.and_then(Value::as_f64);
    if ours["text"].as_str().is_none() || ours["text"].as_str() != text {
        return Err(format!("{} is not {text:?}", ours["text"]));
    }
    if seconds.is_some() && usage.units.seconds != seconds {
        return Err(format!(
            "{:?} seconds are not {seconds:?}",
            usage.units.seconds
        ));
    }
    let tokens = theirs
        .pointer("/usage/total_tokens")
        .and_then(Value::as_u64);
    (tokens.is_none() || tokens == Some(usage.total_tokens))
        .then_some(())
        .ok_or_else(|| format!("{usage:?}"))
}

fn drawn(body: &[u8], usage: &llm_types::Usage, cassette: &Cassette) -> Result<(), String> {
    let ours: ImageResponse = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let theirs: Value = serde_json::from_slice(&cassette.body()).map_err(|e| e.to_string())?;
    let list = theirs["data"]
        .as_array()
        .or(theirs["predictions"].as_array());
    let list = list.ok_or("no list")?;
    let same = list.len() == ours.data.len()
        && list.iter().zip(&ours.data).all(|(theirs, ours)| {
            let base64 = theirs.get("b64_json").or(theirs.get("bytesBase64Encoded"));
            base64.and_then(Value::as_str) == ours.b64_json.as_deref()
                && theirs["url"].as_str() == ours.url.as_deref()
                && theirs["revised_prompt"].as_str() == ours.revised_prompt.as_deref()
        });
    if !same {
        return Err("other images".into());
    }
    let tokens = theirs
        .pointer("/usage/output_tokens")
        .and_then(Value::as_u64);
    (tokens.is_none() || tokens == Some(usage.completion_tokens))
        .then_some(())
        .ok_or_else(|| format!("{usage:?}"))
}

fn streamed(call: &Call<'_>, cassette: &Cassette) -> Result<(), String> {
    let mut splitter = Splitter::new(call.wire().framing(call));
    let mut decoder = call.decoder().map_err(|e| e.to_string())?;
    let (mut frames, mut out) = (Vec::new(), Chunks::default());
    let said = |e: llm_providers::Error| e.to_string();
    splitter.push(cassette.body(), &mut frames).map_err(said)?;
    splitter.finish(&mut frames).map_err(said)?;
    let count = frames
        .iter()
        .filter(|frame| &frame.data[..] != b"[DONE]")
        .count();
    for frame in frames {
        decoder.push(frame, &mut out).map_err(said)?;
    }
    decoder.finish(&mut out).map_err(said)?;
    (out.items.len() == count && out.usage.is_some())
        .then_some(())
        .ok_or_else(|| format!("{} of {count} events", out.items.len()))
}

/// A recorded request of OpenAI's shape goes out as it was, but for what a model is known to refuse.
fn request(cassette: &Cassette, recorded: &Value) -> Result<(), String> {
    let (target, options) = (target(cassette), CallOptions::default());
    let body = JsonObject::from_serialize(recorded).map_err(|e| e.to_string())?;
    let call = match Call::prepare(Op::ImageGeneration, &target, body, &options) {
        Ok(call) => call,
        Err(e) if e.kind == Kind::UnsupportedParams => return Ok(()),
        Err(e) => return Err(e.to_string()),
    };
    let sent = call.encode().map_err(|e| e.to_string())?;
    let sent: Value = serde_json::from_slice(sent.body().bytes().expect("in memory"))
        .map_err(|e| e.to_string())?;
    let mut expected = recorded.clone();
    if cassette.provider == "openai" && sent.get("response_format").is_none() {
        // Such images come in one form only.
        let fields = expected.as_object_mut().ok_or("no object")?;
        fields.shift_remove("response_format");
    }
    match sent == expected {
        true => Ok(()),
        false => Err(format!("{sent} is not {expected}")),
    }
}

#[test]
fn images_and_transcripts_are_read() {
    let mut tally = Tally::default();
    for (endpoint, op) in [
        ("images_generations", Op::ImageGeneration),
        ("images_edits", Op::ImageEdit),
        ("images_variations", Op::ImageVariation),
        ("transcription", Op::Transcription),
        ("translation", Op::Translation),
    ] {
        for cassette in all(endpoint, op) {
            let mut result = answer(op, &cassette);
            let recorded = cassette
                .request()
                .filter(|body| body.get("prompt").is_some());
            if let (Op::ImageGeneration, Some(recorded)) = (op, recorded) {
                result = result.and_then(|()| request(&cassette, recorded));
            }
            tally.check(&cassette.id, result);
        }
    }
    tally.settle("images and transcripts", &[]);
}

#[test]
fn a_recorded_text_in_no_form_is_not_taken_for_one() {
    let target = Target::new(
        lookup("groq").expect("a row"),
        "whisper",
        Credential::key("k"),
    );
    let mut body = Body::from(
        JsonObject::from_serialize(&json!({"response_format": "vtt"})).expect("an object"),
    );
    body.attach("file", Upload::new("a.wav", "a"));
    let options = CallOptions::default();
    let call = Call::prepare(Op::Transcription, &target, body, &options).expect("a call");
    assert!(call.decode(llm_providers::Reply::ok("WEBVTT")).is_err());
}
