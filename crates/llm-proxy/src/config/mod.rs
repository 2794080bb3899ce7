//! LiteLLM's `config.yaml`: what users write, read into what we run.

mod file;
pub mod keys;
mod node;
mod problem;

pub use node::At;
pub use problem::{Problem, Severity};
