//! The vendors: one row each.

use crate::Provider;

mod gemini;
mod openai;

/// Every backend.
pub const ALL: &[&Provider] = &[&gemini::ROW, &openai::ROW];

/// The backend with this name or alias.
pub fn lookup(name: &str) -> Option<&'static Provider> {
    ALL.iter()
        .copied()
        .find(|row| row.name == name || row.aliases.contains(&name))
}
