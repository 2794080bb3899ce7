//! What holds for every row, every operation and every verb.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{StatusCode, Uri};
use llm_providers::{
    Body, Call, CallOptions, Credential, Data, Error, Kind, Provider, Reply, Target, Upload,
    backends::ALL, live::Said,
};
use llm_types::{JsonObject, Op, Verb};

/// Requests of every operation: fields, and which of them are files.
fn body(op: Op) -> Body {
    let (fields, files): (&str, &[&str]) = match op {
        Op::Chat => (r#"{"messages":[{"role":"user","content":"Hi"}]}"#, &[]),
        Op::Completion | Op::ImageGeneration | Op::Video => (r#"{"prompt":"Hi"}"#, &[]),
        Op::Embedding => (r#"{"input":["Hi"]}"#, &[]),
        Op::Messages | Op::CountTokens => (
            r#"{"max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}"#,
            &[],
        ),
        Op::Responses | Op::Moderation | Op::Speech => (r#"{"input":"Hi"}"#, &[]),
        Op::GenerateContent => (r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#, &[]),
        Op::Rerank => (r#"{"query":"q","documents":["a","b"]}"#, &[]),
        Op::Search => (r#"{"query":"q"}"#, &[]),
        Op::Ocr => (
            r#"{"document":{"type":"image_url","image_url":"data:image/png;base64,AAAA"}}"#,
            &[],
        ),
        Op::ImageEdit => (r#"{"prompt":"Hi"}"#, &["image"]),
        Op::ImageVariation => ("{}", &["image"]),
        Op::Transcription | Op::Translation => ("{}", &["file"]),
        Op::File => (r#"{"purpose":"batch"}"#, &["file"]),
        Op::Batch => (
            r#"{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}"#,
            &[],
        ),
        Op::FineTuning => (r#"{"training_file":"file-1"}"#, &[]),
        _ => ("{}", &[]),
    };
    let fields = Bytes::from_static(fields.as_bytes());
    let mut body = Body::from(JsonObject::parse(&fields).expect("an object"));
    body.fields.set_str("model", "m");
    for name in files {
        let upload = Upload {
            filename: Some("a.jsonl".into()),
            content_type: Some("application/octet-stream".into()),
            data: Data::Memory(Bytes::from_static(b"{}\n")),
        };
        body.attach((*name).to_owned(), upload);
    }
    body
}

/// A target with all the settings that any row asks for.
fn target(row: &'static Provider, model: &str) -> Target {
    let names = [
        "api_version",
        "project",
        "vertex_project",
        "vertex_location",
        "aws_region_name",
        "account_id",
        "project_id",
        "region",
        "region_name",
        "organization",
        "google_pse_engine_id",
        "gcs_bucket_name",
        "s3_bucket_name",
        "aws_batch_role_arn",
    ];
    let key = Credential::key("a-key");
    let target = Target::new(row, model, key).at("https://example.com/base/v1");
    names
        .into_iter()
        .fold(target, |target, name| target.with(name, "x-1"))
}

fn call<'a>(
    op: Op,
    verb: Verb,
    id: &str,
    target: &'a Target,
    options: &'a CallOptions,
) -> Result<Call<'a>, Error> {
    if verb == Verb::Create && op != Op::Realtime {
        return Call::prepare(op, target, body(op), options);
    }
    let id = verb.needs_id().then(|| id.to_owned());
    let mut fields = JsonObject::new();
    if verb.has_body() {
        fields.set_str("prompt", "Hi");
        fields.set_str("model", "m");
        fields.set_str("input", "Hi");
    }
    Call::resource(op, verb, id, target, fields, options)
}

fn address(op: Op, verb: Verb, id: &str, target: &Target) -> Result<Uri, Error> {
    let options = CallOptions::default();
    Ok(call(op, verb, id, target, &options)?
        .encode()?
        .uri()
        .clone())
}

/// Every row with every operation and verb.
fn cells() -> impl Iterator<Item = (&'static Provider, Op, Verb)> {
    ALL.iter().flat_map(|row| {
        let row: &'static Provider = row;
        Op::all().flat_map(move |op| op.verbs().iter().map(move |verb| (row, op, *verb)))
    })
}

#[test]
fn what_is_asked_is_sent_or_refused_by_name() {
    for (row, op, verb) in cells() {
        let target = target(row, "some-model");
        let what = format!("{} {} {verb:?}", row.name, op.name());
        match address(op, verb, "thing-1", &target) {
            Ok(uri) => {
                assert!(target.speaks(op), "{what} is sent and not spoken");
                assert_eq!(uri.host(), Some("example.com"), "{what}: {uri}");
            }
            Err(error) => {
                assert_eq!(
                    error.status_code(),
                    StatusCode::BAD_REQUEST,
                    "{what}: {error}"
                );
                let named = error.kind == Kind::Unsupported || error.param.is_some();
                assert!(named, "{what}: {error}");
            }
        }
    }
}

/// How many providers an error lists, at most.
const LISTED: usize = 40;

#[test]
fn who_lacks_an_operation_names_who_has_it() {
    let mut able: BTreeMap<Op, BTreeSet<&str>> = BTreeMap::new();
    for row in ALL {
        for op in row.ops {
            able.entry(*op).or_default().insert(row.name);
        }
    }
    for (row, op, verb) in cells().filter(|(row, op, _)| !row.speaks(*op)) {
        let target = target(row, "some-model");
        let error = address(op, verb, "thing-1", &target).expect_err("not spoken");
        assert_eq!(error.kind, Kind::Unsupported, "{} {}", row.name, op.name());
        let able = able.get(&op).cloned().unwrap_or_default();
        // A longer list would be no help.
        if able.len() > LISTED {
            assert!(error.message.contains(" others"), "{error}");
            continue;
        }
        for name in able {
            let mut words = error.message.split([' ', ',']);
            assert!(
                words.any(|word| word == name),
                "{error} does not name {name}"
            );
        }
    }
}

const HOSTILE: [&str; 11] = [
    "../../x",
    "a/../../b",
    "a?b=c",
    "a#b",
    "a\nb",
    "a\0b",
    "..",
    "a b",
    "//evil.example/x",
    "a%2e%2e/b",
    "x@evil.example",
];

/// Refusing is as good as escaping.
fn stays(what: &str, plain: &Uri, hostile: Result<Uri, Error>) {
    let Ok(hostile) = hostile else { return };
    let what = format!("{what}: {hostile}");
    assert_eq!(hostile.host(), plain.host(), "{what}");
    assert!(
        hostile.path() == plain.path() || hostile.path().starts_with("/base/"),
        "{what}"
    );
    assert!(
        !hostile.path().split('/').any(|part| part == ".."),
        "{what}"
    );
    let keys = |uri: &Uri| -> BTreeSet<String> {
        let pairs = uri.query().unwrap_or_default().split('&');
        pairs
            .filter_map(|pair| pair.split('=').next().map(str::to_owned))
            .collect()
    };
    assert_eq!(keys(&hostile), keys(plain), "{what}");
}

#[test]
fn hostile_names_of_models_never_change_the_address() {
    for (row, op, verb) in cells() {
        let Ok(plain) = address(op, verb, "thing-1", &target(row, "some-model")) else {
            continue;
        };
        for name in HOSTILE {
            let what = format!("{} {} {verb:?} {name:?}", row.name, op.name());
            stays(
                &what,
                &plain,
                address(op, verb, "thing-1", &target(row, name)),
            );
        }
    }
}

#[test]
fn hostile_ids_never_change_the_address() {
    for (row, op, verb) in cells().filter(|(_, _, verb)| verb.needs_id()) {
        let target = target(row, "some-model");
        let Ok(plain) = address(op, verb, "thing-1", &target) else {
            continue;
        };
        for id in HOSTILE {
            let what = format!("{} {} {verb:?} {id:?}", row.name, op.name());
            stays(&what, &plain, address(op, verb, id, &target));
        }
    }
}

/// What no vendor should answer, and some will.
const ODD: [&str; 14] = [
    "",
    "null",
    "7",
    "\"text\"",
    "[]",
    "[null]",
    "{}",
    "{\"data\":null}",
    "{\"data\":7,\"results\":7,\"choices\":7,\"id\":7,\"status\":7,\"output\":7}",
    "{\"data\":[7],\"results\":[7],\"choices\":[7],\"candidates\":[7],\"output\":[7],\"predictions\":[7]}",
    "{\"error\":\"no\"}",
    "<html><body>502</body></html>",
    "{\"unfinished\":",
    "\u{feff}{\"status\":\"succeeded\",\"usage\":{\"total_tokens\":-1}}",
];

#[test]
fn odd_answers_are_read_without_a_panic() {
    let options = CallOptions::default();
    let statuses = [
        StatusCode::OK,
        StatusCode::ACCEPTED,
        StatusCode::BAD_REQUEST,
        StatusCode::BAD_GATEWAY,
    ];
    for (row, op, verb) in cells() {
        let target = target(row, "some-model");
        let Ok(call) = call(op, verb, "thing-1", &target, &options) else {
            continue;
        };
        for odd in ODD {
            let mut reply = Reply::ok(odd);
            for status in statuses {
                reply.status = status;
                let read = || drop(call.decode(reply.clone()));
                let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
                assert!(read.is_ok(), "{} {} {verb:?}: {odd}", row.name, op.name());
            }
        }
    }
}

#[test]
fn odd_messages_of_sessions_are_read_without_a_panic() {
    let options = CallOptions::default();
    for row in ALL.iter().filter(|row| row.speaks(Op::Realtime)) {
        let target = target(row, "gemini-live");
        let call = call(Op::Realtime, Verb::Create, "", &target, &options).expect(row.name);
        let mut session = call.session("model").expect(row.name);
        session.opening();
        for odd in ODD {
            let said = || Said::Text(Bytes::from_static(odd.as_bytes()));
            drop(session.client_said(said()));
            drop(session.vendor_said(said()));
            let binary = Said::Binary(Bytes::from_static(odd.as_bytes()));
            drop(session.vendor_said(binary));
        }
    }
}
