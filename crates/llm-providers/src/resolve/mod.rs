//! From what a user writes (`groq/llama-3.3-70b`, an address, a key) to a [`Target`](crate::Target).

mod environment;
mod model;
mod target;

pub use environment::{Environment, validate_environment};
pub use model::provider;
pub use target::{is_login, is_place, target};

/// What a process knows besides the request: passed in, so that nothing here reads the environment by itself.
pub trait Surroundings: Sync {
    /// An environment variable (or a secret store's value of that name); empty counts as absent.
    fn var(&self, name: &str) -> Option<String>;

    /// A file's text: credentials files of clouds.
    fn file(&self, path: &str) -> Option<String>;

    /// The provider that a price table names for a bare model name.
    fn provider_of(&self, model: &str) -> Option<String>;
}

/// Surroundings where nothing is known: for what strangers say, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Option<String> {
        None
    }

    fn provider_of(&self, _: &str) -> Option<String> {
        None
    }
}

/// The first of these variables that is set and not empty.
pub(crate) fn first(names: &[&str], around: &dyn Surroundings) -> Option<String> {
    names
        .iter()
        .find_map(|name| around.var(name).filter(|value| !value.is_empty()))
}
