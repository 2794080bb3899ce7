//! Every metric: its name, its labels, and what it counts.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    metrics::{
        MetricType, TypedMetric,
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Metric, Registry},
};

use super::{
    label::{Facts, Label, Labels},
    options::Options,
    own::OwnLabel,
};

pub(super) type Money = Counter<f64, AtomicU64>;
pub(super) type Level = Gauge<f64, AtomicU64>;

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    /// Its name; counters get `_total` behind it where they are read.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    labels: &'static [Label],
    /// What it counts.
    pub about: &'static str,
}

impl Described {
    /// The names of its labels.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.labels.iter().map(|label| label.name())
    }
}

/// One metric with its labels.
pub(super) struct Of<M, C = fn() -> M> {
    /// Nothing where it is left out.
    family: Option<Family<Labels, M, C>>,
    labels: Vec<Label>,
    /// The operator's own, where it is about requests.
    own: Arc<[OwnLabel]>,
    make: C,
}

/// Makes histograms.
#[derive(Clone)]
pub(super) struct Buckets(Arc<[f64]>);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl<M: Clone, C: MetricConstructor<M> + Clone> Of<M, C> {
    /// The series of these facts.
    pub(super) fn at(&self, facts: &Facts<'_>) -> M {
        match &self.family {
            Some(family) => family.get_or_create_owned(&facts.labels(&self.labels, &self.own)),
            None => self.make.new_metric(),
        }
    }

    /// Forgets every series.
    pub(super) fn clear(&self) {
        if let Some(family) = &self.family {
            family.clear();
        }
    }
}

fn of<M, C>(
    registry: &mut Registry,
    options: &Options,
    make: C,
    (name, help): (&str, &str),
    labels: &[Label],
) -> Of<M, C>
where
    M: Clone + TypedMetric + Send + Sync + 'static,
    C: MetricConstructor<M> + Clone + Send + Sync + 'static,
    Family<Labels, M, C>: Metric,
{
    let is_gauge = matches!(M::TYPE, MetricType::Gauge);
    let own = match labels.contains(&Label::Key) && !is_gauge {
        true => options.own.as_slice().into(),
        false => Arc::default(),
    };
    let labels = options.labels_of(name, labels);
    let family = labels.as_ref().map(|_| {
        let family = Family::new_with_constructor(make.clone());
        registry.register(name, help, family.clone());
        family
    });
    Of {
        family,
        labels: labels.unwrap_or_default(),
        own,
        make,
    }
}

macro_rules! families {
    ($($kind:ident { $($field:ident $name:literal $help:literal [$($label:ident)*])* })*) => {
        /// Every metric that has labels.
        pub(super) struct Families {
            $($(pub(super) $field: families!(@type $kind),)*)*
        }

        impl Families {
            /// What they are.
            pub(super) const ALL: &[Described] = &[$($(Described {
                name: $name,
                kind: families!(@kind $kind),
                labels: &[$(Label::$label,)*],
                about: $help,
            },)*)*];

            /// Registers all that are wanted.
            pub(super) fn new(registry: &mut Registry, options: &Options) -> Self {
                let buckets = Buckets(options.buckets.as_slice().into());
                Self {
                    $($($field: of(
                        registry,
                        options,
                        families!(@make $kind buckets),
                        ($name, $help),
                        &[$(Label::$label,)*],
                    ),)*)*
                }
            }
        }
    };
    (@kind count) => { "counter" };
    (@kind money) => { "counter" };
    (@kind level) => { "gauge" };
    (@kind time) => { "histogram" };
    (@type count) => { Of<Counter> };
    (@type money) => { Of<Money> };
    (@type level) => { Of<Level> };
    (@type time) => { Of<Histogram, Buckets> };
    (@make count $buckets:ident) => { Counter::default };
    (@make money $buckets:ident) => { Money::default };
    (@make level $buckets:ident) => { Level::default };
    (@make time $buckets:ident) => { $buckets.clone() };
}

families! {
    count {
        total_requests "litellm_proxy_total_requests_metric" "Requests, however they ended"
            [EndUser Key KeyAlias Requested Team TeamAlias User Status UserEmail Route ClientIp UserAgent ModelId Provider Org OrgAlias]
        failed_requests "litellm_proxy_failed_requests_metric" "Requests that brought no answer"
            [EndUser Key KeyAlias Requested Team TeamAlias User UserEmail ExceptionStatus ExceptionClass Route ClientIp UserAgent ModelId Provider Org OrgAlias]
        vendor_failures "litellm_llm_api_failed_requests_metric" "Requests that no vendor answered"
            [EndUser Key KeyAlias Model Team TeamAlias User ModelId]
        requests "litellm_requests_metric" "Answered requests"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail ClientIp UserAgent Requested ModelId Provider Org OrgAlias]
        total_tokens "litellm_total_tokens_metric" "Input and output tokens"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider Org OrgAlias]
        input_tokens "litellm_input_tokens_metric" "Input tokens"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider Org OrgAlias]
        output_tokens "litellm_output_tokens_metric" "Output tokens"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider Org OrgAlias]
        cached_tokens "litellm_input_cached_tokens_metric" "Input tokens from the vendor's cache"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider]
        cache_write_tokens "litellm_input_cache_creation_tokens_metric" "Input tokens written to the vendor's cache"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider]
        input_audio_tokens "litellm_input_audio_tokens_metric" "Input tokens of sound"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider]
        reasoning_tokens "litellm_output_reasoning_tokens_metric" "Output tokens spent on thinking"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider]
        output_audio_tokens "litellm_output_audio_tokens_metric" "Output tokens of sound"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider]
        images "litellm_images_generated_metric" "Images made"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider Org OrgAlias]
        batches_made "litellm_managed_batch_created" "Batches begun"
            [Model Provider User UserEmail KeyAlias]
        files_made "litellm_managed_file_created" "Files kept"
            [Model Provider User UserEmail KeyAlias]
        free_requests "litellm_zero_cost_requests" "Answered requests that cost nothing, and why"
            [Requested Model ModelId Provider Reason]
        deployment_requests "litellm_deployment_total_requests" "Attempts by deployment"
            [Group Requested ModelName ModelId ApiBase Provider Key KeyAlias Team TeamAlias ClientIp UserAgent]
        deployment_successes "litellm_deployment_success_responses" "Attempts that brought an answer"
            [Group Requested ModelName ModelId ApiBase Provider Key KeyAlias Team TeamAlias ClientIp UserAgent]
        deployment_failures "litellm_deployment_failure_responses" "Attempts that failed"
            [Group Requested ModelName ModelId ApiBase Provider ExceptionStatus ExceptionClass Key KeyAlias Team TeamAlias ClientIp UserAgent]
        deployment_cooled "litellm_deployment_cooled_down" "Rests after failures"
            [ModelName ModelId ApiBase Provider ExceptionStatus]
        fallbacks_succeeded "litellm_deployment_successful_fallbacks" "Answers by a fallback"
            [Requested Fallback Key KeyAlias Team TeamAlias ExceptionStatus ExceptionClass ModelId]
        fallbacks_failed "litellm_deployment_failed_fallbacks" "Fallbacks that failed too"
            [Requested Fallback Key KeyAlias Team TeamAlias ExceptionStatus ExceptionClass ModelId]
    }
    money {
        video_seconds "litellm_video_duration_seconds_metric" "Seconds of videos made"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail Requested ModelId Provider Org OrgAlias]
        spend "litellm_spend_metric" "US dollars"
            [EndUser Key KeyAlias Model Team TeamAlias User UserEmail ClientIp UserAgent Requested ModelId Provider Tier Org OrgAlias]
    }
    time {
        request_latency "litellm_request_total_latency_metric" "Seconds from a request to its end"
            [Group EndUser Key KeyAlias Requested Team TeamAlias User Model ModelId Provider Tier Org OrgAlias]
        api_latency "litellm_llm_api_latency_metric" "Seconds of it that the vendor took"
            [Group Model Key KeyAlias Team TeamAlias Requested EndUser User ModelId Provider Tier Org OrgAlias]
        first_token "litellm_llm_api_time_to_first_token_metric" "Seconds to a stream's first event"
            [Group Model Key KeyAlias Team TeamAlias Requested EndUser User ModelId Provider Tier Org OrgAlias]
        overhead "litellm_overhead_latency_metric" "Seconds that were not the vendor's"
            [Group Provider ApiBase ModelName Key KeyAlias ModelId]
        queue_time "litellm_request_queue_time_seconds" "Seconds from a request's arrival until it was let in"
            [EndUser Key KeyAlias Requested Team TeamAlias User Model ModelId Provider Org OrgAlias]
        per_output_token "litellm_deployment_latency_per_output_token" "The vendor's seconds by the tokens of its answer"
            [Group ModelName ModelId ApiBase Provider Key KeyAlias Team TeamAlias Org OrgAlias]
    }
    level {
        deployment_state "litellm_deployment_state" "0 healthy, 1 partial outage, 2 complete outage"
            [ModelName ModelId ApiBase Provider]
        deployment_rpm "litellm_deployment_rpm_limit" "Requests a minute that a deployment takes"
            [Group ModelName ModelId ApiBase Provider]
        deployment_tpm "litellm_deployment_tpm_limit" "Tokens a minute that a deployment takes"
            [Group ModelName ModelId ApiBase Provider]
        key_max "litellm_api_key_max_budget_metric" "US dollars that a key may spend" [Key KeyAlias]
        key_left "litellm_remaining_api_key_budget_metric" "US dollars that a key has left" [Key KeyAlias]
        key_hours "litellm_api_key_budget_remaining_hours_metric" "Hours until a key's budget begins anew" [Key KeyAlias]
        team_max "litellm_team_max_budget_metric" "US dollars that a team may spend" [Team TeamAlias]
        team_left "litellm_remaining_team_budget_metric" "US dollars that a team has left" [Team TeamAlias]
        team_hours "litellm_team_budget_remaining_hours_metric" "Hours until a team's budget begins anew" [Team TeamAlias]
        user_max "litellm_user_max_budget_metric" "US dollars that a user may spend" [User]
        user_left "litellm_remaining_user_budget_metric" "US dollars that a user has left" [User]
        user_hours "litellm_user_budget_remaining_hours_metric" "Hours until a user's budget begins anew" [User]
        org_max "litellm_org_max_budget_metric" "US dollars that an organization may spend" [Org OrgAlias]
        org_left "litellm_remaining_org_budget_metric" "US dollars that an organization has left" [Org OrgAlias]
        org_hours "litellm_org_budget_remaining_hours_metric" "Hours until an organization's budget begins anew" [Org OrgAlias]
        customer_max "litellm_customer_max_budget_metric" "US dollars that a customer may spend" [EndUser]
        customer_left "litellm_remaining_customer_budget_metric" "US dollars that a customer has left" [EndUser]
        customer_hours "litellm_customer_budget_remaining_hours_metric" "Hours until a customer's budget begins anew" [EndUser]
        provider_left "litellm_provider_remaining_budget_metric" "US dollars that a provider may still cost" [Provider]
        vendor_requests_left "litellm_remaining_requests_metric" "Requests that a vendor says it still takes"
            [Group Provider ApiBase ModelName Key KeyAlias ModelId]
        vendor_tokens_left "litellm_remaining_tokens_metric" "Tokens that a vendor says it still takes"
            [Group Provider ApiBase ModelName Key KeyAlias ModelId]
        model_requests_left "litellm_remaining_api_key_requests_for_model" "Requests of one model that a key has left" [Key KeyAlias Model ModelId]
        model_tokens_left "litellm_remaining_api_key_tokens_for_model" "Tokens of one model that a key has left" [Key KeyAlias Model ModelId]
        key_limit "litellm_api_key_rate_limit_allowed_metric" "What a key may ask for" [Key KeyAlias LimitKind]
        key_used "litellm_api_key_rate_limit_used_metric" "What of it is used" [Key KeyAlias LimitKind]
        team_limit "litellm_team_rate_limit_allowed_metric" "What a team may ask for" [Team TeamAlias LimitKind]
        team_used "litellm_team_rate_limit_used_metric" "What of it is used" [Team TeamAlias LimitKind]
        project_limit "litellm_project_model_rate_limit_allowed_metric" "What a project may ask of one model" [Project ProjectAlias Requested LimitKind]
        project_used "litellm_project_model_rate_limit_used_metric" "What of it is used" [Project ProjectAlias Requested LimitKind]
        users "litellm_total_users" "Users" []
        teams "litellm_teams_count" "Teams" []
    }
}
