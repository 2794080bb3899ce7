//! `cargo +nightly fuzz run streams`
#![no_main]

#[path = "../laws/streams.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| law::holds(llm_providers::backends::ALL, bytes));
