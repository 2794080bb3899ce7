//! `cargo +nightly fuzz run frames`
#![no_main]

#[path = "../laws/frames.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|input: (usize, &[u8])| law::holds(input.0, input.1));
