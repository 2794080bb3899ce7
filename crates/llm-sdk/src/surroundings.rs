//! What the process knows: its environment, its files, the price table.

use llm_cost::PriceTable;
use llm_providers::resolve::Surroundings;

/// This process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process;

impl Surroundings for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        PriceTable::embedded().provider_of(model).map(str::to_owned)
    }
}
