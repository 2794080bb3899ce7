use super::Object;
use crate::{Account, Json, Moment, Scope, record::table};
use llm_cost::NanoDollars;

table! {
    /// One request that reached a provider: what it used, what that cost, and whose money it was.
    SpendRow in "spend", key [id],
    by [api_key, user_id, team_id, end_user, request_id, session_id, model, model_id, status],
    then whole, brief as BriefRow of "SpendRow";
    /// Ours: providers reuse theirs.
    id: String,
    /// The provider's id of the answer.
    request_id: Option<String>,
    /// The id that the client knows the request by.
    #[serde(rename = "litellm_call_id")]
    call_id: Option<String>,
    /// Requests that belong together.
    session_id: Option<String>,
    /// The operation.
    call_type: String,
    /// The status that a failure was answered with.
    error_code: Option<String>,
    /// What kind of failure it was.
    error_class: Option<String>,
    /// `success`, `failure`, or `unknown` when nobody saw how it ended.
    status: String,
    /// The hash of the key.
    api_key: String,
    /// The user.
    #[serde(rename = "user")]
    user_id: Option<String>,
    /// The team.
    team_id: Option<String>,
    /// The organization.
    organization_id: Option<String>,
    /// The project.
    project_id: Option<String>,
    /// The customer.
    end_user: Option<String>,
    /// The agent.
    agent_id: Option<String>,
    /// The request's tags.
    request_tags: Vec<String>,
    /// The model that answered.
    model: String,
    /// The deployment that answered.
    model_id: Option<String>,
    /// The name that was asked for.
    model_group: Option<String>,
    /// The provider that answered.
    #[serde(rename = "custom_llm_provider")]
    provider: String,
    /// Where it was asked.
    api_base: Option<String>,
    /// What it cost.
    #[serde(with = "crate::dollars")]
    spend: NanoDollars,
    /// The digest of the prices it was computed with.
    price_digest: Option<String>,
    /// Why a part of it could not be priced.
    price_gap: Option<String>,
    /// The usage as the provider reported it, so that it can be priced again.
    #[serde(rename = "usage")]
    usage_value: Option<Json>,
    /// All tokens.
    total_tokens: i64,
    /// Tokens of the prompt.
    prompt_tokens: i64,
    /// Tokens of the answer.
    completion_tokens: i64,
    /// Tokens of the prompt that came from the provider's cache.
    cache_read_input_tokens: i64,
    /// Tokens of the prompt that went to the provider's cache.
    cache_creation_input_tokens: i64,
    /// When it began.
    #[serde(rename = "startTime")]
    start_time: Moment,
    /// When it ended.
    #[serde(rename = "endTime")]
    end_time: Moment,
    /// When the answer began.
    #[serde(rename = "completionStartTime")]
    completion_start_time: Option<Moment>,
    /// Whether the gateway's cache answered.
    cache_hit: bool,
    /// The key in that cache.
    cache_key: Option<String>,
    /// Where the client was.
    requester_ip_address: Option<String>,
    /// Free JSON.
    metadata: Object,
    /// Every account it was charged to.
    accounts: Vec<Account>,
}

impl SpendRow {
    /// The id that an account of this scope has if it is the row's own.
    pub(crate) fn own_id(&self, scope: Scope) -> Option<&String> {
        match scope {
            Scope::Key => Some(&self.api_key),
            Scope::User => self.user_id.as_ref(),
            Scope::Team => self.team_id.as_ref(),
            Scope::Organization => self.organization_id.as_ref(),
            Scope::Project => self.project_id.as_ref(),
            Scope::Customer => self.end_user.as_ref(),
            _ => None,
        }
    }

    /// The row as it was read, with the ids of its accounts.
    pub(crate) fn whole(mut self) -> Self {
        let mut accounts = std::mem::take(&mut self.accounts);
        for account in accounts.iter_mut().filter(|account| account.id.is_empty()) {
            let own = self.own_id(account.scope);
            account.id = own.cloned().unwrap_or_default();
        }
        self.accounts = accounts;
        self
    }
}

table! {
    /// The sums of one day for one combination of entity, key, model, provider and operation, or coarser ones.
    SpendDay in "spend_days",
    key [dimension, day, entity, api_key, model, model_group, provider, endpoint],
    by [dimension, entity, day, api_key, model];
    /// The day in UTC, as `2026-11-21`.
    #[serde(rename = "date")]
    day: String,
    /// What kind of entity: `user`, `team`, `organization`, `customer` or `tag`. Each row counts once under `user`.
    /// `all` has no entity and no key; `key_total`, `user_total` and so on have nothing but the entity.
    dimension: String,
    /// Which one; empty if the request had none.
    entity: String,
    /// The hash of the key.
    api_key: String,
    /// The model that answered.
    model: String,
    /// The name that was asked for.
    model_group: String,
    /// The provider that answered.
    #[serde(rename = "custom_llm_provider")]
    provider: String,
    /// The operation.
    endpoint: String,
    /// What it cost.
    #[serde(with = "crate::dollars")]
    spend: NanoDollars,
    /// Tokens of prompts.
    prompt_tokens: i64,
    /// Tokens of answers.
    completion_tokens: i64,
    /// All tokens.
    total_tokens: i64,
    /// Tokens of prompts that came from the provider's cache.
    cache_read_input_tokens: i64,
    /// Tokens of prompts that went to the provider's cache.
    cache_creation_input_tokens: i64,
    /// Requests.
    api_requests: i64,
    /// Requests that succeeded.
    successful_requests: i64,
    /// Requests that did not.
    failed_requests: i64,
    /// How long they took together.
    total_response_time_ms: i64,
    /// How many of them were timed.
    timed_requests: i64,
    /// Requests that the gateway's cache answered.
    cache_hits: i64,
    /// Tokens of those answers.
    cached_completion_tokens: i64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Charged;

    #[test]
    fn what_is_empty_is_not_written_and_reads_the_same() {
        let charged = Charged {
            row: SpendRow {
                id: "1".to_owned(),
                provider: "openai".to_owned(),
                spend: NanoDollars(5),
                start_time: Moment(1_795_271_225_123),
                ..SpendRow::default()
            },
            ..Charged::default()
        };
        let written = serde_json::to_value(&charged).unwrap();
        let row = json!({
            "id": "1", "custom_llm_provider": "openai", "spend": 5e-9,
            "startTime": "2026-11-21T14:27:05.123Z",
        });
        assert_eq!(written["row"], row);
        assert_eq!(serde_json::from_value::<Charged>(written).unwrap(), charged);
    }
}
