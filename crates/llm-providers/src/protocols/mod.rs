//! The wire formats.

pub mod bedrock;
pub mod openai;
