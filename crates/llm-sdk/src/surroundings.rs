//! What the process knows: its environment, its files, the price table.

use llm_cost::PriceTable;
use llm_providers::resolve::Surroundings;

/// This process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process;

/// This process, with a price table of one's own.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a>(pub &'a PriceTable);

impl Surroundings for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        Around(PriceTable::embedded()).provider_of(model)
    }
}

impl Surroundings for Around<'_> {
    fn var(&self, name: &str) -> Option<String> {
        Process.var(name)
    }

    fn file(&self, path: &str) -> Option<String> {
        Process.file(path)
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        self.0.provider_of(model).map(str::to_owned)
    }
}
