//! The vendors: one row each.

use crate::Provider;

mod bedrock;
mod openai;

/// Every backend.
pub const ALL: &[&Provider] = &[&bedrock::ROW, &openai::ROW];

/// The backend with this name or alias.
pub fn lookup(name: &str) -> Option<&'static Provider> {
    ALL.iter()
        .copied()
        .find(|row| row.name == name || row.aliases.contains(&name))
}
