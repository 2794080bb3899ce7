//! The price list that the build carries, and the ways to find a model in it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use llm_cost::{Dollars, Kind, Match, PriceTable, Rate};
use serde_json::{Map, Value, json};

fn key(provider: &str, model: &str) -> Option<String> {
    let found = PriceTable::embedded().get(provider, model)?;
    (found.how != Match::NameOnly).then(|| found.key().to_owned())
}

#[track_caller]
fn finds(provider: &str, model: &str, expected: &str) {
    assert_eq!(
        key(provider, model).as_deref(),
        Some(expected),
        "{provider} {model}"
    );
}

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn every_row_can_be_read_and_every_price_is_understood() {
    let table = PriceTable::embedded();
    assert_eq!(table.digest().len(), 64);
    let mut rows = 0;
    for name in table.names() {
        let row = table.entry(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(row.key(), name);
        assert!(!row.provider().is_empty(), "{name}");
        let listed = row
            .fields()
            .iter()
            .filter_map(|(field, value)| Rate::parse(field, Dollars::from_json(value)?));
        let held = row.pricing().rates();
        for rate in listed {
            assert!(held.contains(&rate), "{name}: {rate:?}");
        }
        rows += 1;
    }
    assert!(rows > 3000);
}

#[test]
fn names_are_found_at_their_vendor() {
    finds("openai", "gpt-4o", "gpt-4o");
    finds("openai", "openai/gpt-4o", "gpt-4o");
    finds("openai", "GPT-4o", "gpt-4o");
    finds("azure", "gpt-4o", "azure/gpt-4o");
    finds("", "gpt-4o", "gpt-4o");
    finds("", "azure/gpt-4o", "azure/gpt-4o");
    finds("gemini", "gemini-2.5-pro", "gemini/gemini-2.5-pro");
    finds("gemini", "models/gemini-2.5-pro", "gemini/gemini-2.5-pro");
    finds("vertex_ai", "gemini-2.5-pro", "gemini-2.5-pro");
    finds("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5");
    finds(
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    );
    finds(
        "bedrock",
        "converse/amazon.nova-pro-v1:0",
        "amazon.nova-pro-v1:0",
    );
    finds("azure_ai", "gpt-4o-2024-08-06", "azure/gpt-4o-2024-08-06");
    finds("litellm_proxy", "gpt-4o", "gpt-4o");
    finds(
        "together_ai",
        "somebody/unheard-of-8b",
        "together-ai-4.1b-8b",
    );
}

#[test]
fn regions_have_their_own_prices() {
    let table = PriceTable::embedded();
    let name = table
        .names()
        .find(|name| name.starts_with("bedrock/eu-central-1/") && name.matches('/').count() == 2)
        .unwrap();
    let model = name.rsplit('/').next().unwrap();
    let found = table
        .get_in_region("bedrock", "eu-central-1", model)
        .unwrap();
    assert_eq!(found.key(), name);
    let found = table
        .get_in_region("bedrock", "nowhere-9", "amazon.nova-pro-v1:0")
        .unwrap();
    assert_eq!(found.key(), "amazon.nova-pro-v1:0");
}

#[test]
fn routers_bill_a_fee() {
    let table = PriceTable::embedded();
    let fee = |model| {
        table
            .router_fee("azure_ai", model)
            .map(|row| row.key().to_owned())
    };
    assert_eq!(
        fee("model_router/mine").as_deref(),
        Some("azure_ai/model_router")
    );
    assert_eq!(
        fee("azure_ai/model-router").as_deref(),
        Some("azure_ai/model-router")
    );
    assert_eq!(fee("gpt-4o"), None);
}

#[test]
fn another_vendors_price_is_not_taken() {
    assert_eq!(key("groq", "gpt-4o"), None);
    assert_eq!(key("hosted_vllm", "gpt-4o"), None);
    assert_eq!(key("openai", "my-own-model"), None);
    assert_eq!(key("openai", ""), None);
    // A size that the name does not tell has no price, least of all zero.
    assert_eq!(key("fireworks_ai", "unheard-of"), None);
}

#[test]
fn unknown_names_of_known_families_have_capabilities_and_no_price() {
    let found = PriceTable::embedded()
        .get("anthropic", "claude-opus-77")
        .unwrap();
    assert_eq!(found.how, Match::NameOnly);
    assert!(found.row.supports("vision") && found.row.supports("supports_function_calling"));
    assert!(!found.row.pricing().is_known());
    assert_eq!(found.row.max_input_tokens(), Some(200_000));
}

#[test]
fn bare_names_belong_to_a_provider() {
    let of = |model| PriceTable::embedded().provider_of(model);
    assert_eq!(of("gpt-4o"), Some("openai"));
    assert_eq!(of("ft:gpt-4o-mini-2024-07-18:me::1"), Some("openai"));
    assert_eq!(of("claude-sonnet-4-5"), Some("anthropic"));
    assert_eq!(of("claude-opus-77-1"), Some("anthropic"));
    assert_eq!(of("gemini-2.5-flash"), Some("vertex_ai"));
    assert_eq!(of("command-r-plus-08-2024"), Some("cohere_chat"));
    assert_eq!(of("text-embedding-3-small"), Some("openai"));
    assert_eq!(of("amazon.nova-pro-v1:0"), Some("bedrock"));
    assert_eq!(of("us.anthropic.claude-opus-77-v1:0"), Some("bedrock"));
    assert_eq!(of("bedrockz/anthropic.claude-opus-77"), None);
    assert_eq!(of("dall-e-3"), Some("openai"));
    assert_eq!(of("*"), Some("openai"));
    assert_eq!(of("meta-llama/Llama-3-70b"), None);
    assert_eq!(
        of(&format!("me/model:{}", "a".repeat(64))),
        Some("replicate")
    );
}

#[test]
fn entries_of_ones_own_lie_over_the_list() {
    let mut table = PriceTable::embedded().clone();
    table.register(
        "gpt-4o",
        &fields(json!({"input_cost_per_token": 1e-6, "my_field": "kept"})),
    );
    table.register(
        "openai/mine",
        &fields(json!({"litellm_provider": "openai", "input_cost_per_token": "0.5e-6"})),
    );
    let known = table.get("openai", "gpt-4o").unwrap().row;
    assert_eq!(
        known.pricing().base(Kind::Input),
        Dollars::parse("0.000001")
    );
    assert_eq!(
        known.pricing().base(Kind::Output),
        Dollars::parse("0.00001")
    );
    assert_eq!(known.get("my_field"), Some(&json!("kept")));
    let mine = table.get("openai", "mine").unwrap().row;
    assert_eq!(
        mine.pricing().base(Kind::Input),
        Dollars::parse("0.0000005")
    );
    assert_eq!(table.names().filter(|name| *name == "gpt-4o").count(), 1);
    let listed = PriceTable::embedded().get("openai", "gpt-4o").unwrap().row;
    assert_eq!(
        listed.pricing().base(Kind::Input),
        Dollars::parse("0.0000025")
    );
}

#[test]
fn litellms_own_map_is_read_too() {
    let table = PriceTable::from_json(
        r#"{"sample_spec": {"mode": "x"}, "a-model": {"litellm_provider": "acme", "input_cost_per_token": 2.5e-10}}"#,
    )
    .unwrap();
    assert_eq!(table.names().collect::<Vec<_>>(), ["a-model"]);
    let row = table.get("acme", "a-model").unwrap().row;
    assert_eq!(row.pricing().base(Kind::Input), Dollars::parse("2.5e-10"));
}

#[test]
fn damaged_lists_are_refused() {
    for text in [
        "",
        "[]",
        "{\"format\":1}",
        "{\"format\":2,\"date\":\"\",\"digest\":\"\",\n",
        "{\"format\":1,\"date\":\"\",\"digest\":\"\",\n\"fields\":[],\n\"rules\":[],\n\"traits\":[\n],\n\"models\":[\n[\"b\",0,[]],\n[\"a\",0,[]]\n]}\n",
    ] {
        assert!(PriceTable::from_json(text).is_err(), "{text}");
    }
}

#[test]
fn model_info_has_every_field_and_nulls() {
    let row = PriceTable::embedded().get("openai", "gpt-4o").unwrap().row;
    let info = row.to_json();
    assert_eq!(info["key"], "gpt-4o");
    assert_eq!(info["input_cost_per_token"], 2.5e-6);
    assert_eq!(info["supports_vision"], true);
    assert_eq!(info["max_tokens"], 16384);
    assert_eq!(info["output_cost_per_reasoning_token"], Value::Null);
    assert_eq!(info["litellm_provider"], "openai");
}

#[test]
fn images_are_found_by_quality_and_size() {
    let table = PriceTable::embedded();
    let found = table
        .get_image("openai", "gpt-image-1", Some("low"), Some("1024x1536"))
        .unwrap();
    assert_eq!(found.key(), "low/1024-x-1536/gpt-image-1");
    let found = table
        .get_image("azure", "dall-e-3", Some("hd"), Some("1024x1792"))
        .unwrap();
    assert_eq!(found.key(), "azure/hd/1024-x-1792/dall-e-3");
    for (provider, model, quality, key) in [
        ("openai", "dall-e-3", None, "standard/1024-x-1024/dall-e-3"),
        ("openai", "dall-e-3", Some("hd"), "hd/1024-x-1024/dall-e-3"),
        ("openai", "dall-e-2", None, "1024-x-1024/dall-e-2"),
        ("aiml", "dall-e-2", None, "aiml/dall-e-2"),
    ] {
        let found = table.get_image(provider, model, quality, Some("1024x1024"));
        assert_eq!(found.unwrap().key(), key);
    }
    let found = table
        .get_image("openai", "gpt-image-1", None, None)
        .unwrap();
    assert_eq!(found.key(), "gpt-image-1");
}

#[test]
fn prices_that_are_none_are_named() {
    use llm_cost::Pricing;
    let fields = fields(json!({
        "input_cost_per_token": -1e-6, "output_cost_per_token": "free", "cache_read_input_token_cost": null,
        "input_cost_per_second": "0.5", "comment": "x",
    }));
    assert_eq!(
        Pricing::unreadable(&fields),
        ["input_cost_per_token", "output_cost_per_token"]
    );
}

#[test]
fn custom_prices_replace_or_complete_the_list() {
    use llm_cost::Pricing;
    let list = PriceTable::embedded().get("openai", "gpt-4o").unwrap().row;
    let custom = |value| Pricing::custom(Some(list.pricing()), &fields(value));
    assert_eq!(custom(json!({"max_tokens": 5})), None);
    let whole =
        custom(json!({"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6})).unwrap();
    assert_eq!(whole.base(Kind::CacheRead), None);
    let part = custom(json!({"cache_read_input_token_cost": 1e-9})).unwrap();
    assert_eq!(part.base(Kind::CacheRead), Dollars::parse("1e-9"));
    assert_eq!(part.base(Kind::Input), list.pricing().base(Kind::Input));
}
