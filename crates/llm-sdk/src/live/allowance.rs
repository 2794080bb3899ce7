//! Money for the answers of a session: held before each of them, and for what the session has cost so far.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use llm_cost::NanoDollars;
use llm_providers::live::Said;
use llm_types::{CompletionDetails, PromptDetails, Usage};
use memchr::memmem;
use serde::Deserialize;

use super::Consumed;
use crate::{
    Bound,
    bound::{UNLIMITED, is_free},
    price::Rates,
};

/// Whoever pays for a session.
pub trait Allowance: Send + Sync + fmt::Debug {
    /// Holds what an answer may cost, besides what is held already.
    fn hold(&self, bound: Bound) -> Paying<'_, Result<(), Denied>>;

    /// No answer is under way: the session cost this so far, and nothing else is held for it.
    fn spent(&self, total: NanoDollars) -> Paying<'_, ()>;
}

/// What an [`Allowance`] answers.
pub type Paying<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why an answer is not paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The kind of error, as clients see it.
    pub kind: &'static str,
    /// What is said.
    pub message: String,
    /// Whether there is no use in asking again.
    pub ends: bool,
}

/// A token of sound has more bytes than that of base64: a tenth of a second of OpenAI's coarsest sound has 1,067, a 32nd of
/// Google's 1,333.
const SOUND_BYTES_A_TOKEN: u64 = 1_000;

/// Tokens of sound that are paid for beforehand: more than a minute and a half.
const AHEAD: u64 = 1_024;

/// Events that make no vendor answer.
const IDLE: [&str; 10] = [
    "session.update",
    "transcription_session.update",
    "conversation.item.create",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "input_audio_buffer.clear",
    "output_audio_buffer.clear",
    "response.cancel",
    "error",
];

/// Watches a session, and pays for its answers.
pub(super) struct Meter<'a> {
    allowance: &'a dyn Allowance,
    rates: &'a Rates,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Answers that are paid for.
    paid: u64,
    /// Answers that were asked for and have not begun.
    asked: u64,
    /// Answers that have begun.
    begun: u64,
    /// Tokens of the conversation so far.
    context: u64,
    /// Bytes that were said since.
    text: u64,
    sound: u64,
    /// Tokens of sound that are paid for.
    ahead: u64,
    counted: u64,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    response: Option<Wanted>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    max_output_tokens: Option<serde_json::Value>,
    max_response_output_tokens: Option<serde_json::Value>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(allowance: &'a dyn Allowance, rates: &'a Rates) -> Self {
        Self {
            allowance,
            rates,
            state: Mutex::default(),
        }
    }

    /// The client says something: what that may cost is held before it goes on.
    pub(super) async fn client_says(&self, said: &Said) -> Result<(), Denied> {
        let (Said::Text(bytes) | Said::Binary(bytes)) = said;
        let event = serde_json::from_slice::<Event>(bytes).ok();
        // What cannot be read may mean anything.
        let kind = event.as_ref().map_or("", |event| event.kind.as_str());
        let is_asked = kind == "response.create";
        let Some((bound, is_new)) = self.with(|state| {
            let is_sound = kind == "input_audio_buffer.append";
            match is_sound {
                true => state.sound += bytes.len() as u64,
                false => state.text += bytes.len() as u64,
            }
            if IDLE.contains(&kind) {
                return None;
            }
            state.asked += u64::from(is_asked);
            let wanted = (state.asked + state.begun).max(1);
            let sound = state.sound / SOUND_BYTES_A_TOKEN;
            let is_new = state.paid < wanted;
            if !is_new && sound <= state.ahead {
                return None;
            }
            state.ahead = sound + AHEAD;
            state.paid = state.paid.max(wanted);
            let bound = match (is_new, event.as_ref()) {
                (true, event) => self.bound(state.input() + AHEAD, event.and_then(most)),
                // What is said goes on, as long as there is anything left.
                (false, _) => match self.bound(AHEAD, Some(0)) {
                    Bound::AtMost(amount) => Bound::About(amount),
                    bound => bound,
                },
            };
            Some((bound, is_new))
        }) else {
            return Ok(());
        };
        let held = self.allowance.hold(bound).await;
        if held.is_err() {
            self.with(|state| {
                state.asked = state.asked.saturating_sub(u64::from(is_asked));
                state.paid = state.paid.saturating_sub(u64::from(is_new));
            });
        }
        held
    }

    /// The client is told something: an answer begins, or ends.
    pub(super) async fn client_hears(
        &self,
        said: &[Said],
        consumed: impl Fn() -> Consumed,
    ) -> Result<(), Denied> {
        for said in said {
            let (Said::Text(bytes) | Said::Binary(bytes)) = said;
            let words: [&[u8]; 3] = [
                b"response.",
                b"input_audio_transcription.completed",
                b"\"error\"",
            ];
            let says = |word: &[u8]| memmem::find(bytes, word).is_some();
            let is_delta = says(b".delta\"");
            if is_delta || !words.into_iter().any(says) {
                continue;
            }
            let Ok(event) = serde_json::from_slice::<Event>(bytes) else {
                continue;
            };
            match event.kind.as_str() {
                "response.created" => {
                    let unpaid = self.with(|state| {
                        state.asked = state.asked.saturating_sub(1);
                        state.begun += 1;
                        let unpaid = state.paid < state.begun;
                        state.paid = state.paid.max(state.begun);
                        unpaid.then(|| self.bound(state.input(), None))
                    });
                    if let Some(bound) = unpaid {
                        self.allowance.hold(bound).await?;
                    }
                }
                "response.done" => {
                    self.with(|state| state.begun = state.begun.saturating_sub(1));
                    self.settle(&consumed()).await;
                }
                // It may be an answer that will not begin; should it begin after all, it is paid for then.
                "error" => {
                    self.with(|state| state.asked = state.asked.saturating_sub(1));
                    self.settle(&consumed()).await;
                }
                kind if kind.ends_with("input_audio_transcription.completed") => {
                    self.settle(&consumed()).await;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the session has cost is held instead of what it might, unless an answer is still to come.
    async fn settle(&self, consumed: &Consumed) {
        let total = consumed.total().map_or(0, |usage| usage.total_tokens);
        let is_quiet = self.with(|state| {
            let last = total.saturating_sub(state.counted);
            state.counted = total;
            state.context = state.context.max(last);
            let is_quiet = state.asked + state.begun == 0;
            if is_quiet {
                (state.paid, state.text, state.sound, state.ahead) = (0, 0, 0, 0);
            }
            is_quiet
        });
        if is_quiet {
            let spent = consumed.charge(self.rates).total().unwrap_or_default();
            self.allowance.spent(spent).await;
        }
    }

    /// What an answer may cost: all of it sound, or all of it text, whichever is dearer.
    fn bound(&self, input: u64, output: Option<u64>) -> Bound {
        let facts = &self.rates.deployment.target.facts;
        let input = input.min(facts.max_input_tokens.unwrap_or(u64::MAX));
        let longest = facts.max_output_tokens.unwrap_or(UNLIMITED);
        let text = Usage::new(input, output.unwrap_or(longest));
        let sound = Usage {
            prompt_tokens_details: Some(PromptDetails {
                audio_tokens: text.prompt_tokens,
                ..PromptDetails::default()
            }),
            completion_tokens_details: Some(CompletionDetails {
                audio_tokens: text.completion_tokens,
                ..CompletionDetails::default()
            }),
            ..text.clone()
        };
        let charges = [&text, &sound].map(|usage| self.rates.charge(Some(usage)));
        if charges.iter().any(is_free) {
            return Bound::Free;
        }
        match charges.iter().filter_map(|charge| charge.total()).max() {
            None => Bound::Unpriced,
            Some(total) if output.is_some() => Bound::AtMost(total),
            Some(total) => Bound::About(total),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn input(&self) -> u64 {
        // As in other requests, a text has no more tokens than bytes.
        let sound = self.sound.div_ceil(SOUND_BYTES_A_TOKEN);
        self.context.saturating_add(self.text).saturating_add(sound)
    }
}

/// How long the client lets an answer get.
fn most(event: &Event) -> Option<u64> {
    let wanted = event.response.as_ref()?;
    let most = wanted.max_output_tokens.as_ref();
    most.or(wanted.max_response_output_tokens.as_ref())?
        .as_u64()
}
