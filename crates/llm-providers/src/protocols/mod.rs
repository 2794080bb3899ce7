//! The wire formats.

pub mod anthropic;
pub mod azure;
pub mod bedrock;
pub mod cohere;
pub mod databricks;
mod effort;
pub mod embedders;
mod emit;
pub mod gemini;
pub mod huggingface;
mod legacy;
pub(crate) mod mistral_batch;
pub mod moderation;
pub(crate) mod names;
pub mod ocr;
pub mod ollama;
pub mod openai;
mod prompt;
pub mod replicate;
pub mod rerank;
pub mod sagemaker;
pub mod search;
pub(crate) mod vectors;
pub mod vertex;
pub mod watsonx;
