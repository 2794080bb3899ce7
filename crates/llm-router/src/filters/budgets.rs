//! Leaving out whose money is spent.

use std::collections::BTreeMap;

use crate::{Budget, Field, Filter, Reason, View, spending::Scope};

/// What providers and tags may cost. A deployment has its own [budget](crate::Deployment::budget).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Provider, by the name in front of its models -> its budget: LiteLLM's `provider_budget_config`.
    pub providers: BTreeMap<String, Budget>,
    /// Tag of requests -> its budget: LiteLLM's `tag_budget_config`.
    pub tags: BTreeMap<String, Budget>,
}

impl Filter for Budgets {
    fn apply(&self, field: &mut Field<'_>, view: &View<'_>) {
        if !view.traits.budgets && self.providers.is_empty() && self.tags.is_empty() {
            return;
        }
        let spending = view.spending;
        let over = |scope: Scope, name: &str, budget: Option<&Budget>| {
            spending.over(scope, name, budget?, view.now)
        };
        let tag = |tag: &String| over(Scope::Tag, tag, self.tags.get(tag));
        let of_tags = if self.tags.is_empty() {
            None
        } else {
            view.ask.tags.iter().filter_map(tag).max()
        };
        field.skip(|deployment| {
            let provider = deployment.target.provider.name;
            let own = [
                over(
                    Scope::Deployment,
                    &deployment.id,
                    deployment.budget.as_ref(),
                ),
                over(Scope::Provider, provider, self.providers.get(provider)),
                of_tags,
            ];
            let until = own.into_iter().flatten().max()?;
            Some(Reason::Budget {
                millis: view
                    .now
                    .until(until)
                    .as_millis()
                    .try_into()
                    .unwrap_or(u64::MAX),
            })
        });
    }
}
