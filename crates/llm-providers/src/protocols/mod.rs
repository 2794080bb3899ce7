//! The wire formats.

pub mod anthropic;
mod effort;
mod emit;
mod legacy;
mod vectors;

pub mod cohere;
pub mod ollama;
pub mod openai;
