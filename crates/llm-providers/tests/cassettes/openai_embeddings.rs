//! Embeddings in OpenAI's shape: OpenAI, Mistral, Voyage and those who copy them.

use llm_providers::{Body, Call, CallOptions, Step};
use llm_types::Op;
use serde_json::Value;

use crate::{
    Cassette, Tally,
    openai_chat::{asking, request, target},
};

fn all() -> Vec<Cassette> {
    let wires = ["openai", "mistral", "voyage"];
    Cassette::all(|line| {
        line["endpoint"] == "embeddings" && wires.iter().any(|wire| line["wire"] == *wire)
    })
}

#[test]
fn answers_keep_every_vector() {
    let mut tally = Tally::default();
    for cassette in all() {
        tally.check(&cassette.id, answer(&cassette));
    }
    tally.settle(
        "openai embedding answers",
        &[(
            "openai.embeddings.ruby-openai.3f3794e6",
            "a report of usage, not an embedding",
        )],
    );
}

fn answer(cassette: &Cassette) -> Result<(), String> {
    let (target, options) = (target(cassette), CallOptions::default());
    let body = Body::from(asking(Op::Embedding, cassette));
    let call = Call::prepare(Op::Embedding, &target, body, &options).map_err(|e| e.to_string())?;
    let step = call.decode(cassette.reply());
    if cassette.status().as_u16() >= 400 {
        return match step {
            Err(error) if !error.message.is_empty() => Ok(()),
            _ => Err("not a refusal".into()),
        };
    }
    let Step::Done(answer) = step.map_err(|e| e.to_string())? else {
        return Err("not answered at once".into());
    };
    let usage = answer.usage.clone();
    let got = answer.into_bytes().map_err(|e| e.to_string())?;
    let typed: llm_types::EmbeddingResponse =
        serde_json::from_slice(&got).map_err(|e| e.to_string())?;
    let recorded: Value = serde_json::from_slice(&cassette.body()).map_err(|e| e.to_string())?;
    let got: Value = serde_json::from_slice(&got).map_err(|e| e.to_string())?;
    let vectors = |document: &Value| -> Vec<Value> {
        let data = document["data"].as_array().cloned().unwrap_or_default();
        data.into_iter()
            .map(|item| item["embedding"].clone())
            .collect()
    };
    if vectors(&recorded) != vectors(&got) || typed.data.len() != vectors(&recorded).len() {
        return Err("the vectors differ".into());
    }
    let expected = recorded["usage"]["prompt_tokens"].as_u64();
    let prompt = usage.map(|usage| usage.prompt_tokens);
    if expected.is_some() && prompt != expected {
        return Err(format!("usage {expected:?} became {prompt:?}"));
    }
    Ok(())
}

#[test]
fn requests_keep_their_meaning() {
    let mut tally = Tally::default();
    for cassette in all() {
        if let Some(body) = cassette.request() {
            tally.check(&cassette.id, request(Op::Embedding, &cassette, body));
        }
    }
    tally.settle("openai embedding requests", &[]);
}
