//! What is asked of a router.

use std::{collections::BTreeMap, time::Duration};

use llm_providers::Kind;

use crate::{Fallback, RetryPolicy, Timeouts, hash};

/// What is asked of a router. Owned, so that a stream can ask again long after the request is read.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// A group, an alias, a deployment's id, or a name that a pattern matches.
    pub model: String,
    /// Whether the answer is streamed: other time limits hold.
    pub stream: bool,
    /// The id of the deployment that is asked first, if it can be.
    pub prefer: Option<String>,
    /// Attempts after the first, where the request says so.
    pub num_retries: Option<u32>,
    /// Attempts after the first by class of error, over those of the settings.
    pub retry_policy: RetryPolicy,
    /// Groups to fall back to, where the request says so.
    pub fallbacks: Option<Vec<Fallback>>,
    /// The same where the prompt is too long.
    pub context_window_fallbacks: Option<Vec<Fallback>>,
    /// The same where the content is refused.
    pub content_policy_fallbacks: Option<Vec<Fallback>>,
    /// No fallbacks at all.
    pub disable_fallbacks: bool,
    /// Time limits of the request, over those of the configuration.
    pub timeouts: Timeouts,
    /// The tier of service that the request asks its vendor for: deployments may have time limits for it.
    pub service_tier: Option<String>,
    /// How long the request may take with all its attempts and waits, where it says so.
    pub deadline: Option<Duration>,
    /// Tokens of the prompt, about; 0 where nobody counted.
    pub prompt_tokens: u64,
    /// Tokens of the answer, at most, where the request says so.
    pub max_tokens: Option<u64>,
    /// What the request is tagged with.
    pub tags: Vec<String>,
    /// Those of the tags that come with the caller's key or team.
    pub inherited_tags: Vec<String>,
    /// Tags decide even where the settings do not say so.
    pub tag_filtering: bool,
    /// Lower goes first where there is a queue.
    pub priority: Option<i64>,
    /// Whose key it came with: what clients cannot make up.
    pub caller: Option<String>,
    /// The team that it came from, where somebody vouches for it.
    pub team: Option<String>,
    /// Who asks: the same one is given the same side of a split, and may be kept at one deployment.
    pub user: Option<String>,
    /// The conversation it belongs to.
    pub session: Option<String>,
    /// What the conversation's cacheable beginning is known by.
    pub prefix: Option<u64>,
    /// Parameters of the request that not every model knows, by OpenAI's names.
    pub params: Vec<String>,
    /// Parameters that a model does not know are dropped for it.
    pub drop_params: bool,
    /// Another strategy for this request, by its name; a name that means nothing changes nothing.
    pub strategy: Option<String>,
    /// Shares of the traffic for this request, by group and deployment: LiteLLM's `_router_weights`. They go before all
    /// that is configured, and who is not among a group's has none.
    pub weights: BTreeMap<String, BTreeMap<String, f64>>,
    /// The region that must answer.
    pub region: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// Records what each candidate was worth.
    pub explain: bool,
    /// It brings a key or an address of its own: its failures say nothing of the deployment.
    pub blameless: bool,
    /// The first group fails in this way, for a rehearsal.
    pub rehearse: Option<Kind>,
}

impl Ask {
    /// Asks for `model`, everything else as configured.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            ..Self::default()
        }
    }

    /// A [prefix](Self::prefix) from the parts of a conversation's beginning.
    pub fn prefix_of(parts: &[&[u8]]) -> u64 {
        let hashes = parts.iter().map(|part| hash::of(part));
        hashes.fold(0, hash::both)
    }
}
