//! Embeddings, out and back.

use llm_providers::{Call, CallOptions, Target};
use llm_types::Op;
use serde_json::{Value, json};

use crate::{answer, object, sent, target, vertex};

#[test]
fn embeddings() {
    let texts = json!({"input": ["a", "b"], "dimensions": 3, "input_type": "search_query"});
    let studio = sent(&target("gemini-embedding-001"), Op::Embedding, &texts).unwrap();
    let one = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3});
    assert_eq!(studio["body"], json!({"requests": [one("a"), one("b")]}));
    assert!(
        studio["uri"]
            .as_str()
            .unwrap()
            .ends_with("/models/gemini-embedding-001:batchEmbedContents")
    );
    let predict = sent(&vertex("text-embedding-005"), Op::Embedding, &texts).unwrap();
    let one = |text: &str| json!({"content": text, "task_type": "RETRIEVAL_QUERY"});
    assert_eq!(
        predict["body"],
        json!({"instances": [one("a"), one("b")], "parameters": {"outputDimensionality": 3}})
    );
    let image = json!({"input": ["a cat", "data:image/png;base64,AAAA", "gs://b/c.mp4"], "dimensions": 128});
    let many = sent(&vertex("multimodalembedding@001"), Op::Embedding, &image).unwrap();
    assert_eq!(
        many["body"],
        json!({"instances": [{"text": "a cat"}, {"image": {"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}}, {"video": {"gcsUri": "gs://b/c.mp4"}}],
            "parameters": {"dimension": 128}})
    );
    let single = sent(
        &vertex("gemini-embedding-2"),
        Op::Embedding,
        &json!({"input": "a"}),
    )
    .unwrap();
    assert_eq!(
        single["body"],
        json!({"content": {"parts": [{"text": "a"}]}})
    );
    let options = CallOptions::default();
    let target_2 = vertex("gemini-embedding-2");
    let call = Call::prepare(Op::Embedding, &target_2, object(&texts), &options).unwrap();
    assert_eq!(call.split().unwrap().len(), 2);
    for wrong in [json!({"input": [1, 2]}), json!({})] {
        let error = sent(&target("gemini-embedding-001"), Op::Embedding, &wrong).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("input"));
    }
}

#[test]
fn embeddings_come_back_in_openais_shape() {
    let read = |target: &Target, reply: Value| {
        let options = CallOptions::default();
        let body = object(&json!({"input": "x"}));
        let call = Call::prepare(Op::Embedding, target, body, &options).unwrap();
        answer(&call, &reply.to_string()).unwrap()
    };
    let studio = read(
        &target("gemini-embedding-2"),
        json!({"embeddings": [{"values": [0.5, -1]}], "usageMetadata": {"promptTokenCount": 4}}),
    );
    assert_eq!(
        studio["data"],
        json!([{"object": "embedding", "index": 0, "embedding": [0.5, -1]}])
    );
    assert_eq!(studio["usage"]["prompt_tokens"], 4);
    let predict = read(
        &vertex("text-embedding-005"),
        json!({"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 2.0}}}, {"embeddings": {"values": [2], "statistics": {"token_count": 3}}}]}),
    );
    assert_eq!(
        (
            &predict["data"][1]["embedding"],
            &predict["usage"]["total_tokens"]
        ),
        (&json!([2]), &json!(5))
    );
    let many = read(
        &vertex("multimodalembedding@001"),
        json!({"predictions": [{"textEmbedding": [1], "imageEmbedding": [2]}]}),
    );
    assert_eq!(many["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        read(&vertex("bge/1"), json!({"predictions": [[[0.25]]]}))["data"][0]["embedding"],
        json!([0.25])
    );
}
