//! The wire formats.

pub mod gemini;
pub mod openai;
