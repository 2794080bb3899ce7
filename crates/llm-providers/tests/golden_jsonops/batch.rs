use llm_providers::{
    BATCH_INPUT, Body, Call, CallOptions, Credential, Error, Kind, Reply, Step, Target, Upload,
    lookup,
};
use llm_types::{JsonObject, Op, Verb};
use serde_json::{Value, json};

use crate::fixture;

fn lines(name: &str) -> Vec<u8> {
    let path = format!("{}/../../fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn target(provider: &str, model: &str) -> Target {
    let row = lookup(provider).expect("a row");
    let target = Target::new(row, model, Credential::key("hidden"));
    match provider {
        "vertex_ai" => target
            .with("vertex_project", "p-1")
            .with("vertex_location", "us-central1")
            .with("gcs_bucket_name", "my-bucket"),
        "bedrock" => target
            .with("aws_region_name", "us-west-2")
            .with("s3_bucket_name", "my-bucket")
            .with("aws_batch_role_arn", "arn:aws:iam::123456789012:role/batch"),
        _ => target,
    }
}

/// Names are made anew each time.
fn unique(call: &Call<'_>, text: &str) -> String {
    match call.boundary.as_str() {
        "" => text.to_owned(),
        boundary => text.replace(boundary, "UNIQUE"),
    }
}

/// The request, each line of its body apart.
fn asked(call: &Call<'_>) -> Result<Value, Error> {
    let request = call.encode()?;
    let bytes = request.body().read().expect("in memory");
    let text = unique(call, &String::from_utf8_lossy(&bytes));
    let body: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into()))
        .collect();
    let address = unique(call, &format!("{} {}", request.method(), request.uri()));
    Ok(json!({"request": address, "body": body, "notices": call.notices}))
}

fn led(call: &Call<'_>, reply: &str) -> Value {
    match call.decode(Reply::ok(fixture(&format!("upstream/batch/{reply}")))) {
        Ok(Step::Done(answer)) => {
            let usage = answer.usage.as_ref().map(|usage| usage.total_tokens);
            let bytes = answer.into_bytes().expect("bytes");
            let mut shown: Value = serde_json::from_slice(&bytes).expect("json");
            if let Some(usage) = usage {
                shown["consumed"] = usage.into();
            }
            shown
        }
        Ok(Step::Again { request, .. }) => json!(format!("{} {}", request.method(), request.uri())),
        Ok(other) => json!(format!("{other:?}")),
        Err(error) => json!({"kind": format!("{:?}", error.kind), "error": error.message}),
    }
}

fn kept<'a>(
    op: Op,
    verb: Verb,
    id: &str,
    target: &'a Target,
    options: &'a CallOptions,
) -> Result<Call<'a>, Error> {
    let id = (!id.is_empty()).then(|| id.to_owned());
    Call::resource(op, verb, id, target, JsonObject::new(), options)
}

/// Each verb of a vendor, with the replies that there are to it.
fn walk(op: Op, target: &Target, id: &str, replies: &[(Verb, &[&str])]) -> Vec<Value> {
    let options = CallOptions::default();
    let mut seen = Vec::new();
    for (verb, replies) in replies {
        let id = if *verb == Verb::List { "" } else { id };
        let mut call = kept(op, *verb, id, target, &options).expect("a call");
        if *verb == Verb::List {
            call.query = vec![("limit".into(), "2".into())];
        }
        seen.push(asked(&call).expect("a request"));
        seen.extend(replies.iter().map(|reply| led(&call, reply)));
    }
    seen
}

/// What a file of answers becomes, and what it says was consumed.
fn rewritten(target: &Target, id: &str, answers: &str) -> Value {
    let options = CallOptions::default();
    let call = kept(Op::File, Verb::Content, id, target, &options).expect("a call");
    let mut rewriter = call.wire().rewriter(&call).expect("a rewriter");
    let mut out = Vec::new();
    for line in lines(&format!("upstream/batch/{answers}")).split(|byte| *byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        let line = rewriter.line(line).expect("a line").expect("kept");
        let mut line: Value = serde_json::from_slice(&line).expect("json");
        if let Some(id) = line.pointer_mut("/response/body/id")
            && id.as_str().is_some_and(|id| id.starts_with("chatcmpl-"))
        {
            *id = "made anew".into();
        }
        out.push(line);
    }
    let consumed: Vec<Value> = rewriter
        .consumed()
        .iter()
        .map(|(model, usage)| json!([model, usage.prompt_tokens, usage.completion_tokens]))
        .collect();
    json!({"request": asked(&call).expect("a request"), "lines": out, "consumed": consumed})
}

fn batch(target: &Target, input: &str, endpoint: &str) -> Result<(Value, Value), Error> {
    let options = CallOptions::default();
    let mut body = JsonObject::new();
    body.set_str("completion_window", "24h");
    body.set_str("endpoint", endpoint);
    body.set_str("input_file_id", "file-local-1");
    body.set_raw("metadata", r#"{"a":"b"}"#);
    let mut body = Body::from(body);
    body.attach(BATCH_INPUT, Upload::new("in.jsonl", lines(input)));
    let call = Call::prepare(Op::Batch, target, body, &options)?;
    Ok((asked(&call)?, led(&call, "anthropic")))
}

#[test]
fn anthropics_batches() {
    let target = target("anthropic", "claude-sonnet-4-5");
    let mut all = Vec::new();
    for (input, endpoint) in [
        ("batch/chat", "/v1/chat/completions"),
        ("batch/messages", "/v1/messages"),
    ] {
        let (sent, shown) = batch(&target, input, endpoint).expect("a batch");
        all.extend([sent, shown]);
    }
    all.extend(walk(
        Op::Batch,
        &target,
        "msgbatch_01",
        &[
            (Verb::Get, &["anthropic_ended", "anthropic_cancelled"]),
            (Verb::List, &["anthropic_list"]),
            (Verb::Cancel, &["anthropic"]),
        ],
    ));
    all.push(rewritten(&target, "msgbatch_01", "anthropic_results"));
    all.push(rewritten(
        &target,
        "msgbatch_01:messages",
        "anthropic_results",
    ));
    insta::assert_json_snapshot!(all);
}

#[test]
fn lines_that_cannot_be_sent_are_named() {
    let target = target("anthropic", "claude-sonnet-4-5");
    for (input, endpoint, message) in [
        ("batch/odd", "/v1/chat/completions", "Request 1/ä"),
        ("batch/chat", "/v1/messages", "line 1"),
        ("batch/chat", "/v1/embeddings", "endpoint"),
    ] {
        let error = batch(&target, input, endpoint).expect_err("refused");
        assert_eq!(error.kind, Kind::BadRequest);
        assert!(error.message.contains(message), "{error}");
    }
    let options = CallOptions::default();
    let mut body = JsonObject::new();
    body.set_str("input_file_id", "file-1");
    let call = Call::prepare(Op::Batch, &target, body, &options).expect("a call");
    let error = call.encode().expect_err("refused");
    assert_eq!(error.param.as_deref(), Some("input_file_id"));
}

/// A file as it is uploaded, and the batch that is made of it.
fn uploaded(target: &Target, input: &str, purpose: &str) -> Value {
    let options = CallOptions::default();
    let mut body = JsonObject::new();
    body.set_str("purpose", purpose);
    let mut body = Body::from(body);
    body.attach("file", Upload::new("in.jsonl", lines(input)));
    let call = Call::prepare(Op::File, target, body, &options).expect("a call");
    asked(&call).expect("a request")
}

fn began(target: &Target, input: &str, reply: &str) -> [Value; 2] {
    let options = CallOptions::default();
    let mut body = JsonObject::new();
    body.set_str("completion_window", "24h");
    body.set_str("endpoint", "/v1/chat/completions");
    body.set_str("input_file_id", input);
    let call = Call::prepare(Op::Batch, target, body, &options).expect("a call");
    [asked(&call).expect("a request"), led(&call, reply)]
}

#[test]
fn vertex_batches() {
    let gemini = target("vertex_ai", "gemini-2.5-flash");
    let claude = target("vertex_ai", "claude-sonnet-4-5@20250929");
    let folder = "gs://my-bucket/interlingua-files/gemini-2.5-flash";
    let file = format!("{folder}/u-1.jsonl");
    let mut all = vec![
        uploaded(&gemini, "batch/chat", "batch"),
        uploaded(&claude, "batch/odd", "batch"),
        uploaded(&gemini, "batch/chat", "fine-tune"),
    ];
    all.extend(walk(
        Op::File,
        &gemini,
        &file,
        &[
            (Verb::Get, &["vertex_file"]),
            (Verb::Delete, &["vertex_file"]),
        ],
    ));
    all.extend(began(&gemini, &file, "vertex"));
    all.extend(walk(
        Op::Batch,
        &gemini,
        "456",
        &[
            (Verb::Get, &["vertex_done", "vertex_failed"]),
            (Verb::List, &["vertex_list"]),
            (Verb::Cancel, &["vertex"]),
        ],
    ));
    let answers = format!("{folder}/u-1-answers/prediction-model-2026/predictions.jsonl");
    all.push(rewritten(&gemini, &answers, "vertex_answers"));
    let answers = "gs://my-bucket/interlingua-files/claude-sonnet-4-5@20250929/u-1-answers/p/predictions.jsonl";
    all.push(rewritten(&claude, answers, "vertex_claude_answers"));
    insta::assert_json_snapshot!(all);
}

#[test]
fn bedrock_batches() {
    let claude = target("bedrock", "anthropic.claude-3-haiku-20240307-v1:0");
    let nova = target("bedrock", "us-east-1/amazon.nova-lite-v1:0");
    let folder = "s3://my-bucket/interlingua-files/anthropic.claude-3-haiku-20240307-v1:0";
    let file = format!("{folder}/u-1.jsonl");
    let mut all = vec![
        uploaded(&claude, "batch/chat", "batch"),
        uploaded(&nova, "batch/odd", "batch"),
    ];
    all.extend(walk(
        Op::File,
        &claude,
        &file,
        &[(Verb::Delete, &["bedrock"])],
    ));
    all.extend(began(&claude, &file, "bedrock"));
    let arn = "arn:aws:bedrock:us-west-2:123456789012:model-invocation-job/abc123";
    all.extend(walk(
        Op::Batch,
        &claude,
        arn,
        &[
            (
                Verb::Get,
                &["bedrock_running", "bedrock_done", "bedrock_failed"],
            ),
            (Verb::List, &["bedrock_list"]),
            (Verb::Cancel, &["bedrock_running"]),
        ],
    ));
    let answers = format!("{folder}/abc123/u-1.jsonl.out");
    all.push(rewritten(&claude, &answers, "bedrock_answers"));
    insta::assert_json_snapshot!(all);
}

#[test]
fn files_of_other_buckets_are_out_of_reach() {
    let options = CallOptions::default();
    for (provider, ids) in [
        (
            "vertex_ai",
            [
                "gs://other/x",
                "gs://my-bucket/",
                "my-bucket/x",
                "s3://my-bucket/x",
            ],
        ),
        (
            "bedrock",
            [
                "s3://other/x",
                "s3://my-bucket/",
                "my-bucket/x",
                "s3://my-bucket/../x",
            ],
        ),
    ] {
        let target = target(provider, "any");
        for id in ids {
            for verb in [Verb::Content, Verb::Delete] {
                let call = kept(Op::File, verb, id, &target, &options).expect("a call");
                assert_eq!(call.encode().expect_err(id).kind, Kind::BadRequest, "{id}");
            }
        }
    }
}

#[test]
fn without_a_bucket_nothing_is_kept() {
    for provider in ["vertex_ai", "bedrock"] {
        let target = Target::new(lookup(provider).expect("a row"), "any", Credential::None);
        assert!(!target.does(Op::File, Verb::Create) && !target.does(Op::Batch, Verb::Create));
    }
}

#[test]
fn answers_in_openais_format_are_counted_as_they_are() {
    for provider in ["groq", "mistral"] {
        let counted = rewritten(&target(provider, "any"), "file-1", "groq_answers");
        assert_eq!(
            counted["consumed"],
            json!([["llama-3.3-70b-versatile", 7, 3]])
        );
        assert_eq!(counted["lines"][0]["custom_id"], "request-1");
    }
    let openai = target("openai", "any");
    let ended = walk(
        Op::Batch,
        &openai,
        "batch_1",
        &[(Verb::Get, &["openai_done"])],
    );
    assert_eq!(ended[1]["consumed"], 1_000_000);
}

#[test]
fn vertex_tuning_jobs() {
    let target = target("vertex_ai", "gemini-2.5-flash");
    let options = CallOptions::default();
    let body = JsonObject::parse(&fixture("batch/tuning")).expect("an object");
    let call = Call::prepare(Op::FineTuning, &target, body.clone(), &options).expect("a call");
    let mut all = vec![asked(&call).expect("a request"), led(&call, "tuning")];
    all.extend(walk(
        Op::FineTuning,
        &target,
        "789",
        &[
            (Verb::Get, &["tuning_done", "tuning_failed"]),
            (Verb::List, &["tuning_list"]),
            (Verb::Cancel, &["tuning"]),
        ],
    ));
    insta::assert_json_snapshot!(all);
    for (key, value, param) in [
        ("seed", "7", "seed"),
        ("training_file", "\"file-1\"", "training_file"),
        ("training_file", "\"gs://other/x.jsonl\"", "training_file"),
        (
            "hyperparameters",
            r#"{"batch_size":4}"#,
            "hyperparameters.batch_size",
        ),
    ] {
        let mut body = body.clone();
        body.set_raw(key, value);
        let call = Call::prepare(Op::FineTuning, &target, body, &options);
        let error = call.and_then(|call| call.encode()).expect_err("refused");
        assert_eq!(error.param.as_deref(), Some(param));
    }
    let events = kept(Op::FineTuning, Verb::Events, "789", &target, &options);
    assert_eq!(events.expect_err("refused").kind, Kind::Unsupported);
}
