//! What the process knows: its environment, its files, the price table.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use llm_cost::PriceTable;
use llm_providers::resolve::Surroundings;
use llm_types::Map;

/// Without a lock, so that a forked child can always read it.
static PRICES: LazyLock<ArcSwap<PriceTable>> =
    LazyLock::new(|| ArcSwap::from_pointee(PriceTable::embedded().clone()));

/// This process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process;

/// The price table: the build's, with what was registered since.
pub fn prices() -> Arc<PriceTable> {
    PRICES.load_full()
}

/// Lays an entry over the price table, for everything in this process.
pub fn register_model(name: &str, fields: &Map) {
    PRICES.rcu(|table| {
        let mut table = PriceTable::clone(table);
        table.register(name, fields);
        table
    });
}

impl Surroundings for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        prices().provider_of(model).map(str::to_owned)
    }
}
