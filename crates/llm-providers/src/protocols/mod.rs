//! The wire formats.

pub mod anthropic;
pub mod bedrock;
mod effort;
mod emit;
mod legacy;
pub(crate) mod vectors;

pub mod cohere;
pub mod gemini;
pub mod ollama;
pub mod openai;
