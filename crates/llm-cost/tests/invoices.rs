//! Bills that were worked out by hand, vendor by vendor. The prices stand in each case, so that a newer price list
//! changes nothing here.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use llm_cost::{Cost, CostContext, GapReason, Kind, Pricing, Quantity, ZeroReason, cost};
use llm_types::Usage;
use serde_json::{Value, json};

fn bill(prices: Value, usage: Value, ask: &CostContext<'_>) -> Cost {
    let pricing = Pricing::from_fields(prices.as_object().unwrap());
    let usage: Usage = serde_json::from_value(usage).unwrap();
    cost(&pricing, &usage, ask)
}

/// A complete bill of this many dollars.
#[track_caller]
fn dollars(expected: &str, bill: &Cost) {
    assert_eq!(bill.exact.to_string(), expected, "{:#?}", bill.parts);
    assert_eq!(bill.gaps, [], "{:#?}", bill.parts);
    let parts: llm_cost::Dollars = bill.parts.iter().map(|part| part.amount).sum();
    assert_eq!(parts, bill.exact);
    let groups = [
        bill.input,
        bill.cached,
        bill.cache_write,
        bill.output,
        bill.reasoning,
        bill.tools,
    ];
    assert_eq!(groups.into_iter().sum::<llm_cost::Dollars>(), bill.exact);
}

fn at<'a>(provider: &'a str) -> CostContext<'a> {
    CostContext::of(provider)
}

fn gpt() -> Value {
    json!({
        "input_cost_per_token": 1.25e-6, "input_cost_per_token_flex": 6.25e-7,
        "input_cost_per_token_priority": 2.5e-6, "input_cost_per_token_batches": 6.25e-7,
        "cache_read_input_token_cost": 1.25e-7, "cache_read_input_token_cost_flex": 6.25e-8,
        "output_cost_per_token": 1e-5, "output_cost_per_token_flex": 5e-6,
        "output_cost_per_token_priority": 2e-5, "output_cost_per_token_batches": 5e-6,
        "regional_processing_uplift_multiplier_eu": 1.1,
    })
}

/// 1000 fresh, 500 cached, 400 of output of which 300 are reasoning.
fn gpt_usage() -> Value {
    json!({
        "prompt_tokens": 1500, "completion_tokens": 400, "total_tokens": 1900,
        "prompt_tokens_details": {"cached_tokens": 500, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 300, "audio_tokens": 0},
    })
}

#[test]
fn openai_standard_and_service_tiers() {
    let ask = at("openai");
    let standard = bill(gpt(), gpt_usage(), &ask);
    // 0.00125 + 0.0000625 + 0.004
    dollars("0.0053125", &standard);
    assert_eq!(standard.reasoning.to_string(), "0.003");
    assert_eq!(standard.output.to_string(), "0.001");

    let tier = |service_tier| CostContext {
        service_tier: Some(service_tier),
        ..at("openai")
    };
    dollars("0.00265625", &bill(gpt(), gpt_usage(), &tier("flex")));
    // Cached input has no price of its own on this tier: 0.0025 + 0.0000625 + 0.008
    dollars("0.0105625", &bill(gpt(), gpt_usage(), &tier("priority")));
    dollars("0.0105625", &bill(gpt(), gpt_usage(), &tier("fast")));
    dollars("0.0053125", &bill(gpt(), gpt_usage(), &tier("auto")));
}

#[test]
fn what_was_served_wins_over_what_was_asked_for() {
    let mut usage = gpt_usage();
    usage["service_tier"] = json!("default");
    let ask = CostContext {
        service_tier: Some("priority"),
        ..at("openai")
    };
    dollars("0.0053125", &bill(gpt(), usage, &ask));
}

#[test]
fn batches_cost_their_own_price_else_half() {
    let ask = CostContext {
        batch: true,
        ..at("openai")
    };
    // Cached input has no batch price: half of 0.0000625.
    dollars("0.00265625", &bill(gpt(), gpt_usage(), &ask));
    // A search is not a token: it costs the same in a batch.
    let prices = json!({"input_cost_per_token": 2e-6, "output_cost_per_token": 4e-6, "google_maps_grounding_cost_per_query": 0.014});
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"google_maps_grounding_requests": 2}});
    dollars("0.029", &bill(prices, usage, &ask));
}

#[test]
fn a_bound_region_multiplies_tokens() {
    let ask = |data_residency| CostContext {
        data_residency: Some(data_residency),
        ..at("openai")
    };
    dollars("0.00584375", &bill(gpt(), gpt_usage(), &ask("eu")));
    dollars("0.0053125", &bill(gpt(), gpt_usage(), &ask("mars")));
}

#[test]
fn realtime_audio_is_split_from_cached_audio() {
    let prices = json!({
        "input_cost_per_token": 4e-6, "output_cost_per_token": 1.6e-5,
        "input_cost_per_audio_token": 3.2e-5, "output_cost_per_audio_token": 6.4e-5,
        "cache_read_input_token_cost": 4e-7, "cache_read_input_audio_token_cost": 4e-7,
    });
    let usage = json!({
        "prompt_tokens": 1000, "completion_tokens": 250, "total_tokens": 1250,
        "prompt_tokens_details": {
            "cached_tokens": 600, "audio_tokens": 700, "text_tokens": 300,
            "cached_tokens_details": {"audio_tokens": 500, "text_tokens": 100},
        },
        "completion_tokens_details": {"audio_tokens": 200, "text_tokens": 50},
    });
    // 200 text x 4e-6 + 200 audio x 3.2e-5 + 600 cached x 4e-7 + 200 audio x 6.4e-5 + 50 text x 1.6e-5
    let bill = bill(prices, usage, &at("openai"));
    dollars("0.02104", &bill);
    // 0.0064 + 500 x 4e-7 + 0.0128
    assert_eq!(bill.audio.to_string(), "0.0194");
}

#[test]
fn images_by_token_are_image_tokens() {
    let prices = json!({
        "input_cost_per_token": 5e-6, "input_cost_per_image_token": 1e-5,
        "output_cost_per_image_token": 4e-5, "cache_read_input_token_cost": 1.25e-6,
    });
    let usage = json!({
        "prompt_tokens": 220, "completion_tokens": 1056, "total_tokens": 1276,
        "prompt_tokens_details": {"image_tokens": 194, "text_tokens": 26},
    });
    // 26 x 5e-6 + 194 x 1e-5 + 1056 x 4e-5
    let ask = CostContext {
        images: Some(1),
        ..at("openai")
    };
    dollars("0.04431", &bill(prices, usage, &ask));
}

fn claude() -> Value {
    json!({
        "input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5,
        "cache_creation_input_token_cost": 3.75e-6, "cache_creation_input_token_cost_above_1hr": 6e-6,
        "cache_read_input_token_cost": 3e-7,
        "input_cost_per_token_above_200k_tokens": 6e-6, "output_cost_per_token_above_200k_tokens": 2.25e-5,
        "cache_read_input_token_cost_above_200k_tokens": 6e-7,
        "cache_creation_input_token_cost_above_200k_tokens": 7.5e-6,
        "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.01, "search_context_size_high": 0.01},
        "provider_specific_entry": {"us": 1.1, "fast": 2.0},
    })
}

/// Anthropic's own counts, normalised: 100 fresh, 2000 read, 300 + 50 written, 500 of output, 3 searches.
fn claude_usage() -> Value {
    json!({
        "prompt_tokens": 2450, "completion_tokens": 500, "total_tokens": 2950,
        "prompt_tokens_details": {
            "cached_tokens": 2000, "cache_creation_tokens": 350,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 50},
        },
        "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 350,
        "server_tool_use": {"web_search_requests": 3},
    })
}

#[test]
fn anthropic_cache_lifetimes_and_searches() {
    // 0.0003 + 0.0006 + 0.001125 + 0.0003 + 0.0075 + 0.03
    let plain = bill(claude(), claude_usage(), &at("anthropic"));
    dollars("0.039825", &plain);
    assert_eq!(plain.tools.to_string(), "0.03");
    assert_eq!(plain.cache_write.to_string(), "0.001425");
    assert_eq!(plain.breakdown()["input_cost"], 0.002325);
}

#[test]
fn anthropic_geography_and_speed_multiply_tokens_only() {
    let mut usage = claude_usage();
    usage["inference_geo"] = json!("us");
    // 0.009825 x 1.1 + 0.03
    dollars(
        "0.0408075",
        &bill(claude(), usage.clone(), &at("anthropic")),
    );
    usage["speed"] = json!("fast");
    // 0.009825 x 1.1 x 2 + 0.03
    dollars("0.051615", &bill(claude(), usage, &at("anthropic")));
}

#[test]
fn a_cache_write_without_lifetimes_is_not_lost() {
    let mut usage = claude_usage();
    usage["prompt_tokens_details"]["cache_creation_token_details"] =
        json!({"ephemeral_1h_input_tokens": 50});
    dollars("0.039825", &bill(claude(), usage, &at("anthropic")));
}

#[test]
fn a_long_prompt_changes_every_price_of_the_request() {
    let usage = |prompt: u64| json!({"prompt_tokens": prompt, "completion_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 100_000}});
    // 100000 x 3e-6 + 100000 x 3e-7 + 1000 x 1.5e-5
    dollars("0.345", &bill(claude(), usage(200_000), &at("bedrock")));
    // 100001 x 6e-6 + 100000 x 6e-7 + 1000 x 2.25e-5
    dollars("0.682506", &bill(claude(), usage(200_001), &at("bedrock")));
    // Where the threshold itself counts as crossed: 100000 x 6e-6 + 0.06 + 0.0225
    dollars("0.6825", &bill(claude(), usage(200_000), &at("xai")));
}

#[test]
fn the_highest_crossed_threshold_wins() {
    let prices = json!({
        "input_cost_per_token": 1e-6, "output_cost_per_token": 0,
        "input_cost_per_token_above_128k_tokens": 2e-6, "input_cost_per_token_above_256k_tokens": 3e-6,
        "input_cost_per_token_priority": 1e-5, "input_cost_per_token_above_256k_tokens_priority": 3e-5,
    });
    let cost = |prompt: u64, service_tier| {
        let ask = CostContext {
            service_tier,
            ..at("gemini")
        };
        let bill = bill(prices.clone(), json!({"prompt_tokens": prompt}), &ask);
        bill.exact.to_string()
    };
    assert_eq!(cost(128_000, None), "0.128");
    assert_eq!(cost(200_000, None), "0.4");
    assert_eq!(cost(300_000, None), "0.9");
    assert_eq!(cost(300_000, Some("priority")), "9");
    // The tier's own list stops short of this length: the long price of the standard list.
    assert_eq!(cost(200_000, Some("priority")), "0.4");
    // Batches halve it: no list of theirs names long prompts.
    assert_eq!(cost(200_000, Some("batch")), "0.2");
}

#[test]
fn gemini_modalities_thinking_and_grounding() {
    let mut prices = json!({
        "input_cost_per_token": 3e-7, "input_cost_per_audio_token": 1e-6, "output_cost_per_token": 2.5e-6,
        "cache_read_input_token_cost": 3e-8,
        "search_context_cost_per_query": {"search_context_size_low": 0.035, "search_context_size_medium": 0.035, "search_context_size_high": 0.035},
    });
    let usage = json!({
        "prompt_tokens": 5000, "completion_tokens": 900, "total_tokens": 5900,
        "prompt_tokens_details": {"cached_tokens": 1000, "audio_tokens": 1500, "image_tokens": 258, "web_search_requests": 4},
        "completion_tokens_details": {"reasoning_tokens": 700},
    });
    // 2242 + 258 at 3e-7, 1500 at 1e-6, 1000 at 3e-8, 900 at 2.5e-6; one grounded prompt
    dollars(
        "0.03953",
        &bill(prices.clone(), usage.clone(), &at("gemini")),
    );
    prices["web_search_billing_unit"] = json!("per_query");
    dollars("0.14453", &bill(prices, usage, &at("gemini")));
}

#[test]
fn dashscope_bands_replace_the_flat_price() {
    let prices = json!({"tiered_pricing": [
        {"range": [0, 32000.0], "input_cost_per_token": 1.2e-6, "output_cost_per_token": 6e-6},
        {"range": [32000.0, 128000.0], "input_cost_per_token": 2.4e-6, "output_cost_per_token": 1.2e-5, "output_cost_per_reasoning_token": 2e-5},
    ]});
    let cost = |prompt: u64| {
        let usage = json!({"prompt_tokens": prompt, "completion_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 40}});
        bill(prices.clone(), usage, &at("dashscope"))
    };
    dollars("0.039", &cost(32_000));
    // 32001 x 2.4e-6 + 60 x 1.2e-5 + 40 x 2e-5
    dollars("0.0783224", &cost(32_001));
    // Beyond the last band its price stays.
    dollars("2.40152", &cost(1_000_000));
}

#[test]
fn deepseek_cache_hits_and_cheap_hours() {
    let prices = json!({
        "input_cost_per_token": 2.8e-7, "input_cost_per_token_cache_hit": 2.8e-8, "output_cost_per_token": 4.2e-7,
        "off_peak_pricing": {"hours_utc": "16:30-00:30", "input_cost_per_token": 1.4e-7, "output_cost_per_token": 2.1e-7},
    });
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 1000, "prompt_cache_hit_tokens": 400, "prompt_cache_miss_tokens": 600});
    let hour = |hour: u64| CostContext {
        at: Some(1_795_132_800 + hour * 3600),
        ..at("deepseek")
    };
    // 600 x 2.8e-7 + 400 x 2.8e-8 + 1000 x 4.2e-7
    dollars("0.0005992", &bill(prices.clone(), usage.clone(), &hour(12)));
    dollars(
        "0.0005992",
        &bill(prices.clone(), usage.clone(), &at("deepseek")),
    );
    dollars("0.0003052", &bill(prices, usage, &hour(17)));
}

#[test]
fn fireworks_cached_input_costs_half() {
    let prices = json!({"input_cost_per_token": 9e-7, "output_cost_per_token": 9e-7});
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 800}});
    dollars(
        "0.000549",
        &bill(prices.clone(), usage.clone(), &at("fireworks_ai")),
    );
    // Elsewhere it costs what fresh input costs, and the line says which price it is.
    let elsewhere = bill(prices, usage, &at("groq"));
    dollars("0.000909", &elsewhere);
    assert_eq!(elsewhere.parts[0].priced_as, Kind::Input);
}

#[test]
fn the_vendors_own_bill_is_taken() {
    let prices = || json!({"input_cost_per_token": 1, "output_cost_per_token": 1});
    let usage = |cost: Value| json!({"prompt_tokens": 10, "completion_tokens": 10, "cost": cost, "cost_in_usd_ticks": 3_734_000});
    dollars(
        "0.000372",
        &bill(prices(), usage(json!(0.000372)), &at("openrouter")),
    );
    let perplexity = usage(json!({"input_tokens_cost": 0.0, "total_cost": 0.006}));
    dollars("0.006", &bill(prices(), perplexity, &at("perplexity")));
    let ticks = bill(prices(), usage(json!(null)), &at("xai"));
    dollars("0.0003734", &ticks);
    assert!(ticks.reported);
    let mut own_key = usage(json!(0.000002));
    own_key["is_byok"] = json!(true);
    own_key["cost_details"] = json!({"upstream_inference_cost": 3.6e-6});
    dollars("0.0000056", &bill(prices(), own_key, &at("openrouter")));
    // Others may put anything into that field.
    dollars("20", &bill(prices(), usage(json!(0.5)), &at("openai")));
    let zero = bill(prices(), usage(json!(0)), &at("openrouter"));
    assert_eq!(zero.zero_reason(), Some(ZeroReason::Reported));
}

#[test]
fn perplexity_by_prices() {
    let prices = json!({
        "input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6, "output_cost_per_reasoning_token": 3e-6, "citation_cost_per_token": 2e-6,
        "search_context_cost_per_query": {"search_context_size_low": 0.005, "search_context_size_medium": 0.008, "search_context_size_high": 0.012},
    });
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 1000, "total_tokens": 1100, "citation_tokens": 5000, "num_search_queries": 10,
        "completion_tokens_details": {"reasoning_tokens": 400},
    });
    // 0.0002 + 600 x 8e-6 + 400 x 3e-6 + 5000 x 2e-6 + 10 x 0.005
    dollars("0.0662", &bill(prices, usage, &at("perplexity")));
}

#[test]
fn perplexity_bills_a_search_that_it_does_not_count() {
    let prices = json!({
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
        "search_context_cost_per_query": {"search_context_size_low": 0.005, "search_context_size_medium": 0.008},
    });
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8, "search_context_size": "low"});
    dollars("0.005008", &bill(prices, usage, &at("perplexity")));
}

#[test]
fn xai_counts_reasoning_beside_its_output() {
    let prices = json!({"input_cost_per_token": 1.25e-6, "cache_read_input_token_cost": 2e-7, "output_cost_per_token": 2.5e-6});
    let usage = json!({
        "prompt_tokens": 133, "completion_tokens": 9, "total_tokens": 280,
        "prompt_tokens_details": {"cached_tokens": 128, "text_tokens": 133},
        "completion_tokens_details": {"reasoning_tokens": 138},
    });
    // 5 x 1.25e-6 + 128 x 2e-7 + 147 x 2.5e-6
    dollars("0.00039935", &bill(prices, usage, &at("xai")));
}

#[test]
fn sound_and_pictures_by_their_own_units() {
    let nothing = || json!({});
    let seconds = |seconds| CostContext {
        seconds: Some(seconds),
        ..at("openai")
    };
    let whisper = json!({"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001});
    // How long the vendor worked is not how long the recording is.
    let ask = CostContext {
        elapsed: Some(3.0),
        ..at("openai")
    };
    let unknown = bill(whisper.clone(), nothing(), &ask);
    assert_eq!(
        (unknown.parts.len(), unknown.gaps[0].why),
        (0, GapReason::UnknownQuantity)
    );
    dollars("0.00125", &bill(whisper, nothing(), &seconds(12.5)));
    let transcribe = json!({"input_cost_per_token": 2.5e-6, "input_cost_per_audio_token": 2.5e-6, "output_cost_per_token": 1e-5, "input_cost_per_second": 0.0001});
    let tokens = json!({"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"audio_tokens": 100}});
    dollars("0.00035", &bill(transcribe.clone(), tokens, &seconds(10.0)));
    dollars("0.001", &bill(transcribe, nothing(), &seconds(10.0)));

    let speech = json!({"input_cost_per_character": 1.5e-5});
    let ask = CostContext {
        prompt_characters: Some(200),
        ..at("openai")
    };
    dollars("0.003", &bill(speech, nothing(), &ask));

    let video = json!({"output_cost_per_second": 0.05, "output_cost_per_second_720p": 0.1});
    let ask = CostContext {
        resolution: Some("720p"),
        ..seconds(8.0)
    };
    dollars("0.8", &bill(video.clone(), nothing(), &ask));
    dollars("0.4", &bill(video, nothing(), &seconds(8.0)));

    let pictures = CostContext {
        images: Some(2),
        image_size: Some((1024, 1024)),
        ..at("openai")
    };
    dollars(
        "0.08",
        &bill(json!({"output_cost_per_image": 0.04}), nothing(), &pictures),
    );
    // 2 x 1048576 x 2e-8
    let by_pixel = json!({"input_cost_per_pixel": 2e-8, "output_cost_per_pixel": 0});
    dollars("0.04194304", &bill(by_pixel, nothing(), &pictures));
    let sized = json!({"output_cost_per_image": 0.1, "output_cost_per_image_4K": 0.3});
    let ask = CostContext {
        image_class: Some("4K"),
        ..pictures
    };
    dollars("0.6", &bill(sized, nothing(), &ask));
}

#[test]
fn searches_pages_and_machines() {
    let rerank = json!({"input_cost_per_query": 0.002, "input_cost_per_token": 0, "output_cost_per_token": 0});
    let ask = CostContext {
        queries: Some(3),
        ..at("cohere")
    };
    dollars("0.006", &bill(rerank.clone(), json!({}), &ask));
    dollars("0.002", &bill(rerank, json!({}), &at("cohere")));
    let ask = CostContext {
        pages: Some(7),
        annotated_pages: Some(2),
        ..at("mistral")
    };
    let ocr = json!({"ocr_cost_per_page": 0.001, "annotation_cost_per_page": 0.003});
    dollars("0.013", &bill(ocr, json!({}), &ask));
    let ask = CostContext {
        elapsed: Some(2.5),
        ..at("replicate")
    };
    dollars("0.0035", &bill(json!({}), json!({}), &ask));
    let reserved = json!({"cost_per_second": 0.011, "input_cost_per_second": 0.011});
    let tokens = json!({"prompt_tokens": 10, "completion_tokens": 5});
    dollars("0.0275", &bill(reserved, tokens, &ask));
}

#[test]
fn openai_tools() {
    let ask = CostContext {
        file_searches: Some(4),
        code_interpreter_sessions: Some(1),
        file_search_gigabyte_days: Some(0.5),
        computer_input_tokens: Some(1500),
        web_searches: Some(2),
        search_context_size: Some("high"),
        ..at("openai")
    };
    let prices = json!({
        "input_cost_per_token": 0, "output_cost_per_token": 0, "code_interpreter_cost_per_session": 0.03,
        "file_search_cost_per_gb_per_day": 0.1, "computer_use_input_cost_per_1k_tokens": 0.003,
        "search_context_cost_per_query": {"search_context_size_medium": 0.01, "search_context_size_high": 0.025},
    });
    // 4 x 2.5 / 1000 + 0.03 + 0.05 + 1.5 x 0.003 + 2 x 0.025
    dollars("0.1445", &bill(prices, json!({}), &ask));
}

#[test]
fn a_router_in_front_is_billed_once_more() {
    let usage = || json!({"prompt_tokens": 1000, "completion_tokens": 100});
    let fee = bill(
        json!({"input_cost_per_token": 1.4e-7, "output_cost_per_token": 0}),
        usage(),
        &at("azure_ai"),
    );
    let routed = bill(gpt(), usage(), &at("azure_ai"));
    dollars("0.00239", &routed.plus(fee));
}

#[test]
fn zero_is_never_silent() {
    let tokens = || json!({"prompt_tokens": 10, "completion_tokens": 5});
    let unpriced = bill(json!({"mode": "chat"}), tokens(), &at("openai"));
    assert_eq!(unpriced.zero_reason(), Some(ZeroReason::Unpriced));
    let missing: Vec<_> = unpriced
        .gaps
        .iter()
        .map(|gap| (gap.what, gap.quantity.whole(), gap.why))
        .collect();
    assert_eq!(
        missing,
        [
            (Kind::Input, 10, GapReason::NoPrice),
            (Kind::Output, 5, GapReason::NoPrice)
        ]
    );

    let free = bill(
        json!({"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}),
        tokens(),
        &at("openai"),
    );
    assert_eq!(
        (free.zero_reason(), free.gaps.len()),
        (Some(ZeroReason::Free), 0)
    );
    let local = bill(json!({}), tokens(), &at("lemonade"));
    assert_eq!(
        (local.zero_reason(), local.gaps.len()),
        (Some(ZeroReason::Free), 0)
    );
    let idle = bill(gpt(), json!({}), &at("openai"));
    assert_eq!(idle.zero_reason(), Some(ZeroReason::NothingConsumed));

    let picture = bill(
        json!({"output_cost_per_image": 0.04}),
        json!({}),
        &at("openai"),
    );
    assert_eq!(picture.zero_reason(), Some(ZeroReason::Unpriced));
    assert_eq!(picture.gaps[0].why, GapReason::UnknownQuantity);
    let unsized_video = bill(
        json!({"output_cost_per_second_720p": 0.1}),
        json!({}),
        &at("x"),
    );
    assert_eq!(unsized_video.zero_reason(), Some(ZeroReason::Unpriced));
    let by_request = bill(json!({"input_cost_per_request": 0.005}), tokens(), &at("x"));
    assert_eq!(
        (by_request.exact.to_string().as_str(), by_request.gaps.len()),
        ("0.005", 2)
    );
    let search = bill(
        gpt(),
        json!({"server_tool_use": {"web_search_requests": 1}}),
        &at("openai"),
    );
    assert_eq!(search.gaps[0].what, Kind::WebSearch);
}

#[test]
fn tools_of_xai_are_gaps_unless_it_says_what_they_cost() {
    let details = json!({"web_search_calls": 2, "x_search_calls": 1, "code_interpreter_calls": 3, "mcp_calls": 9});
    for (usage, gaps) in [
        (
            json!({"server_side_tool_usage_details": details}),
            vec![(Kind::WebSearch, 3), (Kind::ServerTool, 3)],
        ),
        (json!({"num_sources_used": 4}), vec![(Kind::WebSearch, 4)]),
        (json!({"num_sources_used": 0}), vec![]),
        (
            json!({"num_sources_used": 4, "cost_in_usd_ticks": 37_756_000}),
            vec![],
        ),
    ] {
        let bill = bill(gpt(), usage.clone(), &at("xai"));
        let named = bill.gaps.iter().map(|gap| (gap.what, gap.quantity));
        let named: Vec<_> = named.collect();
        let gaps = gaps.into_iter().map(|(what, n)| (what, Quantity::count(n)));
        assert_eq!(named, gaps.collect::<Vec<_>>(), "{usage}");
    }
}

#[test]
fn only_the_total_is_rounded() {
    // 2.5e-10 dollars a token is a quarter of a nano-dollar.
    let prices = json!({"input_cost_per_token": 2.5e-10, "output_cost_per_token": 2.5e-10});
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1});
    let bill = bill(prices, usage, &at("x"));
    assert_eq!(bill.exact.to_string(), "0.0000000005");
    assert_eq!(bill.total.0, 1);
}
