use llm_providers::{Body, Call, CallOptions, Kind};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{answered, both_ways, fixture, object, sent, target};

#[test]
fn every_provider_both_ways() {
    let rows = llm_providers::backends::ALL.iter();
    for row in rows.filter(|row| row.speaks(Op::Search)) {
        let reply = match row.name {
            "litellm_proxy" => "perplexity",
            name => name,
        };
        let target = target(row.name, "search");
        let reply = format!("upstream/search/{reply}");
        let mut both = both_ways(Op::Search, &target, "search/full", &reply);
        both["plain"] = sent(Op::Search, &target, &fixture("search/plain")).expect("a request");
        insta::assert_json_snapshot!(format!("search_{}", row.name), both);
    }
}

#[test]
fn what_an_engine_does_not_take_is_refused_by_name() {
    for (provider, param) in [
        ("tavily", "max_tokens_per_page"),
        ("searxng", "country"),
        ("linkup", "country"),
    ] {
        let target = target(provider, "search");
        let body = Body::from(JsonObject::parse(&fixture("search/full")).expect("a body"));
        let options = CallOptions::default();
        let error = Call::prepare(Op::Search, &target, body, &options).expect_err("an error");
        assert_eq!(error.kind, Kind::UnsupportedParams, "{provider}");
        assert!(error.message.contains(param), "{error}");
    }
}

#[test]
fn a_page_of_results_has_an_end() {
    let body = json!({"query": "q", "max_results": 50});
    let options = CallOptions::default();
    let target = target("google_pse", "search");
    let call = Call::prepare(Op::Search, &target, Body::from(object(&body)), &options);
    let call = call.expect("a call");
    assert_eq!(call.notices[0].param, "max_results");
    let uri = call.encode().expect("a request").uri().to_string();
    assert!(uri.contains("num=10&"), "{uri}");
}

#[test]
fn an_unknown_country_is_named() {
    let body = br#"{"query":"q","country":"XX"}"#.to_vec().into();
    let error = sent(Op::Search, &target("tavily", "search"), &body).expect_err("an error");
    assert_eq!(error.param.as_deref(), Some("country"));
}

fn read(provider: &str, reply: Value) -> Result<Value, llm_providers::Error> {
    let reply = serde_json::to_vec(&reply).expect("json").into();
    answered(
        Op::Search,
        &target(provider, "search"),
        &fixture("search/plain"),
        reply,
    )
}

#[test]
fn nothing_found_is_no_error() {
    for (provider, reply) in [
        ("brave", json!({"type": "search", "query": {}})),
        ("google_pse", json!({"kind": "customsearch#search"})),
        ("tavily", json!({"results": []})),
    ] {
        let read = read(provider, reply).expect("an answer");
        assert_eq!(read["body"]["results"], json!([]), "{provider}");
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    let failed = json!({"status_code": 20000, "tasks": [{"status_code": 40501, "status_message": "Invalid Field."}]});
    let error = read("dataforseo", failed).expect_err("an error");
    assert_eq!(error.message, "Invalid Field. (40501)");
    assert!(read("perplexity", json!({})).is_err());
    for provider in ["perplexity", "tavily", "searxng"] {
        let page = b"<html>".to_vec().into();
        let target = target(provider, "search");
        let read = answered(Op::Search, &target, &fixture("search/plain"), page);
        assert_eq!(read.expect_err("an error").kind, Kind::Decode, "{provider}");
    }
}
