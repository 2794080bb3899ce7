//! The wire formats.

mod effort;
mod emit;
mod legacy;
mod prompt;
mod vectors;

pub mod cohere;
pub mod databricks;
pub mod embedders;
pub mod huggingface;
pub mod loose;
pub mod ollama;
pub mod openai;
pub mod replicate;
pub mod watsonx;
