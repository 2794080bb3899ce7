use llm_providers::{
    Body, Call, CallOptions, Error, Kind, Outgoing, Reply, Step, Target, Upload, auth,
};
use llm_types::{JsonObject, Op, Verb};
use serde_json::{Value, json};

use crate::{fixture, sent, target};

/// Provider, model, the client's order, the vendor's answer.
const ORDERS: &[(&str, &str, &str, &str)] = &[
    ("openai", "sora-2", "full", "sora"),
    ("azure", "my-sora", "full", "sora"),
    ("gemini", "veo-3.1-generate-preview", "plain", "veo_studio"),
    (
        "gemini",
        "veo-3.1-generate-preview",
        "picture",
        "veo_studio",
    ),
    ("vertex_ai", "veo-3.0-generate-001", "full", "veo_vertex"),
    ("vertex_ai", "veo-3.0-generate-001", "tall", "veo_vertex"),
    ("vertex_ai", "veo-3.0-generate-001", "veo", "veo_vertex"),
    ("runwayml", "gen4.5", "plain", "runway"),
    ("runwayml", "gen4_turbo", "picture", "runway"),
    ("fal_ai", "fal-ai/veo3", "full", "fal"),
    (
        "fal_ai",
        "kling-video/v2.5-turbo/pro/image-to-video",
        "picture",
        "fal",
    ),
    ("modelslab", "text-to-video", "small", "modelslab"),
    ("modelslab", "svd", "picture", "modelslab"),
];

const STUDIO: &str = "models/veo-3.1-generate-preview/operations/op123";
const VERTEX: &str = "projects/p-1/locations/us-central1/publishers/google/models/veo-3.0-generate-001/operations/o-1";
const RUNWAY: &str = "17f20503-6c24-4c16-946b-35dbbce2af2f";
const FAL: &str = "fal-ai/veo3/fast/requests/764cabcf-b745-4b3e-ae38-1200304cf45b";

/// Provider, a video's id, what the vendor says of it.
const STATES: &[(&str, &str, &[&str])] = &[
    ("openai", "video_123", &["sora", "sora_failed"]),
    (
        "gemini",
        STUDIO,
        &["veo_studio", "veo_studio_done", "veo_studio_filtered"],
    ),
    (
        "vertex_ai",
        VERTEX,
        &[
            "veo_vertex",
            "veo_vertex_stored",
            "veo_vertex_inline",
            "veo_vertex_error",
        ],
    ),
    (
        "runwayml",
        RUNWAY,
        &["runway_running", "runway_done", "runway_failed"],
    ),
    ("fal_ai", FAL, &["fal", "fal_done", "fal_failed"]),
    (
        "modelslab",
        "17888",
        &[
            "modelslab",
            "modelslab_done",
            "modelslab_failed",
            "modelslab_refused",
        ],
    ),
];

fn asked(call: &Call<'_>) -> Result<Value, Error> {
    let mut request = call.encode()?;
    let now = std::time::SystemTime::UNIX_EPOCH;
    auth::apply(call.target, &call.target.credential, &mut request, now)?;
    let body = request.body().read().expect("in memory");
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(json!({"request": format!("{} {}", request.method(), request.uri()), "body": body}))
}

/// What a reply leads to, in words.
fn led(step: Result<Step, Error>) -> Value {
    match step {
        Ok(Step::Done(answer)) => {
            let seconds = answer.usage.as_ref().and_then(|usage| usage.units.seconds);
            let bytes = answer.into_bytes().expect("bytes");
            let body: Value = serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
            json!({"body": body, "seconds": seconds})
        }
        Ok(Step::Fetch { uri, trusted }) => json!({"fetch": uri, "trusted": trusted}),
        Ok(other) => json!(format!("{other:?}")),
        Err(error) => json!({"kind": format!("{:?}", error.kind), "error": error.message}),
    }
}

fn kept<'a>(
    target: &'a Target,
    options: &'a CallOptions,
    verb: Verb,
    id: &str,
) -> Result<Call<'a>, Error> {
    let id = Some(id.to_owned());
    Call::resource(Op::Video, verb, id, target, JsonObject::new(), options)
}

#[test]
fn every_provider_takes_orders() {
    for (provider, model, body, reply) in ORDERS {
        let (target, options) = (target(provider, model), CallOptions::default());
        let body = format!("video/{body}");
        let object = JsonObject::parse(&fixture(&body)).expect("an object");
        let call = Call::prepare(Op::Video, &target, object, &options).expect("a call");
        let reply = Reply::ok(fixture(&format!("upstream/video/{reply}")));
        let both = json!({
            "sent": sent(Op::Video, &target, &fixture(&body)).expect("a request"),
            "answered": led(call.decode(reply)),
        });
        let name = format!("{provider}_{model}_{}", &body["video/".len()..]);
        insta::assert_json_snapshot!(format!("order_{}", name.replace('/', "-")), both);
    }
}

#[test]
fn every_provider_tells_how_far_a_video_is() {
    for (provider, id, replies) in STATES {
        let (target, options) = (target(provider, "any"), CallOptions::default());
        let mut all = Vec::new();
        for verb in [Verb::Get, Verb::Content] {
            let call = kept(&target, &options, verb, id).expect("a call");
            let mut seen = vec![asked(&call).expect("a request")];
            if (*provider, verb) == ("openai", Verb::Content) {
                continue;
            }
            let output = match (*provider, verb) {
                ("fal_ai", Verb::Content) => &["fal_output"][..],
                _ => replies,
            };
            for reply in output {
                let reply = Reply::ok(fixture(&format!("upstream/video/{reply}")));
                seen.push(led(call.decode(reply)));
            }
            all.push(seen);
        }
        insta::assert_json_snapshot!(format!("film_{provider}"), all);
    }
}

#[test]
fn an_uploaded_picture_is_the_first_frame() {
    for (provider, model) in [
        ("gemini", "veo-3.1-generate-preview"),
        ("runwayml", "gen4_turbo"),
        ("fal_ai", "fal-ai/veo3/image-to-video"),
        ("modelslab", "image-to-video"),
    ] {
        let (target, options) = (target(provider, model), CallOptions::default());
        let mut body = Body::from(JsonObject::parse(&fixture("video/plain")).expect("an object"));
        let mut picture = Upload::new("cat.jpg", "jpeg");
        picture.content_type = Some("image/jpeg".into());
        body.attach("input_reference", picture);
        let call = Call::prepare(Op::Video, &target, body, &options).expect("a call");
        let sent = asked(&call).expect("a request").to_string();
        assert!(sent.contains("anBlZw=="), "{provider}: {sent}");
        assert!(sent.contains("image/jpeg"), "{provider}: {sent}");
        assert!(
            !sent.contains("$file") && !sent.contains("u-1"),
            "{provider}: {sent}"
        );
    }
}

#[test]
fn a_picture_elsewhere_is_fetched_where_the_vendor_does_not() {
    let (veo, runway) = (
        target("gemini", "veo-3.1-generate-preview"),
        target("runwayml", "gen4_turbo"),
    );
    let options = CallOptions::default();
    let mut body = JsonObject::new();
    body.set_str("prompt", "It walks off.");
    body.set_str("input_reference", "https://pictures.example.com/cat.png");
    let call = Call::prepare(Op::Video, &veo, body.clone(), &options).expect("a call");
    assert_eq!(call.fetches(), ["https://pictures.example.com/cat.png"]);
    let call = Call::prepare(Op::Video, &runway, body, &options).expect("a call");
    assert!(call.fetches().is_empty());
    let sent = asked(&call).expect("a request");
    assert_eq!(
        sent["body"]["promptImage"],
        "https://pictures.example.com/cat.png"
    );
}

#[test]
fn what_cannot_be_made_is_refused_by_name() {
    let cases = [
        ("gemini", json!({"prompt": "p", "size": "512x512"}), "size"),
        ("gemini", json!({"prompt": "p", "size": "large"}), "size"),
        (
            "gemini",
            json!({"prompt": "p", "seconds": "long"}),
            "seconds",
        ),
        ("gemini", json!({"prompt": 7}), "prompt"),
        ("runwayml", json!({"seconds": "5"}), "prompt"),
        (
            "fal_ai",
            json!({"prompt": "p", "input_reference": 7}),
            "input_reference",
        ),
        (
            "vertex_ai",
            json!({"prompt": "p", "input_reference": "s3://b/c"}),
            "input_reference",
        ),
    ];
    for (provider, body, param) in cases {
        let target = target(provider, "veo-3.0-generate-001");
        let body = serde_json::to_vec(&body).expect("json").into();
        let error = sent(Op::Video, &target, &body).expect_err("refused");
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (Kind::BadRequest, Some(param)),
            "{provider}"
        );
    }
}

#[test]
fn what_a_vendor_does_not_do_is_a_refusal_that_names_who_does() {
    let options = CallOptions::default();
    for (provider, verb, function) in [
        ("gemini", Verb::Remix, "video_remix"),
        ("vertex_ai", Verb::Delete, "video_delete"),
        ("runwayml", Verb::List, "video_list"),
        ("fal_ai", Verb::List, "video_list"),
        ("modelslab", Verb::Remix, "video_remix"),
    ] {
        let target = target(provider, "any");
        let error = kept(&target, &options, verb, "x").expect_err("refused");
        assert_eq!(error.kind, Kind::Unsupported);
        assert!(
            error.message.contains(function) && error.message.contains("openai"),
            "{error}"
        );
    }
    let runway = target("runwayml", "any");
    let call = kept(&runway, &options, Verb::Delete, RUNWAY).expect("a call");
    let reply = led(call.decode(Reply::ok("")));
    assert_eq!(reply["body"]["deleted"], true);
}

#[test]
fn hostile_ids_lead_nowhere_else() {
    let options = CallOptions::default();
    for provider in ["gemini", "vertex_ai", "runwayml", "fal_ai", "modelslab"] {
        let target = target(provider, "any");
        for id in [
            "../../secrets",
            "models/../operations/x",
            "a/requests/../../b",
            "x?y=1",
            "models/m/operations/../x",
        ] {
            for verb in [Verb::Get, Verb::Content] {
                let call = kept(&target, &options, verb, id).expect("a call");
                let Ok(request): Result<http::Request<Outgoing>, _> = call.encode() else {
                    continue;
                };
                let uri = request.uri().to_string();
                assert!(
                    !uri.contains("..") || uri.contains("..%2F"),
                    "{provider} {id}: {uri}"
                );
                assert!(!uri.contains('?'), "{provider} {id}: {uri}");
            }
        }
    }
}
