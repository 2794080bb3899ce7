//! Speech to text, text to speech, and images that are edited: what goes out as a form, and what comes back.

use std::fmt::Write;

use llm_providers::{
    Body, Call, CallOptions, Chunks, Error, Framing, Kind, Outgoing, Payload, Reply, Step, Target,
    Upload, auth, backends, frame::Splitter,
};
use llm_types::{JsonObject, Op, Usage};
use serde_json::{Value, json};

use crate::{fixture, target};

fn of(provider: &str, model: &str) -> Target {
    match provider {
        "openai_like" | "custom_openai" => target(provider, model).at("http://localhost/v1"),
        "aws_polly" => target(provider, model)
            .with("aws_region_name", "us-west-2")
            .at("https://polly.us-west-2.amazonaws.com"),
        _ => target(provider, model),
    }
}

/// A form's fields, and files under their names.
fn form(fields: Value, files: &[(&str, &str, &str)]) -> Body {
    let mut body = Body::from(crate::object(&fields));
    for (field, name, kind) in files {
        let upload = Upload {
            content_type: Some((*kind).to_owned()),
            ..Upload::new(*name, format!("BYTES OF {name}"))
        };
        body.attach(*field, upload);
    }
    body
}

fn wav(fields: Value) -> Body {
    form(fields, &[("file", "a.wav", "audio/wav")])
}

fn prepared<T>(
    op: Op,
    target: &Target,
    body: Body,
    then: impl FnOnce(&Call<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let options = CallOptions::default();
    then(&Call::prepare(op, target, body, &options)?)
}

/// A request as text, its boundary replaced.
fn shown(call: &Call<'_>) -> Result<String, Error> {
    let mut request = call.encode()?;
    let now = std::time::SystemTime::UNIX_EPOCH;
    auth::apply(call.target, &call.target.credential, &mut request, now)?;
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        let value = match value.is_sensitive() {
            true => "(key)",
            false => value.to_str().expect("text"),
        };
        writeln!(text, "{name}: {value}").expect("written");
    }
    let kind = request.headers()["content-type"].to_str().expect("text");
    let boundary = kind
        .split_once("boundary=")
        .map(|(_, boundary)| boundary.to_owned());
    let body: Outgoing = request.body().clone();
    text.push('\n');
    text.push_str(&String::from_utf8_lossy(&body.read().expect("read")));
    if let Some(boundary) = boundary {
        text = text.replace(&boundary, "BOUNDARY");
    }
    Ok(text.replace("\r\n", "\n"))
}

/// What came back, as text, and what it consumed.
fn came(
    call: &Call<'_>,
    reply: &str,
    kind: &'static str,
) -> Result<(String, String, Usage), Error> {
    let mut reply = Reply::ok(fixture(&format!("upstream/audio/{reply}")));
    reply
        .headers
        .insert("content-type", kind.parse().expect("a type"));
    match call.decode(reply)? {
        Step::Done(answer) => {
            let usage = answer.usage.unwrap_or_default();
            let Payload::Raw { body, content_type } = answer.payload else {
                panic!("raw")
            };
            Ok((
                content_type,
                String::from_utf8_lossy(&body).into_owned(),
                usage,
            ))
        }
        other => panic!("{other:?}"),
    }
}

/// Provider, model, its answer in JSON.
const LISTENERS: &[(&str, &str, &str)] = &[
    ("openai", "whisper-1", "whisper_verbose"),
    ("azure", "my-whisper", "whisper_verbose"),
    ("groq", "whisper-large-v3", "whisper_verbose"),
    ("fireworks_ai", "whisper-v3-turbo", "whisper_verbose"),
    ("mistral", "voxtral-mini-latest", "voxtral"),
    ("elevenlabs", "scribe_v1", "scribe"),
    ("deepgram", "nova-3", "nova"),
    ("gemini", "gemini-2.5-flash", "gemini_heard"),
    ("vertex_ai", "gemini-2.5-flash", "gemini_heard"),
    ("litellm_proxy", "whisper", "whisper_verbose"),
    ("openai_like", "whisper", "whisper_verbose"),
    ("custom_openai", "whisper", "whisper_verbose"),
    ("xinference", "whisper", "whisper_verbose"),
];

#[test]
fn every_listener_is_asked_in_its_own_way() {
    for (provider, model, _) in LISTENERS {
        let fields = json!({"model": "m", "language": "en", "response_format": "json"});
        let text = prepared(Op::Transcription, &of(provider, model), wav(fields), shown);
        insta::assert_snapshot!(format!("listen_{provider}"), text.expect("a request"));
    }
}

#[test]
fn every_form_is_written_though_a_vendor_has_one() {
    for (provider, model, reply) in LISTENERS {
        let mut all = String::new();
        for wanted in ["json", "verbose_json", "text", "srt", "vtt"] {
            let target = of(provider, model);
            let fields = json!({"model": "m", "response_format": wanted});
            // What a vendor writes itself passes as it is: nothing to be seen here.
            let own = [
                "openai",
                "azure",
                "fireworks_ai",
                "litellm_proxy",
                "openai_like",
            ];
            let own = own.contains(provider) || ["custom_openai", "xinference"].contains(provider);
            let groqs = *provider == "groq" && ["json", "text", "verbose_json"].contains(&wanted);
            if own || groqs {
                continue;
            }
            let said = prepared(Op::Transcription, &target, wav(fields), |call| {
                call.encode()?;
                came(call, reply, "application/json")
            });
            match said {
                Ok((kind, body, usage)) => {
                    writeln!(
                        all,
                        "== {wanted}: {kind}, {:?} seconds, {} tokens\n{body}",
                        usage.units.seconds, usage.total_tokens
                    )
                }
                Err(e) => writeln!(all, "== {wanted}: {:?} {:?}", e.kind, e.param),
            }
            .expect("written");
        }
        if !all.is_empty() {
            insta::assert_snapshot!(format!("heard_{provider}"), all);
        }
    }
}

#[test]
fn openai_s_transcripts_pass_as_they_are_and_are_counted() {
    let cases = [
        ("whisper", "json", Some(3.0), 0),
        ("whisper_verbose", "verbose_json", Some(2.5), 0),
        ("gpt_4o_transcribe", "json", None, 28),
    ];
    for (reply, wanted, seconds, tokens) in cases {
        let fields = json!({"model": "whisper-1", "response_format": wanted});
        let target = target("openai", "whisper-1");
        let answer = prepared(Op::Transcription, &target, wav(fields), |call| {
            came(call, reply, "application/json")
        });
        let (_, body, usage) = answer.expect("an answer");
        assert_eq!(body.as_bytes(), fixture(&format!("upstream/audio/{reply}")));
        assert_eq!(
            (usage.units.seconds, usage.total_tokens),
            (seconds, tokens),
            "{reply}"
        );
    }
}

#[test]
fn every_provider_that_listens_or_speaks_is_among_them() {
    let rows = backends::ALL.iter();
    let missing: Vec<_> = rows
        .filter(|row| {
            let listens =
                row.speaks(Op::Transcription) && !LISTENERS.iter().any(|c| c.0 == row.name);
            listens || (row.speaks(Op::Speech) && !SPEAKERS.iter().any(|c| c.0 == row.name))
        })
        .map(|row| row.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_recording_must_be_there() {
    for (provider, model, _) in LISTENERS
        .iter()
        .filter(|c| ["groq", "mistral", "elevenlabs", "deepgram", "gemini"].contains(&c.0))
    {
        let body = Body::from(crate::object(&json!({"model": "m", "file": "no file"})));
        let error = prepared(Op::Transcription, &of(provider, model), body, shown);
        assert_eq!(
            error.expect_err("an error").param.as_deref(),
            Some("file"),
            "{provider}"
        );
        let odd = wav(json!({"model": "m", "response_format": "docx"}));
        let error = prepared(Op::Transcription, &of(provider, model), odd, shown);
        let error = error.expect_err("an error");
        assert_eq!(
            error.param.as_deref(),
            Some("response_format"),
            "{provider}"
        );
    }
}

#[test]
fn a_streamed_transcript_is_whole_or_an_error() {
    let path = format!(
        "{}/../../fixtures/upstream/audio/transcript.sse",
        env!("CARGO_MANIFEST_DIR")
    );
    let events = std::fs::read(path).expect("a fixture");
    let read = |events: &[u8]| {
        let body = wav(json!({"model": "m", "stream": "true"}));
        let target = target("openai", "gpt-4o-transcribe");
        prepared(Op::Transcription, &target, body, |call| {
            assert!(call.stream);
            assert_eq!(call.wire().framing(call), Framing::Sse);
            let mut splitter = Splitter::new(Framing::Sse);
            let mut decoder = call.decoder()?;
            let (mut frames, mut out) = (Vec::new(), Chunks::default());
            splitter.push(events.to_vec().into(), &mut frames)?;
            splitter.finish(&mut frames)?;
            for frame in frames {
                decoder.push(frame, &mut out)?;
            }
            decoder.finish(&mut out)?;
            Ok((out.items.len(), out.usage.expect("usage").total_tokens))
        })
    };
    assert_eq!(read(&events).expect("a stream"), (3, 28));
    assert!(read(&events[..events.len() / 2]).is_err());
}

/// Provider, model.
const SPEAKERS: &[(&str, &str)] = &[
    ("openai", "tts-1"),
    ("openai", "gpt-4o"),
    ("azure", "my-tts"),
    ("groq", "playai-tts"),
    ("elevenlabs", "eleven_multilingual_v2"),
    ("deepgram", "aura-2"),
    ("gemini", "gemini-2.5-flash-preview-tts"),
    ("vertex_ai", "gemini-2.5-flash-preview-tts"),
    ("aws_polly", "neural"),
    ("litellm_proxy", "tts"),
    ("openai_like", "tts"),
    ("custom_openai", "tts"),
    ("xinference", "tts"),
];

#[test]
fn every_speaker_is_asked_in_its_own_way() {
    for (provider, model) in SPEAKERS {
        let mut all = String::new();
        for name in ["plain", "full", "own"] {
            let body = JsonObject::parse(&fixture(&format!("speech/{name}"))).expect("a body");
            let text = prepared(Op::Speech, &of(provider, model), body.into(), |call| {
                let text = shown(call)?;
                let spent = call
                    .wire()
                    .spent(call)
                    .and_then(|usage| usage.units.characters);
                Ok(format!(
                    "{text}\n{:?}, {spent:?} characters",
                    call.wire().framing(call)
                ))
            });
            let text =
                text.unwrap_or_else(|e| format!("{:?} {:?}: {}", e.kind, e.param, e.message));
            writeln!(all, "== {name}\n{text}\n").expect("written");
        }
        insta::assert_snapshot!(format!("speak_{provider}_{model}"), all);
    }
}

#[test]
fn models_that_speak_in_json_are_heard() {
    let target = target("openai", "gpt-4o-audio-preview");
    let body = || {
        Body::from(crate::object(
            &json!({"model": "m", "input": "Good morning."}),
        ))
    };
    let (kind, sound, usage) = prepared(Op::Speech, &target, body(), |call| {
        came(call, "chat_spoken", "application/json")
    })
    .expect("an answer");
    assert_eq!((kind.as_str(), sound.as_str()), ("audio/mpeg", "ID3"));
    assert_eq!(
        usage
            .completion_tokens_details
            .expect("details")
            .audio_tokens,
        15
    );
    let silent = prepared(Op::Speech, &target, body(), |call| {
        came(call, "chat_silent", "application/json")
    });
    assert_eq!(silent.expect_err("an error").kind, Kind::Decode);
    let target = of("gemini", "gemini-2.5-flash-preview-tts");
    let (kind, sound, usage) = prepared(Op::Speech, &target, body(), |call| {
        came(call, "gemini_spoken", "application/json")
    })
    .expect("an answer");
    assert_eq!(kind, "audio/wav");
    assert!(sound.starts_with("RIFF"));
    assert_eq!(usage.completion_tokens, 40);
}

/// Provider, model, with a mask.
const EDITORS: &[(&str, &str, bool)] = &[
    ("openai", "gpt-image-1", true),
    ("azure", "my-image", false),
    ("azure_ai", "FLUX.1-Kontext-pro", false),
    ("gemini", "gemini-2.5-flash-image", false),
    ("vertex_ai", "gemini-2.5-flash-image", false),
    ("fal_ai", "fal-ai/flux-pro/kontext", false),
    ("fal_ai", "fal-ai/nano-banana/edit", true),
    ("black_forest_labs", "flux-kontext-pro", false),
    ("black_forest_labs", "flux-pro-1.0-fill", true),
    ("stability", "sd3.5-large", false),
    ("stability", "stable-image-core", true),
    ("recraft", "recraftv3", false),
    ("recraft", "recraftv3", true),
    ("litellm_proxy", "edits", false),
    ("openai_like", "edits", false),
    ("custom_openai", "edits", false),
    ("xinference", "edits", false),
];

#[test]
fn every_editor_is_asked_in_its_own_way() {
    for (provider, model, masked) in EDITORS {
        let mut files = vec![("image", "a.png", "image/png")];
        if *masked {
            files.push(("mask", "m.png", "image/png"));
        }
        let body = form(
            json!({"model": "m", "prompt": "Add a cat", "n": "1"}),
            &files,
        );
        let text = prepared(Op::ImageEdit, &of(provider, model), body, shown);
        let text = text.unwrap_or_else(|e| panic!("{provider}/{model}: {e}"));
        let name = model.replace('/', "-");
        insta::assert_snapshot!(format!("edit_{provider}_{name}_{masked}"), text);
    }
    let rows = backends::ALL.iter();
    let missing: Vec<_> = rows
        .filter(|row| row.speaks(Op::ImageEdit) && !EDITORS.iter().any(|c| c.0 == row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn stability_s_newer_models_are_asked_by_forms() {
    for model in ["sd3.5-large", "stable-image-ultra"] {
        let fields =
            json!({"prompt": "A cat", "size": "1792x1024", "negative_prompt": "dogs", "seed": 7});
        let body = Body::from(crate::object(&fields));
        let text = prepared(Op::ImageGeneration, &of("stability", model), body, |call| {
            let reply = Reply::ok(fixture("upstream/image/stable"));
            let Step::Done(answer) = call.decode(reply)? else {
                panic!("at once")
            };
            let answer = answer.into_bytes()?;
            Ok(format!(
                "{}\n{}",
                shown(call)?,
                String::from_utf8_lossy(&answer)
            ))
        });
        insta::assert_snapshot!(format!("draw_stability_{model}"), text.expect("a request"));
    }
}

#[test]
fn an_edit_needs_a_picture_and_a_model_that_edits() {
    for (provider, model) in [("gemini", "gemini-2.5-flash-image"), ("fal_ai", "flux/dev")] {
        let body = form(json!({"model": "m", "prompt": "Add a cat"}), &[]);
        let error = prepared(Op::ImageEdit, &of(provider, model), body, shown);
        assert_eq!(
            error.expect_err("an error").param.as_deref(),
            Some("image"),
            "{provider}"
        );
    }
    let body = form(
        json!({"model": "m", "prompt": "x"}),
        &[("image", "a.png", "image/png")],
    );
    let error = prepared(
        Op::ImageEdit,
        &of("stability", "stable-image-core"),
        body,
        shown,
    );
    assert_eq!(error.expect_err("an error").param.as_deref(), Some("mask"));
    let body = form(
        json!({"model": "m", "prompt": "x"}),
        &[("image", "a.png", "image/png")],
    );
    let error = prepared(Op::ImageEdit, &of("gemini", "imagen-4.0"), body, shown);
    assert_eq!(error.expect_err("an error").kind, Kind::Unsupported);
}

#[test]
fn half_a_transcript_is_an_error() {
    for (provider, model, reply) in LISTENERS {
        let whole = fixture(&format!("upstream/audio/{reply}"));
        for end in [1, whole.len() / 2, whole.len() - 3] {
            let body = wav(json!({"model": "m"}));
            let half = Reply::ok(whole.slice(..end));
            let result = prepared(Op::Transcription, &of(provider, model), body, |call| {
                call.decode(half)
            });
            assert!(result.is_err(), "{provider} at {end}");
        }
    }
}
