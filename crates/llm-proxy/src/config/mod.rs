//! LiteLLM's `config.yaml`: what users write, read into what we run.

mod alerting;
mod beside;
mod build;
mod deployments;
mod endpoints;
mod file;
mod governing;
mod identity;
pub mod keys;
mod limiting;
mod metrics;
mod model_list;
mod names;
mod node;
mod people;
mod problem;
mod routing;
mod sections;
mod vouching;

pub use build::load;
pub use node::At;
pub(crate) use people::settle;
pub use problem::{Problem, Severity};

#[cfg(test)]
mod tests;
