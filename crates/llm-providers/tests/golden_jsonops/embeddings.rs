use bytes::Bytes;
use llm_providers::{Body, Call, CallOptions};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{answered, sent, target};

fn bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("json").into()
}

const IMAGE: &str = "data:image/png;base64,iVBORw0KGgo=";

/// Provider, model, what is asked, what the vendor answers.
fn cells() -> Vec<(&'static str, &'static str, Value, Value)> {
    let openai = json!({"object": "list", "model": "m", "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    let text = json!({"input": ["a"], "dimensions": 256});
    vec![
        (
            "openai",
            "text-embedding-3-small",
            text.clone(),
            openai.clone(),
        ),
        ("mistral", "codestral-embed", text.clone(), openai.clone()),
        (
            "dashscope",
            "text-embedding-v4",
            text.clone(),
            openai.clone(),
        ),
        (
            "nvidia_nim",
            "nvidia/nv-embedqa-e5-v5",
            json!({"input": ["a"], "input_type": "search_query", "truncate": "END"}),
            openai.clone(),
        ),
        (
            "jina_ai",
            "jina-clip-v2",
            json!({"input": ["a", {"type": "image_url", "image_url": IMAGE}], "input_type": "search_query"}),
            openai.clone(),
        ),
        (
            "voyage",
            "voyage-3.5",
            json!({"input": ["a"], "dimensions": 256, "input_type": "search_document"}),
            json!({"object": "list", "model": "voyage-3.5", "data": [{"object": "embedding", "embedding": [0.5], "index": 0}], "usage": {"total_tokens": 3}}),
        ),
        (
            "huggingface",
            "BAAI/bge-small-en-v1.5",
            json!({"input": ["a", "b"]}),
            json!([[0.5], [0.25]]),
        ),
        (
            "cohere",
            "embed-v4.0",
            json!({"input": ["a"], "dimensions": 256, "input_type": "search_query"}),
            json!({"id": "1", "embeddings": {"float": [[0.5, -0.25]]}, "meta": {"billed_units": {"input_tokens": 3}}}),
        ),
        (
            "vertex_ai",
            "multimodalembedding@001",
            json!({"input": [IMAGE], "dimensions": 128}),
            json!({"predictions": [{"imageEmbedding": [0.5, -0.25]}]}),
        ),
        (
            "vertex_ai",
            "text-embedding-005",
            json!({"input": ["a"], "input_type": "search_query"}),
            json!({"predictions": [{"embeddings": {"values": [0.5], "statistics": {"token_count": 3}}}]}),
        ),
        (
            "bedrock",
            "amazon.titan-embed-text-v2:0",
            text.clone(),
            json!({"embedding": [0.5], "embeddingsByType": {"float": [0.5]}, "inputTextTokenCount": 3}),
        ),
        (
            "bedrock",
            "amazon.titan-embed-image-v1",
            json!({"input": IMAGE, "dimensions": 256}),
            json!({"embedding": [0.5], "inputTextTokenCount": 0, "message": null}),
        ),
        (
            "bedrock",
            "amazon.nova-2-multimodal-embeddings-v1:0",
            json!({"input": ["a"], "dimensions": 256, "input_type": "search_query"}),
            json!({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}]}),
        ),
        (
            "bedrock",
            "cohere.embed-english-v3",
            json!({"input": ["a", "b"], "input_type": "search_query", "truncate": "END"}),
            json!({"id": "1", "response_type": "embeddings_floats", "embeddings": [[0.5], [0.25]], "texts": ["a", "b"]}),
        ),
    ]
}

#[test]
fn more_inputs_than_a_vendor_takes_go_in_several_requests() {
    let tokens = json!([7, 8, 9]);
    let texts = |count: usize| json!(vec!["a"; count]);
    for (provider, model, input, parts) in [
        ("dashscope", "text-embedding-v4", texts(10), vec![]),
        ("dashscope", "text-embedding-v4", texts(21), vec![10, 10, 1]),
        ("qwencloud", "text-embedding-v2", texts(30), vec![25, 5]),
        ("cohere", "embed-v4.0", texts(100), vec![96, 4]),
        ("voyage", "voyage-3.5", texts(1001), vec![1000, 1]),
        ("gemini", "gemini-embedding-001", texts(101), vec![100, 1]),
        (
            "bedrock",
            "amazon.titan-embed-text-v2:0",
            texts(2),
            vec![1, 1],
        ),
        ("openai", "text-embedding-3-small", texts(2000), vec![]),
        (
            "dashscope",
            "text-embedding-v4",
            json!("a long text"),
            vec![],
        ),
        (
            "dashscope",
            "text-embedding-v4",
            json!(vec![tokens; 11]),
            vec![10, 1],
        ),
        (
            "dashscope",
            "text-embedding-v4",
            json!((0..40).collect::<Vec<_>>()),
            vec![],
        ),
    ] {
        let target = target(provider, model);
        let body = JsonObject::from_serialize(&json!({"input": input})).expect("an object");
        let options = CallOptions::default();
        let call =
            Call::prepare(Op::Embedding, &target, Body::from(body), &options).expect("a call");
        let split = call.split().expect("parts");
        let counts: Vec<usize> = split
            .iter()
            .map(|part| part.fields().get::<Vec<Value>>("input").expect("json"))
            .map(|input| input.expect("a list").len())
            .collect();
        assert_eq!(counts, parts, "{provider} {model}");
    }
}

#[test]
fn every_provider_both_ways() {
    for (provider, model, body, reply) in cells() {
        let target = target(provider, model);
        let both = json!({
            "sent": sent(Op::Embedding, &target, &bytes(&body)).expect("a request"),
            "answered": answered(Op::Embedding, &target, &bytes(&body), bytes(&reply)).expect("an answer"),
        });
        let model = model.replace(['/', ':', '@'], "-");
        insta::assert_json_snapshot!(format!("embedding_{provider}_{model}"), both);
    }
}

#[test]
fn base64_is_given_whoever_is_asked() {
    for (provider, model, mut body, reply) in cells() {
        body["encoding_format"] = "base64".into();
        let target = target(provider, model);
        let read = answered(Op::Embedding, &target, &bytes(&body), bytes(&reply));
        let read = read.expect("an answer");
        let vector = &read["body"]["data"][0]["embedding"];
        let whole = ["AAAAPw==", "AAAAPwAAgL4="]
            .iter()
            .any(|text| vector == text);
        assert!(whole, "{provider} {model}: {vector}");
    }
}

#[test]
fn numbers_are_given_where_base64_came() {
    let body = bytes(&json!({"input": "a", "encoding_format": "float"}));
    let reply = json!({"object": "list", "model": "m", "data": [
        {"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL4="}], "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    let target = target("openai", "text-embedding-3-small");
    let read = answered(Op::Embedding, &target, &body, bytes(&reply)).expect("an answer");
    assert_eq!(read["body"]["data"][0]["embedding"], json!([0.5, -0.25]));
}

#[test]
fn a_vendor_that_knows_one_way_is_not_asked_for_another() {
    let body = bytes(&json!({"input": "a", "encoding_format": "base64"}));
    let reply = json!({"data": [{"embedding": [0.5, -0.25]}], "usage": {"prompt_tokens": 3}});
    let target = target("sambanova", "E5-Mistral-7B-Instruct");
    let out = sent(Op::Embedding, &target, &body).expect("a request");
    assert_eq!(
        out["body"],
        json!({"input": "a", "model": "E5-Mistral-7B-Instruct"})
    );
    assert_eq!(out["notices"], json!([]));
    let read = answered(Op::Embedding, &target, &body, bytes(&reply)).expect("an answer");
    assert_eq!(read["body"]["data"][0]["embedding"], "AAAAPwAAgL4=");
}
