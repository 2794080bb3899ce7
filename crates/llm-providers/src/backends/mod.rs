//! The vendors: one row each.

use crate::Provider;

mod cohere;
mod ollama;
mod ollama_chat;
mod openai;

/// Every backend.
pub const ALL: &[&Provider] = &[&cohere::ROW, &ollama::ROW, &ollama_chat::ROW, &openai::ROW];

/// The backend with this name or alias.
pub fn lookup(name: &str) -> Option<&'static Provider> {
    ALL.iter()
        .copied()
        .find(|row| row.name == name || row.aliases.contains(&name))
}
