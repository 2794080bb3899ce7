use llm_providers::{Call, CallOptions, Chunks, Error, Kind, Reply, Step, frame::Splitter};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{answered, both_ways, fixture, sent, target};

/// Provider, model, the client's request, the vendor's answer.
const CELLS: &[(&str, &str, &str, &str)] = &[
    ("openai", "dall-e-3", "full", "dall_e"),
    ("openai", "dall-e-2", "inline", "dall_e"),
    ("openai", "gpt-image-1", "full", "gpt_image"),
    ("openai", "gpt-image-1", "inline", "gpt_image"),
    ("azure", "my-dall-e", "full", "dall_e"),
    ("azure_ai", "FLUX-1.1-pro", "plain", "gpt_image"),
    ("xai", "grok-imagine-image", "full", "xai"),
    (
        "together_ai",
        "black-forest-labs/FLUX.1-schnell",
        "full",
        "together",
    ),
    (
        "together_ai",
        "black-forest-labs/FLUX.1-dev",
        "inline",
        "together",
    ),
    ("recraft", "recraftv3", "full", "dall_e"),
    (
        "stability",
        "stable-diffusion-xl-1024-v1-0",
        "full",
        "stability",
    ),
    ("stability", "stable-diffusion-v1-6", "without", "stability"),
    ("fal_ai", "flux/dev", "full", "fal"),
    ("fal_ai", "fal-ai/flux-pro/v1.1-ultra", "without", "fal"),
    ("fal_ai", "bria/text-to-image/3.2", "inline", "fal_inline"),
    ("black_forest_labs", "flux-pro-1.1", "plain", "bfl_ready"),
    (
        "black_forest_labs",
        "flux-kontext-pro",
        "without",
        "bfl_ready",
    ),
    ("dashscope", "wan2.2-t2i-flash", "full", "dashscope_done"),
    ("dashscope", "qwen-image-plus", "without", "dashscope_chat"),
    ("qwencloud", "z-image-turbo", "plain", "dashscope_chat"),
    ("qwen_ai_platform", "wanx-v1", "without", "dashscope_done"),
    (
        "replicate",
        "black-forest-labs/flux-schnell",
        "full",
        "replicate_done",
    ),
    (
        "replicate",
        "stability-ai/sdxl:7762fd07",
        "without",
        "replicate_done",
    ),
    ("modelslab", "flux", "full", "modelslab_done"),
    ("vertex_ai", "imagegeneration@006", "full", "imagen"),
    ("vertex_ai", "gemini-2.5-flash-image", "plain", "gemini"),
    ("gemini", "imagen-4.0-generate-001", "plain", "imagen"),
    ("gemini", "gemini-3-pro-image-preview", "full", "gemini"),
    ("bedrock", "amazon.nova-canvas-v1:0", "full", "amazon"),
    (
        "bedrock",
        "amazon.titan-image-generator-v2:0",
        "without",
        "amazon",
    ),
    (
        "bedrock",
        "stability.stable-image-core-v1:1",
        "full",
        "bedrock_stability",
    ),
    (
        "bedrock",
        "stability.stable-diffusion-xl-v1",
        "without",
        "diffusion",
    ),
    ("aiml", "flux/schnell", "plain", "dall_e"),
    ("nebius", "black-forest-labs/flux-dev", "plain", "gpt_image"),
    ("xinference", "sd3-medium", "plain", "dall_e"),
    (
        "deepinfra",
        "black-forest-labs/FLUX-1-schnell",
        "plain",
        "gpt_image",
    ),
    ("cometapi", "dall-e-3", "plain", "dall_e"),
    ("litellm_proxy", "images", "full", "dall_e"),
    ("openai_like", "images", "full", "dall_e"),
    ("custom_openai", "images", "full", "dall_e"),
];

fn of(provider: &str, model: &str) -> llm_providers::Target {
    match provider {
        "openai_like" | "custom_openai" => target(provider, model).at("http://localhost/v1"),
        _ => target(provider, model),
    }
}

#[test]
fn every_provider_both_ways() {
    for (provider, model, body, reply) in CELLS {
        let both = both_ways(
            Op::ImageGeneration,
            &of(provider, model),
            &format!("image/{body}"),
            &format!("upstream/image/{reply}"),
        );
        let model = model.replace(['/', ':', '@'], "-");
        insta::assert_json_snapshot!(format!("image_{provider}_{model}_{body}"), both);
    }
}

#[test]
fn every_provider_that_draws_is_among_them() {
    let rows = llm_providers::backends::ALL.iter();
    let missing: Vec<&str> = rows
        .filter(|row| row.speaks(Op::ImageGeneration))
        .filter(|row| !CELLS.iter().any(|cell| cell.0 == row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// A call that drops nothing.
fn strict<T>(
    provider: &str,
    model: &str,
    body: Value,
    then: impl FnOnce(Call<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let target = of(provider, model);
    let options = CallOptions::default();
    let body = crate::object(&body);
    then(Call::prepare(Op::ImageGeneration, &target, body, &options)?)
}

#[test]
fn what_a_model_cannot_take_is_named() {
    let cases = [
        ("openai", "dall-e-2", json!({"style": "vivid"}), "style"),
        (
            "openai",
            "gpt-image-1",
            json!({"response_format": "url"}),
            "response_format",
        ),
        ("openai", "dall-e-3", json!({"stream": true}), "stream"),
        (
            "xai",
            "grok-imagine-image",
            json!({"size": "1024x1024"}),
            "size",
        ),
        (
            "stability",
            "e",
            json!({"response_format": "url"}),
            "response_format",
        ),
        (
            "bedrock",
            "stability.sd3-5-large-v1:0",
            json!({"quality": "hd"}),
            "quality",
        ),
        (
            "gemini",
            "imagen-4.0-generate-001",
            json!({"quality": "hd"}),
            "quality",
        ),
        (
            "black_forest_labs",
            "flux-dev",
            json!({"response_format": "b64_json"}),
            "response_format",
        ),
        ("fal_ai", "flux/dev", json!({"stream": true}), "stream"),
    ];
    for (provider, model, more, param) in cases {
        let mut body = json!({"prompt": "x"});
        body.as_object_mut()
            .expect("a map")
            .extend(more.as_object().expect("a map").clone());
        let error = strict(provider, model, body, |call| call.encode()).expect_err("an error");
        let at = format!("{provider}/{model}: {error}");
        assert_eq!(error.kind, Kind::UnsupportedParams, "{at}");
        assert_eq!(error.param.as_deref(), Some(param), "{at}");
    }
}

#[test]
fn what_happens_anyway_may_be_asked_for() {
    let cases = [
        (
            "openai",
            "gpt-image-1",
            json!({"response_format": "b64_json", "n": 1}),
        ),
        ("stability", "e", json!({"response_format": "b64_json"})),
        (
            "modelslab",
            "e",
            json!({"response_format": "url", "stream": false}),
        ),
    ];
    for (provider, model, more) in cases {
        let mut body = json!({"prompt": "x"});
        body.as_object_mut()
            .expect("a map")
            .extend(more.as_object().expect("a map").clone());
        let request = strict(provider, model, body, |call| call.encode()).expect("a request");
        let text = String::from_utf8_lossy(request.body().bytes().expect("bytes"));
        assert!(!text.contains("response_format"), "{provider}: {text}");
        assert!(!text.contains("stream"), "{provider}: {text}");
    }
}

#[test]
fn wrong_requests_are_named() {
    for provider in [
        "openai",
        "stability",
        "fal_ai",
        "replicate",
        "gemini",
        "bedrock",
        "dashscope",
    ] {
        let model = match provider {
            "bedrock" => "amazon.nova-canvas-v1:0",
            _ => "m",
        };
        let said = |body: Value| {
            strict(provider, model, body, |call| {
                call.split()?;
                call.encode()
            })
        };
        if provider != "openai" {
            let error = said(json!({"n": 1})).expect_err("an error");
            assert_eq!(error.param.as_deref(), Some("prompt"), "{provider}");
            let error = said(json!({"prompt": "x", "size": "big"})).expect_err("an error");
            assert_eq!(error.param.as_deref(), Some("size"), "{provider}");
            let error = said(json!({"prompt": "x", "n": 1000000000})).expect_err("an error");
            assert_eq!(error.param.as_deref(), Some("n"), "{provider}");
        }
    }
    let claude = target("bedrock", "anthropic.claude-3-haiku-20240307-v1:0");
    let body = fixture("image/plain");
    let error = sent(Op::ImageGeneration, &claude, &body).expect_err("an error");
    assert_eq!(error.kind, Kind::Unsupported);
}

#[test]
fn more_images_are_asked_for_one_by_one() {
    let body = json!({"prompt": "x", "n": 3});
    let whole = strict("gemini", "gemini-2.5-flash-image", body, |call| {
        let parts = call.split()?;
        assert_eq!(parts.len(), 3);
        let answers = parts.iter().map(|part| {
            match part.decode(Reply::ok(fixture("upstream/image/gemini"))) {
                Ok(Step::Done(answer)) => answer,
                other => panic!("{other:?}"),
            }
        });
        call.join(answers.collect())
    });
    let whole = whole.expect("an answer");
    let usage = whole.usage.clone().expect("usage");
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (18, 3885));
    let body: Value = serde_json::from_slice(&whole.into_bytes().expect("bytes")).expect("json");
    assert_eq!(body["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(body["usage"]["output_tokens"], 3885);
}

/// What is sent next, or the answer.
fn step(provider: &str, model: &str, reply: &str) -> Value {
    let result = strict(provider, model, json!({"prompt": "x"}), |call| {
        Ok(match call.decode(Reply::ok(fixture(reply)))? {
            Step::Again { request, after } => json!({
                "again": format!("{} {}", request.method(), request.uri()),
                "body": String::from_utf8_lossy(request.body().bytes().expect("bytes")),
                "after": after.as_millis() as u64,
            }),
            Step::Later(after) => json!({"later": after.as_millis() as u64}),
            Step::Done(_) => json!("done"),
            Step::Fetch { uri, .. } => json!({"fetch": uri}),
        })
    });
    result.unwrap_or_else(|e| json!({"error": format!("{:?}: {e}", e.kind)}))
}

#[test]
fn tasks_are_asked_after() {
    let cases = [
        ("black_forest_labs", "flux-dev", "bfl_begun"),
        ("black_forest_labs", "flux-dev", "bfl_pending"),
        ("dashscope", "wanx-v1", "dashscope_begun"),
        ("replicate", "a/b", "replicate_begun"),
        ("modelslab", "flux", "modelslab_begun"),
        ("modelslab", "flux", "modelslab_refused"),
        ("vertex_ai", "imagen-3.0-generate-002", "imagen_filtered"),
        ("gemini", "gemini-2.5-flash-image", "gemini_refused"),
        (
            "bedrock",
            "stability.stable-image-core-v1:1",
            "bedrock_filtered",
        ),
    ];
    let steps: Vec<Value> = cases
        .iter()
        .map(|(provider, model, reply)| {
            json!([
                provider,
                reply,
                step(provider, model, &format!("upstream/image/{reply}"))
            ])
        })
        .collect();
    insta::assert_json_snapshot!("image_steps", steps);
}

#[test]
fn a_key_goes_to_the_vendor_s_hosts_alone() {
    let cases = [
        (
            "https://api.bfl.ai",
            "https://api.us1.bfl.ai/v1/get_result?id=1",
            "https://api.us1.bfl.ai/v1/get_result?id=1",
        ),
        (
            "https://api.bfl.ai",
            "https://evil.example/v1/get_result?id=1",
            "https://api.bfl.ai/v1/get_result?id=1",
        ),
        (
            "https://api.bfl.ai",
            "http://api.us1.bfl.ai/v1/get_result?id=1",
            "https://api.bfl.ai/v1/get_result?id=1",
        ),
        (
            "https://own.example/v1",
            "https://api.us1.bfl.ai/x",
            "https://own.example/v1/get_result?id=1",
        ),
    ];
    for (base, named, expected) in cases {
        let target = target("black_forest_labs", "flux-dev").at(base);
        let options = CallOptions::default();
        let body = JsonObject::parse(&fixture("image/plain")).expect("a body");
        let call = Call::prepare(Op::ImageGeneration, &target, body, &options).expect("a call");
        let reply = json!({"id": "1", "polling_url": named}).to_string();
        match call.decode(Reply::ok(reply)).expect("a step") {
            Step::Again { request, .. } => assert_eq!(request.uri().to_string(), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn openai_s_answers_pass_as_they_are() {
    let reply = fixture("upstream/image/gpt_image");
    let body = json!({"prompt": "x"});
    let answer = strict("openai", "gpt-image-1", body, |call| {
        match call.decode(Reply::ok(reply.clone()))? {
            Step::Done(answer) => Ok(answer),
            other => panic!("{other:?}"),
        }
    });
    let answer = answer.expect("an answer");
    let usage = answer.usage.clone().expect("usage");
    let details = usage.completion_tokens_details.expect("details");
    assert_eq!((usage.prompt_tokens, details.image_tokens), (22, 6240));
    assert_eq!(answer.into_bytes().expect("bytes"), reply);
}

/// What a streamed answer is, or its error.
fn streamed(events: &[u8]) -> Result<Vec<(String, Value)>, Error> {
    let body = json!({"prompt": "x", "stream": true, "partial_images": 1});
    strict("openai", "gpt-image-1", body, |call| {
        let mut splitter = Splitter::new(call.wire().framing(&call));
        let mut decoder = call.decoder()?;
        let (mut frames, mut out) = (Vec::new(), Chunks::default());
        splitter.push(events.to_vec().into(), &mut frames)?;
        splitter.finish(&mut frames)?;
        for frame in frames {
            decoder.push(frame, &mut out)?;
        }
        decoder.finish(&mut out)?;
        let counted = out.usage.clone().expect("usage");
        assert_eq!(
            (counted.prompt_tokens, counted.completion_tokens),
            (14, 272)
        );
        let event = |chunk: llm_providers::Chunk| match chunk {
            llm_providers::Chunk::Raw { event, data } => (
                String::from_utf8_lossy(&event.unwrap_or_default()).into_owned(),
                serde_json::from_slice(&data).expect("json"),
            ),
            other => panic!("{other:?}"),
        };
        Ok(out.items.into_iter().map(event).collect())
    })
}

#[test]
fn a_streamed_image_is_whole_or_an_error() {
    let path = format!(
        "{}/../../fixtures/upstream/image/openai.sse",
        env!("CARGO_MANIFEST_DIR")
    );
    let events = std::fs::read(path).expect("a fixture");
    let all = streamed(&events).expect("a stream");
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "image_generation.partial_image",
            "image_generation.completed"
        ]
    );
    assert_eq!(all[1].1["b64_json"], "QUJD");
    let half = events.len() / 2;
    assert!(streamed(&events[..half]).is_err());
    let refused = b"event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"Too fast\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    assert_eq!(
        streamed(refused).expect_err("an error").kind,
        Kind::RateLimit
    );
}

#[test]
fn half_an_answer_is_an_error() {
    for (provider, model, body, reply) in CELLS {
        let body = fixture(&format!("image/{body}"));
        let whole = fixture(&format!("upstream/image/{reply}"));
        for end in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 3] {
            let half = whole.slice(..end);
            let result = answered(Op::ImageGeneration, &of(provider, model), &body, half);
            assert!(result.is_err(), "{provider}/{model} at {end}");
        }
        let empty = answered(
            Op::ImageGeneration,
            &of(provider, model),
            &body,
            b"{}".to_vec().into(),
        );
        assert!(empty.is_err(), "{provider}/{model}");
    }
}
