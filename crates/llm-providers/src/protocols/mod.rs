//! The wire formats.

pub mod openai;
