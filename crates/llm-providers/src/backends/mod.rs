//! The vendors: one row each.

use crate::Provider;

mod cloudflare;
mod cohere;
mod databricks;
mod huggingface;
mod infinity;
mod jina_ai;
mod ollama;
mod ollama_chat;
mod openai;
mod replicate;
mod snowflake;
mod voyage;
mod watsonx;

/// Every backend.
pub const ALL: &[&Provider] = &[
    &cloudflare::ROW,
    &cohere::ROW,
    &databricks::ROW,
    &huggingface::ROW,
    &infinity::ROW,
    &jina_ai::ROW,
    &ollama::ROW,
    &ollama_chat::ROW,
    &openai::ROW,
    &replicate::ROW,
    &snowflake::ROW,
    &voyage::ROW,
    &watsonx::ROW,
];

/// The backend with this name or alias.
pub fn lookup(name: &str) -> Option<&'static Provider> {
    ALL.iter()
        .copied()
        .find(|row| row.name == name || row.aliases.contains(&name))
}
