use llm_providers::{Body, Call, CallOptions, Kind, Reply};
use llm_types::Op;
use serde_json::{Value, json};

use crate::{answered, both_ways, fixture, object, sent, target};

/// Provider, model, the client's request, the vendor's answer.
const CELLS: &[(&str, &str, &str, &str)] = &[
    ("cohere", "rerank-v3.5", "texts", "cohere"),
    ("cohere", "v1/rerank-english-v3.0", "objects", "cohere_v1"),
    (
        "jina_ai",
        "jina-reranker-v2-base-multilingual",
        "texts",
        "jina",
    ),
    ("voyage", "rerank-2.5", "texts", "voyage"),
    (
        "together_ai",
        "Salesforce/Llama-Rank-V1",
        "return",
        "together",
    ),
    ("huggingface", "BAAI/bge-reranker-base", "texts", "tei"),
    ("bedrock", "cohere.rerank-v3-5:0", "texts", "bedrock"),
    ("bedrock", "amazon.rerank-v1:0", "objects", "bedrock"),
    (
        "vertex_ai",
        "semantic-ranker-default@latest",
        "return",
        "vertex",
    ),
    ("azure_ai", "Cohere-rerank-v4.0-pro", "texts", "cohere"),
    (
        "infinity",
        "mixedbread-ai/mxbai-rerank-xsmall-v1",
        "texts",
        "infinity",
    ),
    (
        "nvidia_nim",
        "nvidia/llama-3.2-nv-rerankqa-1b-v2",
        "texts",
        "nim",
    ),
    ("dashscope", "gte-rerank-v2", "texts", "dashscope"),
    ("qwencloud", "qwen3-rerank", "texts", "dashscope"),
    ("qwen_ai_platform", "qwen3-rerank", "texts", "dashscope"),
    (
        "deepinfra",
        "Qwen/Qwen3-Reranker-0.6B",
        "texts",
        "deepinfra",
    ),
    ("hosted_vllm", "BAAI/bge-reranker-base", "texts", "vllm"),
    ("vllm", "BAAI/bge-reranker-base", "texts", "vllm"),
    (
        "fireworks_ai",
        "fireworks/qwen3-reranker-8b",
        "texts",
        "fireworks",
    ),
    (
        "watsonx",
        "cross-encoder/ms-marco-minilm-l-12-v2",
        "return",
        "watsonx",
    ),
    ("openrouter", "cohere/rerank-v3.5", "texts", "openrouter"),
    ("llamacpp", "bge-reranker-v2-m3", "texts", "llamacpp"),
    (
        "siliconflow",
        "BAAI/bge-reranker-v2-m3",
        "texts",
        "siliconflow",
    ),
    ("xinference", "bge-reranker-base", "texts", "xinference"),
    ("litellm_proxy", "rerank", "objects", "cohere_v1"),
    ("openai_like", "rerank", "texts", "cohere"),
    ("custom_openai", "rerank", "texts", "cohere"),
];

#[test]
fn every_provider_both_ways() {
    for (provider, model, body, reply) in CELLS {
        let target = match *provider {
            "openai_like" | "custom_openai" => target(provider, model).at("http://localhost/v1"),
            _ => target(provider, model),
        };
        let body = format!("rerank/{body}");
        let both = both_ways(
            Op::Rerank,
            &target,
            &body,
            &format!("upstream/rerank/{reply}"),
        );
        let model = model.replace(['/', ':', '@'], "-");
        insta::assert_json_snapshot!(format!("rerank_{provider}_{model}"), both);
    }
}

#[test]
fn every_provider_that_reranks_is_among_them() {
    let rows = llm_providers::backends::ALL.iter();
    let missing: Vec<&str> = rows
        .filter(|row| row.speaks(Op::Rerank) && !CELLS.iter().any(|cell| cell.0 == row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

fn address(provider: &str, model: &str, base: &str) -> String {
    let target = target(provider, model).at(base);
    let sent = sent(Op::Rerank, &target, &fixture("rerank/texts")).expect("a request");
    let request = sent["request"].as_str().expect("text");
    request.trim_start_matches("POST ").to_owned()
}

#[test]
fn any_base_leads_to_the_reranker() {
    let cases = [
        (
            "cohere",
            "m",
            "https://api.cohere.com",
            "https://api.cohere.com/v2/rerank",
        ),
        ("cohere", "m", "https://own/v2", "https://own/v2/rerank"),
        (
            "cohere",
            "m",
            "https://own/v2/rerank",
            "https://own/v2/rerank",
        ),
        ("cohere", "m", "https://own/v1", "https://own/v1/rerank"),
        (
            "cohere",
            "m",
            "https://own/v1/rerank",
            "https://own/v1/rerank",
        ),
        ("cohere", "v1/m", "https://own", "https://own/v1/rerank"),
        (
            "azure_ai",
            "m",
            "https://x.eastus2.models.ai.azure.com",
            "https://x.eastus2.models.ai.azure.com/v1/rerank",
        ),
        (
            "azure_ai",
            "m",
            "https://r.services.ai.azure.com/models",
            "https://r.services.ai.azure.com/providers/cohere/v2/rerank",
        ),
        (
            "azure_ai",
            "m",
            "https://r.services.ai.azure.com/providers/cohere/v2/rerank",
            "https://r.services.ai.azure.com/providers/cohere/v2/rerank",
        ),
        ("azure_ai", "m", "https://own", "https://own/v1/rerank"),
        (
            "hosted_vllm",
            "m",
            "http://own:8000",
            "http://own:8000/rerank",
        ),
        (
            "hosted_vllm",
            "m",
            "http://own:8000/v1",
            "http://own:8000/v1/rerank",
        ),
        (
            "huggingface",
            "m",
            "http://own:8080/v1",
            "http://own:8080/rerank",
        ),
        (
            "nvidia_nim",
            "m",
            "http://own:8000/v1",
            "http://own:8000/v1/ranking",
        ),
        (
            "nvidia_nim",
            "ranking/nvidia/m",
            "https://integrate.api.nvidia.com/v1",
            "https://integrate.api.nvidia.com/v1/ranking",
        ),
        (
            "dashscope",
            "m",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "https://dashscope-intl.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank",
        ),
        (
            "bedrock",
            "m",
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
            "https://bedrock-agent-runtime.eu-central-1.amazonaws.com/rerank",
        ),
        (
            "vertex_ai",
            "m",
            "http://own/v1",
            "http://own/v1/projects/p-1/locations/global/rankingConfigs/default_ranking_config:rank",
        ),
    ];
    for (provider, model, base, expected) in cases {
        assert_eq!(
            address(provider, model, base),
            expected,
            "{provider} {base}"
        );
    }
}

#[test]
fn the_router_of_hugging_face_does_not_rerank() {
    let row = llm_providers::lookup("huggingface").expect("a row");
    let target = llm_providers::Target::new(row, "m", llm_providers::Credential::None);
    let error = sent(Op::Rerank, &target, &fixture("rerank/texts")).expect_err("an error");
    assert_eq!(error.param.as_deref(), Some("api_base"));
}

#[test]
fn limits_for_long_documents_are_taken_or_named() {
    let refused = |provider: &str, model: &str, param: &str| {
        let mut body = json!({"model": "m", "query": "q", "documents": ["a"]});
        body[param] = 7.into();
        let target = target(provider, model);
        let options = CallOptions::default();
        let error =
            Call::prepare(Op::Rerank, &target, Body::from(object(&body)), &options).err()?;
        assert_eq!(error.kind, Kind::UnsupportedParams);
        error.param
    };
    let (chunks, tokens) = ("max_chunks_per_doc", "max_tokens_per_doc");
    for (provider, model, taken, not) in [
        ("cohere", "rerank-v3.5", tokens, chunks),
        ("cohere", "v1/rerank-english-v3.0", chunks, tokens),
        ("bedrock", "cohere.rerank-v3-5:0", tokens, chunks),
        ("siliconflow", "m", chunks, tokens),
    ] {
        assert_eq!(refused(provider, model, taken), None, "{provider}");
        assert_eq!(
            refused(provider, model, not).as_deref(),
            Some(not),
            "{provider}"
        );
    }
    assert_eq!(refused("voyage", "m", tokens).as_deref(), Some(tokens));
}

/// The results of `reply` to a request for two of three documents, and whether they come with `shown`.
fn results(provider: &str, shown: Value, reply: &Value) -> Result<Value, llm_providers::Error> {
    let body = json!({"model": "m", "query": "q", "documents": ["a", {"text": "b", "id": 7}, "c"],
        "top_n": 2, "return_documents": shown});
    let body = serde_json::to_vec(&body).expect("json").into();
    let reply = serde_json::to_vec(reply).expect("json").into();
    let read = answered(Op::Rerank, &target(provider, "m"), &body, reply)?;
    Ok(read["body"]["results"].clone())
}

#[test]
fn answers_are_ordered_cut_and_illustrated() {
    let scores = json!({"scores": [0.1, 0.9, 0.5]});
    let bare = results("deepinfra", Value::Null, &scores).expect("results");
    let expected =
        json!([{"index": 1, "relevance_score": 0.9}, {"index": 2, "relevance_score": 0.5}]);
    assert_eq!(bare, expected);
    let shown = results("deepinfra", true.into(), &scores).expect("results");
    assert_eq!(shown[0]["document"], json!({"text": "b", "id": 7}));
    assert_eq!(shown[1]["document"], json!({"text": "c"}));
    let told =
        json!({"results": [{"index": 9, "relevance_score": 1, "document": "x"}], "meta": {}});
    let hidden = results("cohere", false.into(), &told).expect("results");
    assert_eq!(hidden, json!([{"index": 9, "relevance_score": 1}]));
}

#[test]
fn cohere_s_own_answers_pass_as_they_are() {
    let target = target("cohere", "rerank-v3.5");
    let options = CallOptions::default();
    let body = Body::from(llm_types::JsonObject::parse(&fixture("rerank/texts")).expect("a body"));
    let call = Call::prepare(Op::Rerank, &target, body, &options).expect("a call");
    let reply = fixture("upstream/rerank/cohere");
    let llm_providers::Step::Done(answer) = call.decode(Reply::ok(reply.clone())).expect("a step")
    else {
        panic!("at once")
    };
    assert_eq!(answer.usage.as_ref().and_then(|u| u.units.queries), Some(1));
    assert_eq!(answer.into_bytes().expect("bytes"), reply);
}

#[test]
fn a_hundred_documents_are_one_search() {
    for (documents, searches) in [(1, 1), (100, 1), (101, 2)] {
        let body = json!({"model": "m", "query": "q", "documents": vec!["a"; documents]});
        let body = serde_json::to_vec(&body).expect("json").into();
        let reply = br#"{"results":[{"index":0,"relevanceScore":0.5}]}"#;
        let target = target("bedrock", "amazon.rerank-v1:0");
        let read = answered(Op::Rerank, &target, &body, reply.to_vec().into()).expect("an answer");
        assert_eq!(
            read["body"]["meta"]["billed_units"]["search_units"],
            searches
        );
    }
}

#[test]
fn what_is_no_ranking_is_an_error() {
    let odd = [
        json!("x"),
        json!({}),
        json!({"results": {}}),
        json!({"results": [1]}),
        json!({"results": [{"index": "x", "relevance_score": 1}]}),
        json!({"results": [{"index": 1}]}),
        json!({"error": {"message": "overloaded", "code": 503}}),
    ];
    for provider in [
        "cohere",
        "jina_ai",
        "voyage",
        "huggingface",
        "dashscope",
        "nvidia_nim",
    ] {
        for reply in &odd {
            assert!(
                results(provider, Value::Null, reply).is_err(),
                "{provider} {reply}"
            );
        }
    }
    for provider in ["bedrock", "vertex_ai", "deepinfra"] {
        for reply in [
            json!("x"),
            json!({"records": [{"id": "x", "score": 1}], "scores": [1]}),
        ] {
            assert!(
                results(provider, Value::Null, &reply).is_err(),
                "{provider} {reply}"
            );
        }
    }
}
