//! The wire formats.

pub mod anthropic;
pub mod bedrock;
mod effort;
mod emit;
mod legacy;
mod prompt;
pub(crate) mod vectors;

pub mod cohere;
pub mod databricks;
pub mod embedders;
pub mod gemini;
pub mod huggingface;
pub mod ollama;
pub mod openai;
pub mod replicate;
pub mod watsonx;
