//! What holds for every bill, whatever is priced.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use llm_cost::{Cost, CostContext, Dollars, Kind, Part, PriceTable, Pricing, ZeroReason, cost};
use llm_types::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Prices of several token classes, some of them missing.
fn prices() -> impl Strategy<Value = Value> {
    const FIELDS: [&str; 11] = [
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
        "cache_creation_input_token_cost_above_1hr",
        "output_cost_per_reasoning_token",
        "input_cost_per_audio_token",
        "output_cost_per_audio_token",
        "input_cost_per_token_above_128k_tokens",
        "output_cost_per_token_flex",
        "input_cost_per_token_batches",
    ];
    prop::collection::vec(prop::option::of(0u32..100_000), FIELDS.len()).prop_map(|prices| {
        let pairs = FIELDS.iter().zip(prices);
        let read = |(field, price): (&&str, Option<u32>)| {
            let text = format!("{}e-10", price?);
            Some(((*field).to_owned(), serde_json::from_str(&text).unwrap()))
        };
        Value::Object(pairs.filter_map(read).collect())
    })
}

fn usages() -> impl Strategy<Value = Value> {
    let count = || 0u64..400_000;
    (count(), count(), count(), count(), count(), count(), count()).prop_map(
        |(prompt, completion, cached, written, hour, audio, reasoning)| {
            json!({
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
                "prompt_tokens_details": {
                    "cached_tokens": cached / 4, "cache_creation_tokens": written / 8, "audio_tokens": audio / 4,
                    "cache_creation_token_details": {"ephemeral_1h_input_tokens": hour / 16},
                },
                "completion_tokens_details": {"reasoning_tokens": reasoning / 2, "audio_tokens": audio / 8},
            })
        },
    )
}

fn bill(prices: &Value, usage: &Value, ask: &CostContext<'_>) -> Cost {
    let usage: Usage = serde_json::from_value(usage.clone()).unwrap();
    cost(
        &Pricing::from_fields(prices.as_object().unwrap()),
        &usage,
        ask,
    )
}

fn is_output(kind: Kind) -> bool {
    matches!(kind, Kind::Output | Kind::Reasoning | Kind::OutputAudio)
}

proptest! {
    #[test]
    fn usage_conservation(prices in prices(), usage in usages(), batch: bool) {
        let ask = CostContext { batch, ..CostContext::of("x") };
        let bill = bill(&prices, &usage, &ask);
        let unpriced = bill.gaps.iter().filter(|gap| gap.why == llm_cost::GapReason::NoPrice);
        let tokens: Vec<(Kind, u64)> = bill.parts.iter().map(|part| (part.what, part.quantity.whole()))
            .chain(unpriced.map(|gap| (gap.what, gap.quantity.whole())))
            .collect();
        let side = |output: bool| tokens.iter().filter(|(kind, _)| is_output(*kind) == output).map(|t| t.1).sum::<u64>();
        prop_assert_eq!(side(false), usage["prompt_tokens"].as_u64().unwrap());
        prop_assert_eq!(side(true), usage["completion_tokens"].as_u64().unwrap());
    }

    #[test]
    fn every_line_is_quantity_times_price_and_all_lines_are_the_total(prices in prices(), usage in usages()) {
        let bill = bill(&prices, &usage, &CostContext::of("x"));
        let product = |part: &Part| part.unit_price.times(part.quantity) == part.amount;
        prop_assert!(bill.parts.iter().all(product));
        prop_assert_eq!(bill.parts.iter().map(|part| part.amount).sum::<Dollars>(), bill.exact);
        prop_assert_eq!(bill.exact.to_nano(), bill.total);
        prop_assert_eq!(bill.prompt().plus(bill.completion()), bill.exact);
    }

    #[test]
    fn no_silent_zero(prices in prices(), usage in usages()) {
        let bill = bill(&prices, &usage, &CostContext::of("x"));
        let tokens = usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
        if bill.exact.is_zero() && tokens > 0 {
            prop_assert!(matches!(bill.zero_reason(), Some(ZeroReason::Free | ZeroReason::Unpriced)));
        }
        prop_assert_eq!(bill.zero_reason().is_some(), bill.exact.is_zero());
    }

    #[test]
    fn more_tokens_never_cost_less(prices in prices(), usage in usages(), more in 0u64..1000) {
        // Only a price list that grows with the prompt's length can promise this.
        let mut prices = prices;
        prices.as_object_mut().unwrap().remove("input_cost_per_token_above_128k_tokens");
        let mut larger = usage.clone();
        larger["completion_tokens"] = json!(usage["completion_tokens"].as_u64().unwrap() + more);
        let ask = CostContext::of("x");
        let (small, large) = (bill(&prices, &usage, &ask), bill(&prices, &larger, &ask));
        // More output may free tokens that a contradictory breakdown had cut off, never take any away.
        prop_assert!(large.completion() >= small.completion() || !small.gaps.is_empty());
        prop_assert!(large.prompt() == small.prompt());
    }

    #[test]
    fn a_stored_request_is_priced_again(prices in prices(), usage in usages(), batch: bool, tier in prop::option::of("flex|priority")) {
        let ask = CostContext { batch, service_tier: tier.as_deref(), at: Some(1_800_000_000), ..CostContext::of("openai") };
        let first = bill(&prices, &usage, &ask);
        let usage: Usage = serde_json::from_value(usage).unwrap();
        let (stored_usage, stored_ask) = (serde_json::to_string(&usage).unwrap(), serde_json::to_string(&ask).unwrap());
        let usage: Usage = serde_json::from_str(&stored_usage).unwrap();
        let ask: CostContext<'_> = serde_json::from_str(&stored_ask).unwrap();
        prop_assert_eq!(cost(&Pricing::from_fields(prices.as_object().unwrap()), &usage, &ask), first);
    }

    #[test]
    fn hostile_counts_do_not_panic(prompt: u64, completion: u64, cached: u64, written: u64, seconds: f64, images: u64) {
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": completion,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_creation_tokens": written},
        });
        let ask = CostContext {
            seconds: Some(seconds), images: Some(images), image_size: Some((u32::MAX, u32::MAX)),
            pages: Some(images), queries: Some(prompt), ..CostContext::of("x")
        };
        let prices = json!({"input_cost_per_token": 1e13, "output_cost_per_token": 1e13, "input_cost_per_pixel": 1e9, "ocr_cost_per_page": 1e12});
        let _ = bill(&prices, &usage, &ask);
    }

    #[test]
    fn no_name_is_too_strange(provider in ".{0,20}", model in ".{0,60}") {
        let table = PriceTable::embedded();
        let _ = table.get(&provider, &model);
        let _ = table.get_in_region(&provider, "us-east-1", &model);
        let _ = table.provider_of(&model);
    }
}

#[test]
fn every_model_of_the_list_prices_a_usage_without_silence() {
    let table = PriceTable::embedded();
    let mut usage = Usage::new(1000, 100);
    usage
        .prompt_tokens_details
        .get_or_insert_default()
        .cached_tokens = 300;
    let ask = CostContext {
        images: Some(1),
        image_size: Some((1024, 1024)),
        seconds: Some(10.0),
        prompt_characters: Some(100),
        completion_characters: Some(100),
        pages: Some(1),
        credits: Some(1),
        text_messages: Some(1),
        ..CostContext::of("x")
    };
    for name in table.names() {
        let row = table.entry(name).unwrap();
        let bill = cost(row.pricing(), &usage, &ask);
        assert!(
            !bill.exact.is_zero() || bill.zero_reason().is_some(),
            "{name}"
        );
    }
}
