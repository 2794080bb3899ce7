//! Recorded reranking, moderation, search and text recognition: both ways.

use llm_providers::{Body, Call, CallOptions, Credential, Kind, Step, Target, lookup};
use llm_types::{JsonObject, OcrResponse, Op, RerankResponse, SearchResponse};
use serde_json::{Map, Value, json};

use crate::{Cassette, Tally};

/// The recordings of `endpoint`, without reports of its usage, which are asked for otherwise.
fn all(endpoint: &str) -> Vec<Cassette> {
    let mut all = Cassette::all(|line| line["endpoint"] == endpoint);
    all.retain(|cassette| cassette.record["request"]["method"] == "POST");
    all
}

fn target(cassette: &Cassette) -> Target {
    let row = lookup(&cassette.provider).expect("a row");
    let model = cassette.model.clone().unwrap_or_else(|| "model".into());
    Target::new(row, model, Credential::key("k"))
}

/// The client's request that leads to `recorded`, the vendor's.
fn client(op: Op, recorded: &Value) -> Value {
    let mut body = recorded.as_object().cloned().unwrap_or_default();
    body.retain(|_, value| !value.is_null());
    let renames: &[(&str, &str)] = match op {
        Op::Rerank => &[("top_k", "top_n")],
        Op::Search => &[],
        _ => &[],
    };
    for (theirs, ours) in renames {
        if let Some(value) = body.shift_remove(*theirs) {
            body.insert((*ours).to_owned(), value);
        }
    }
    if op == Op::Search {
        // Lists of sites are one list with us, and the key goes in a header.
        body.shift_remove("api_key");
        let mut sites = Vec::new();
        for (key, mark) in [("include_domains", ""), ("exclude_domains", "-")] {
            let list = body.shift_remove(key);
            let list = list
                .as_ref()
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            sites.extend(list.filter_map(|site| Some(format!("{mark}{}", site.as_str()?))));
        }
        if !sites.is_empty() {
            body.insert("search_domain_filter".into(), json!(sites));
        }
    }
    body.into()
}

/// What is asked where only the answer was recorded.
fn some(op: Op) -> Value {
    match op {
        Op::Rerank => json!({"query": "q", "documents": vec!["a"; 6]}),
        Op::Moderation => json!({"input": "a"}),
        Op::Search => json!({"query": "q"}),
        _ => {
            json!({"document": {"type": "document_url", "document_url": "https://example.com/a.pdf"}})
        }
    }
}

/// What of the vendor's request says nothing: `null`s, empty lists, and the key.
fn meaning(recorded: &Value) -> Map<String, Value> {
    let mut body = recorded.as_object().cloned().unwrap_or_default();
    body.retain(|key, value| !value.is_null() && value != &json!([]) && key != "api_key");
    body
}

fn request(op: Op, cassette: &Cassette, recorded: &Value) -> Result<(), String> {
    let (target, options) = (target(cassette), CallOptions::default());
    let body = JsonObject::from_serialize(&client(op, recorded)).map_err(|e| e.to_string())?;
    let call = Call::prepare(op, &target, Body::from(body), &options);
    let call = match call {
        Ok(call) => call,
        // The vendor refused it too, or ignored what we name.
        Err(e) if e.kind == Kind::UnsupportedParams => return Ok(()),
        Err(e) => return Err(e.to_string()),
    };
    let sent = call.encode().map_err(|e| e.to_string())?;
    let path = cassette.record["request"]["path"]
        .as_str()
        .unwrap_or_default();
    if sent.uri().path() != path {
        return Err(format!("{} is not {path}", sent.uri().path()));
    }
    let sent: Value = serde_json::from_slice(sent.body().bytes().expect("in memory"))
        .map_err(|e| e.to_string())?;
    let (ours, theirs) = (meaning(&sent), meaning(recorded));
    let only = |key: &&String| key.as_str() != "model";
    for key in theirs.keys().chain(ours.keys()).filter(only) {
        if ours.get(key) != theirs.get(key) {
            return Err(format!(
                "{key}: {:?} is not {:?}",
                ours.get(key),
                theirs.get(key)
            ));
        }
    }
    Ok(())
}

fn answer(op: Op, cassette: &Cassette) -> Result<(), String> {
    let (target, options) = (target(cassette), CallOptions::default());
    let recorded = cassette.request().filter(|body| body.is_object());
    let asked = recorded.map_or_else(|| some(op), |body| client(op, body));
    let options = CallOptions {
        drop_params: true,
        ..options
    };
    let body = JsonObject::from_serialize(&asked).map_err(|e| e.to_string())?;
    let call = Call::prepare(op, &target, Body::from(body), &options).map_err(|e| e.to_string())?;
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
    let usage = answer.usage.clone();
    let bytes = answer.into_bytes().map_err(|e| e.to_string())?;
    let theirs: Value = serde_json::from_slice(&cassette.body()).map_err(|e| e.to_string())?;
    let fail = |e: serde_json::Error| e.to_string();
    match op {
        Op::Rerank => {
            let ours: RerankResponse = serde_json::from_slice(&bytes).map_err(fail)?;
            ranked(&ours, &theirs)?;
            let units = theirs.pointer("/meta/billed_units/search_units");
            let units = units.or_else(|| theirs.pointer("/usage/search_units"));
            let usage = usage.ok_or("no usage")?;
            let tokens = theirs
                .pointer("/usage/total_tokens")
                .and_then(Value::as_u64);
            if units.is_some_and(|units| units.as_u64() != usage.units.queries)
                || tokens.is_some_and(|tokens| tokens != usage.prompt_tokens)
            {
                return Err(format!("{usage:?} is not what it says"));
            }
        }
        Op::Moderation => {
            let ours: Value = serde_json::from_slice(&bytes).map_err(fail)?;
            judged(&ours, &theirs)?;
        }
        Op::Search => {
            let ours: SearchResponse = serde_json::from_slice(&bytes).map_err(fail)?;
            found(&ours, &theirs)?;
        }
        _ => {
            let ours: OcrResponse = serde_json::from_slice(&bytes).map_err(fail)?;
            let pages = theirs["usage_info"]["pages_processed"].as_u64();
            if usage.and_then(|usage| usage.units.pages) != pages {
                return Err("other pages".into());
            }
            let same = serde_json::from_slice::<Value>(&bytes).map_err(fail)? == theirs;
            if !same || ours.pages.is_empty() {
                return Err("not as it came".into());
            }
        }
    }
    Ok(())
}

fn ranked(ours: &RerankResponse, theirs: &Value) -> Result<(), String> {
    let list = theirs["results"].as_array().or(theirs["data"].as_array());
    let places = list.ok_or("no list")?.iter().map(|one| {
        let score = one.get("relevance_score").or(one.get("relevanceScore"));
        (one["index"].as_u64(), score.and_then(Value::as_f64))
    });
    let got = ours.results.iter();
    let got = got.map(|one| (Some(one.index), one.relevance_score.as_f64()));
    match places.eq(got) && !ours.id.is_empty() && ours.meta.is_some() {
        true => Ok(()),
        false => Err(format!("{ours:?}")),
    }
}

fn judged(ours: &Value, theirs: &Value) -> Result<(), String> {
    let (ours, theirs) = (&ours["results"], &theirs["results"]);
    let pairs = ours.as_array().into_iter().flatten();
    let pairs = pairs.zip(theirs.as_array().into_iter().flatten());
    let mut count = 0;
    for (ours, theirs) in pairs {
        count += 1;
        let any = theirs["categories"]
            .as_object()
            .is_some_and(|map| map.values().any(|applies| applies == true));
        if ours["flagged"] != any || ours["category_scores"] != theirs["category_scores"] {
            return Err(format!("{ours} is not {theirs}"));
        }
    }
    (count > 0).then_some(()).ok_or_else(|| "no verdict".into())
}

fn found(ours: &SearchResponse, theirs: &Value) -> Result<(), String> {
    let list = theirs["results"].as_array().ok_or("no list")?;
    let same = ours.results.len() == list.len()
        && ours.results.iter().zip(list).all(|(ours, theirs)| {
            theirs["url"] == ours.url.as_str()
                && theirs["title"] == ours.title.as_str()
                && theirs["content"] == ours.snippet.as_str()
                && theirs.get("score") == ours.extra.get("score")
        });
    same.then_some(()).ok_or_else(|| format!("{ours:?}"))
}

#[test]
fn every_operation_both_ways() {
    let mut tally = Tally::default();
    for (endpoint, op) in [
        ("rerank", Op::Rerank),
        ("moderation", Op::Moderation),
        ("search", Op::Search),
        ("ocr", Op::Ocr),
    ] {
        for cassette in all(endpoint) {
            let mut result = answer(op, &cassette);
            if let Some(recorded) = cassette.request().filter(|body| body.is_object()) {
                result = result.and_then(|()| request(op, &cassette, recorded));
            }
            tally.check(&cassette.id, result);
        }
    }
    tally.settle("reranking, moderation, search and text recognition", &[]);
}
