//! LiteLLM's `config.yaml`: what users write, read into what we run.

mod build;
mod file;
pub mod keys;
mod node;
mod problem;

pub use build::load;
pub use node::At;
pub use problem::{Problem, Severity};
