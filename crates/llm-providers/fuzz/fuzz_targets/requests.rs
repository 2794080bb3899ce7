//! `cargo +nightly fuzz run requests`
#![no_main]

#[path = "../laws/requests.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|body: &[u8]| law::holds(llm_providers::backends::ALL, body));
