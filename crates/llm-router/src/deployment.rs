//! One target in a model group, with how it is to be used.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use llm_providers::{CallOptions, Target};
use llm_types::{JsonObject, Map};

use crate::{AccessWindow, Budget, OpenParams, Quota, TagPattern, state::Live, wildcard};

/// A target that answers for a model group.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Unique and stable over restarts.
    pub id: String,
    /// The public name it answers for; may contain `*`.
    pub group: String,
    /// Where requests go.
    pub target: Target,
    /// Request parameters where the caller gives none (`temperature`, `max_tokens`, ...).
    pub defaults: JsonObject,
    /// How parameters are treated where the caller does not say.
    pub options: CallOptions,
    /// Share of the traffic.
    pub weight: Option<f64>,
    /// What it may take. Requests and tokens a minute are also weights where nobody has one.
    pub quota: Quota,
    /// What a token costs, for strategies that look at it. The caller knows prices; the router compares them.
    pub price: Option<TokenPrice>,
    /// Lower ones are used first.
    pub order: Option<i64>,
    /// What it is for.
    pub tags: Vec<String>,
    /// Which clients it is for.
    pub tag_patterns: Vec<TagPattern>,
    /// Where it is: `eu`, `us`, or the vendor's name; `None`: where the target's settings say.
    pub region: Option<String>,
    /// What it may cost.
    pub budget: Option<Budget>,
    /// Hours in which it is for some teams alone.
    pub access_windows: Vec<AccessWindow>,
    /// It is switched off.
    pub blocked: bool,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// The same for requests that ask for a tier of service.
    pub tier_timeouts: BTreeMap<String, Timeouts>,
    /// Retries after its failures, where not the router's.
    pub num_retries: Option<u32>,
    /// How long it rests after failures, where not the router's time.
    pub cooldown: Option<Duration>,
    /// Failures that are tolerated, where not the router's number.
    pub allowed_fails: Option<u32>,
    /// What callers may bring of their own.
    pub open: OpenParams,
    /// What the configuration says of the model, verbatim.
    pub model_info: Map,
    /// The hash of the id, once a router has it.
    pub(crate) lot: u64,
    pub(crate) live: Arc<Live>,
}

/// What tokens cost, in nano-dollars for a million of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenPrice {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// Of a prompt that the vendor keeps from an earlier request, where that has a price of its own.
    pub cached: Option<u64>,
}

impl TokenPrice {
    /// What LiteLLM takes for a price that nobody knows: 5 dollars for a token.
    pub const UNKNOWN: Self = Self {
        input: 5_000_000_000_000_000,
        output: 5_000_000_000_000_000,
        cached: None,
    };
}

/// How long one attempt may take. `None`: no limit of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the first byte, and of a stream the first event that is part of the answer: text, thinking, a call.
    pub first_byte: Option<Duration>,
    /// Between two reads of a stream.
    pub stall: Option<Duration>,
    /// For a whole attempt. A stream may go on for longer as long as it brings something: for it, this is the limit of
    /// each wait, as LiteLLM's `timeout` is.
    pub total: Option<Duration>,
    /// The limit of each wait for a stream, instead of `total`.
    pub stream: Option<Duration>,
}

impl Timeouts {
    /// These, and `other` where these say nothing.
    pub fn or(self, other: Self) -> Self {
        Self {
            first_byte: self.first_byte.or(other.first_byte),
            stall: self.stall.or(other.stall),
            total: self.total.or(other.total),
            stream: self.stream.or(other.stream),
        }
    }
}

impl Timeouts {
    /// The limits of a stream: `stream` is that of each wait, none is of the whole.
    pub(crate) fn of_stream(self) -> Self {
        let each = self.stream.or(self.total);
        Self {
            first_byte: self.first_byte,
            stall: self.stall.or(each),
            total: None,
            stream: each,
        }
    }
}

impl Deployment {
    /// `target` answering for `group`, nothing else said.
    pub fn new(id: impl Into<String>, group: impl Into<String>, target: Target) -> Self {
        Self {
            id: id.into(),
            group: group.into(),
            target,
            defaults: JsonObject::new(),
            options: CallOptions::default(),
            weight: None,
            quota: Quota::default(),
            price: None,
            order: None,
            tags: Vec::new(),
            tag_patterns: Vec::new(),
            region: None,
            budget: None,
            access_windows: Vec::new(),
            blocked: false,
            timeouts: Timeouts::default(),
            tier_timeouts: BTreeMap::new(),
            num_retries: None,
            cooldown: None,
            allowed_fails: None,
            open: OpenParams::default(),
            model_info: Map::new(),
            lot: 0,
            live: Arc::default(),
        }
    }

    /// Whether `name` leads here: its group, a name that its group's stars match, or its id.
    pub fn answers_for(&self, name: &str) -> bool {
        self.group == name || self.id == name || wildcard::stars(&self.group, name).is_some()
    }
}
