//! Credential sources that are used again: a call that names its own credentials must not fetch a token of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use llm_providers::{Credential, Target, auth::CredentialSource};

/// How many are kept: more identities than one program has.
const MOST: usize = 64;

/// The sources of the calls so far. Without a lock, so that a forked child can always use it.
#[derive(Debug, Default)]
pub(crate) struct Sources(ArcSwap<Vec<Known>>);

/// A source and its recipe's number.
type Known = (u64, Arc<dyn CredentialSource>);

impl Sources {
    /// Gives `target` the source that an earlier call with the same recipe had.
    pub(crate) fn share(&self, target: &mut Target) {
        if let Credential::Source(source) = &mut target.credential {
            *source = self.known(source);
        }
    }

    fn known(&self, source: &Arc<dyn CredentialSource>) -> Arc<dyn CredentialSource> {
        let recipe = source.recipe();
        let find = |held: &[Known]| {
            let known = held.iter().find(|(number, _)| *number == recipe);
            known.map(|(_, source)| Arc::clone(source))
        };
        if let Some(known) = find(&self.0.load()) {
            return known;
        }
        self.0.rcu(|held| {
            let mut held = Vec::clone(held);
            // Another thread may have been quicker.
            if find(&held).is_none() {
                held.drain(..held.len().saturating_sub(MOST - 1));
                held.push((recipe, Arc::clone(source)));
            }
            held
        });
        find(&self.0.load()).unwrap_or_else(|| Arc::clone(source))
    }
}
