//! Searches that a vendor makes for a streamed answer and does not count.

use llm_cost::NanoDollars;
use llm_types::Op;
use serde_json::{Value, json};

use crate::{
    client::{Got, ask, engine},
    upstream::{End, IDEAL, Script, Upstream, chunk, openai},
};

/// The bill of the tokens that every answer here consumes.
const TOKENS: i64 = 11 * 1_000 + 13 * 10_000;
const SEARCH: i64 = 5_000_000;

async fn answered(model: &str, op: Op, more: Value, cites: bool) -> Got {
    let mut events = openai(IDEAL);
    if cites {
        let cited =
            json!({"type": "url_citation", "url_citation": {"url": "https://a.b", "title": "A"}});
        let last = events.len() - 3;
        events.insert(last, chunk(json!({"annotations": [cited]}), None));
    }
    let upstream = Upstream::start(vec![Script::Bytes(
        events.concat().into_bytes(),
        End::Clean,
    )]);
    let url = format!("{}/v1", upstream.await.url);
    let info = json!({
        "input_cost_per_token": 0.000001, "output_cost_per_token": 0.00001,
        "search_context_cost_per_query": {
            "search_context_size_low": 0.005, "search_context_size_medium": 0.005, "search_context_size_high": 0.005,
        },
    });
    let model = json!({"model": model, "api_key": "k", "api_base": url, "info": info});
    ask(&engine(&[model], |_| {}), op, more).await
}

#[tokio::test]
async fn a_streamed_search_is_charged_where_the_answer_cites_what_it_found() {
    let chat = json!({"web_search_options": {"search_context_size": "low"}});
    let tools = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    for (model, op, more, cites, searches) in [
        ("openai/gpt-4.1", Op::Chat, chat.clone(), true, 1),
        ("openai/gpt-4.1", Op::Chat, chat, false, 0),
        ("openai/gpt-4.1", Op::Chat, json!({}), true, 0),
        // Made for it: it searches before every answer.
        (
            "openai/gpt-4o-search-preview",
            Op::Chat,
            json!({}),
            false,
            1,
        ),
        ("openai/gpt-4.1", Op::Messages, tools, true, 1),
    ] {
        let got = answered(model, op, more.clone(), cites).await;
        assert!(got.error.is_none(), "{:?}", got.error);
        let total = got.record.charge.total().unwrap();
        let expected = NanoDollars(TOKENS + searches * SEARCH);
        assert_eq!(total, expected, "{model} {op:?} {more}, cites: {cites}");
    }
}
