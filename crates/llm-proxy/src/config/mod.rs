//! LiteLLM's `config.yaml`: what users write, read into what we run.

mod alerting;
mod beside;
mod build;
mod deployments;
mod endpoints;
mod file;
mod governing;
pub mod keys;
mod metrics;
mod model_list;
mod names;
mod node;
mod problem;
mod routing;
mod sections;

pub use build::load;
pub use node::At;
pub use problem::{Problem, Severity};

#[cfg(test)]
mod tests;
