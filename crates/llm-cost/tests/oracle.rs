//! Our counts against a second, independent tokenizer.
#![cfg(feature = "tokenizer")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use llm_cost::{count_text, decode, encode};
use proptest::prelude::*;
use tiktoken_rs::{
    CoreBPE, cl100k_base_singleton, o200k_base_singleton, p50k_base_singleton, r50k_base_singleton,
};

const MODELS: [&str; 4] = ["gpt-4o", "gpt-4", "text-davinci-003", "davinci"];

fn oracle(model: &str) -> &'static CoreBPE {
    match model {
        "gpt-4o" => o200k_base_singleton(),
        "gpt-4" => cl100k_base_singleton(),
        "text-davinci-003" => p50k_base_singleton(),
        _ => r50k_base_singleton(),
    }
}

#[track_caller]
fn agrees(model: &str, text: &str) {
    let expected: Vec<u32> = oracle(model).encode_ordinary(text);
    assert_eq!(encode(model, text), expected, "{model} {text:?}");
    let count = count_text(model, text);
    assert_eq!((count.tokens, count.exact), (expected.len() as u64, true));
    assert_eq!(decode(model, &expected), text);
}

#[test]
fn texts_of_all_kinds() {
    let texts = [
        "",
        "hello",
        "Hello, world!  \n\n\tIt's   3.14159 — naïve café.",
        "<|endoftext|> is text here, and so is <|im_start|>",
        "fn main() {\n    println!(\"{}\", 42);\n}\n",
        "{\"key\": [1, 2, 3], \"nested\": {\"a\": null}}",
        "今日は良い天気ですね。東京に行きます。",
        "👩‍👩‍👧‍👦 family, 🇫🇷 flag, 👍🏽",
        "Ελληνικά, русский, עברית, العربية, हिन्दी",
        "\u{0}\u{1}\u{feff}\u{200b}",
        "ALLCAPS camelCase snake_case I'll WE'RE don't",
    ];
    for model in MODELS {
        for text in texts {
            agrees(model, text);
        }
        agrees(model, &"語".repeat(3000));
        agrees(model, &" ".repeat(3000));
        agrees(model, &"a1!".repeat(1000));
    }
}

#[test]
fn models_use_their_own_vocabulary() {
    let used = |model| {
        let count = count_text(model, "hello");
        (count.tokenizer, count.exact)
    };
    for model in [
        "gpt-4o",
        "gpt-4.1-mini",
        "gpt-5",
        "o3",
        "o4-mini",
        "chatgpt-4o-latest",
        "azure/gpt-4o",
        "ft:gpt-4o:me::1",
    ] {
        assert_eq!(used(model), ("o200k_base", true), "{model}");
    }
    for model in [
        "gpt-4",
        "gpt-4-turbo",
        "gpt-3.5-turbo",
        "azure/gpt-35-turbo",
        "text-embedding-3-small",
    ] {
        assert_eq!(used(model), ("cl100k_base", true), "{model}");
    }
    for model in [
        "claude-sonnet-4-5",
        "gemini-2.5-pro",
        "deepseek-chat",
        "llama-3-70b",
        "",
    ] {
        assert_eq!(used(model), ("cl100k_base", false), "{model}");
    }
}

#[test]
fn giant_texts_are_estimated() {
    let sentence = "The quick brown fox jumps over the lazy dog. ";
    let text = sentence.repeat(100_000);
    let count = count_text("gpt-4o", &text);
    let exact = 10.0 * 100_000.0;
    assert!(!count.exact);
    assert!(
        (count.tokens as f64 / exact - 1.0).abs() < 0.01,
        "{}",
        count.tokens
    );
}

#[test]
fn what_no_vocabulary_has_is_left_out() {
    assert_eq!(decode("gpt-4o", &[u32::MAX]), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text(text in "\\PC{0,60}", model in prop::sample::select(&MODELS[..2])) {
        agrees(model, &text);
    }
}
