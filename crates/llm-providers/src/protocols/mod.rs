//! The wire formats.

pub mod anthropic;
pub mod openai;
