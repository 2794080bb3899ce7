//! Splits a usage into classes of tokens that have their own price and overlap nowhere.

use llm_types::{CompletionDetails, PromptDetails, Usage};
use serde_json::Value;

use crate::Kind;

/// Tokens by class. Each side sums to exactly what the usage says in total; reasoning that a vendor counts beside its
/// output comes on top.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    pub(crate) input: Vec<(Kind, u64)>,
    pub(crate) output: Vec<(Kind, u64)>,
    /// What a breakdown claims beyond its total, by class.
    pub(crate) excess: Vec<(Kind, u64)>,
    /// What the grand total has beyond input and output.
    pub(crate) unattributed: u64,
}

impl Classes {
    /// `image_output` says that output without a breakdown is an image.
    pub(crate) fn of(usage: &Usage, image_output: bool) -> Self {
        let mut classes = Self {
            unattributed: usage
                .total_tokens
                .saturating_sub(usage.prompt_tokens.saturating_add(usage.completion_tokens)),
            ..Self::default()
        };
        classes.input = classes.split_input(usage);
        classes.output = classes.split_output(usage, image_output);
        classes
    }

    fn split_input(&mut self, usage: &Usage) -> Vec<(Kind, u64)> {
        let silent = PromptDetails::default();
        let details = usage.prompt_tokens_details.as_ref().unwrap_or(&silent);
        let within_cache = |kind: &str| {
            let own = details.extra.get("cached_tokens_details");
            own.and_then(|own| own.get(kind)?.as_u64()).unwrap_or(0)
        };
        let (audio, image) = (within_cache("audio_tokens"), within_cache("image_tokens"));
        let (five_minutes, one_hour) = cache_write(usage);
        let cached = usage.cached_tokens();

        let mut left = Remainder::new(usage.prompt_tokens);
        left.take(Kind::CacheReadAudio, audio.min(cached));
        left.take(
            Kind::CacheReadImage,
            image.min(cached.saturating_sub(audio)),
        );
        left.take(
            Kind::CacheRead,
            cached.saturating_sub(audio).saturating_sub(image),
        );
        left.take(Kind::CacheWrite1h, one_hour);
        left.take(Kind::CacheWrite, five_minutes);
        self.excess.append(&mut left.excess);
        left.take(Kind::InputAudio, details.audio_tokens.saturating_sub(audio));
        left.take(
            Kind::InputImageToken,
            details.image_tokens.saturating_sub(image),
        );
        left.take(Kind::InputVideoToken, details.video_tokens);
        // A modality's tokens may be among the cached ones without the vendor saying so: that is no contradiction.
        if cached == 0 {
            self.excess.append(&mut left.excess);
        }
        left.rest(Kind::Input)
    }

    fn split_output(&mut self, usage: &Usage, image_output: bool) -> Vec<(Kind, u64)> {
        let silent = CompletionDetails::default();
        let details = usage.completion_tokens_details.as_ref().unwrap_or(&silent);
        let no_breakdown = details.image_tokens == 0 && details.text_tokens.is_none();
        let mut output = usage.completion_tokens;
        // xAI's output does not contain its reasoning; the grand total shows it.
        if self.unattributed > 0 && self.unattributed == details.reasoning_tokens {
            output = output.saturating_add(self.unattributed);
            self.unattributed = 0;
        }
        let mut left = Remainder::new(output);
        left.take(Kind::OutputAudio, details.audio_tokens);
        left.take(Kind::OutputImageToken, details.image_tokens);
        left.take(Kind::OutputVideoToken, details.video_tokens);
        left.take(Kind::Reasoning, details.reasoning_tokens);
        self.excess.append(&mut left.excess);
        left.rest(match image_output && no_breakdown {
            true => Kind::OutputImageToken,
            false => Kind::Output,
        })
    }
}

/// What is left of a total while its parts are taken from it.
struct Remainder {
    left: u64,
    taken: Vec<(Kind, u64)>,
    excess: Vec<(Kind, u64)>,
}

impl Remainder {
    fn new(total: u64) -> Self {
        Self {
            left: total,
            taken: Vec::new(),
            excess: Vec::new(),
        }
    }

    fn take(&mut self, kind: Kind, wanted: u64) {
        let taken = wanted.min(self.left);
        self.left -= taken;
        if taken > 0 {
            self.taken.push((kind, taken));
        }
        if wanted > taken {
            self.excess.push((kind, wanted - taken));
        }
    }

    /// The text is what is left, whatever a breakdown calls text: nothing is dropped, nothing counts twice.
    fn rest(mut self, kind: Kind) -> Vec<(Kind, u64)> {
        self.take(kind, self.left);
        self.taken
    }
}

/// Tokens written for five minutes and for an hour. The total and its breakdown can disagree: the larger one counts,
/// and what has no lifetime is taken for the usual five minutes.
fn cache_write(usage: &Usage) -> (u64, u64) {
    let details = usage.prompt_tokens_details.as_ref();
    let own = |name: &str| {
        let entry = usage.extra.get("cache_creation")?;
        entry.get(name).and_then(Value::as_u64)
    };
    let (five_minutes, one_hour) = match details.and_then(|d| d.cache_creation_token_details) {
        Some(write) => (
            write.ephemeral_5m_input_tokens,
            write.ephemeral_1h_input_tokens,
        ),
        None => (
            own("ephemeral_5m_input_tokens").unwrap_or(0),
            own("ephemeral_1h_input_tokens").unwrap_or(0),
        ),
    };
    let total = usage
        .cache_write_tokens()
        .max(five_minutes.saturating_add(one_hour));
    (total - one_hour.min(total), one_hour)
}

#[cfg(test)]
mod tests {
    use llm_types::Usage;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn usage(value: Value) -> Usage {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn text_is_what_the_other_classes_leave() {
        let classes = Classes::of(
            &usage(json!({
                "prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300,
                "prompt_tokens_details": {
                    "cached_tokens": 400, "audio_tokens": 100, "text_tokens": 20,
                    "cache_creation_tokens": 250,
                    "cache_creation_token_details": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 80},
                    "cached_tokens_details": {"text_tokens": 340, "audio_tokens": 60},
                },
                "completion_tokens_details": {"reasoning_tokens": 120, "audio_tokens": 30},
            })),
            false,
        );
        assert_eq!(
            classes.input,
            [
                (Kind::CacheReadAudio, 60),
                (Kind::CacheRead, 340),
                (Kind::CacheWrite1h, 80),
                (Kind::CacheWrite, 170),
                (Kind::InputAudio, 40),
                (Kind::Input, 310),
            ]
        );
        assert_eq!(
            classes.output,
            [
                (Kind::OutputAudio, 30),
                (Kind::Reasoning, 120),
                (Kind::Output, 150)
            ]
        );
        assert_eq!((classes.excess, classes.unattributed), (vec![], 0));
    }

    #[test]
    fn reasoning_beside_the_output_is_found_in_the_grand_total() {
        let classes = Classes::of(
            &usage(json!({
                "prompt_tokens": 133, "completion_tokens": 9, "total_tokens": 280,
                "completion_tokens_details": {"reasoning_tokens": 138},
            })),
            false,
        );
        assert_eq!(classes.output, [(Kind::Reasoning, 138), (Kind::Output, 9)]);
        assert_eq!((classes.excess, classes.unattributed), (vec![], 0));
    }

    #[test]
    fn contradictions_are_told() {
        let classes = Classes::of(
            &usage(json!({
                "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40,
                "prompt_tokens_details": {"cached_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 9},
            })),
            false,
        );
        assert_eq!(classes.input, [(Kind::CacheRead, 10)]);
        assert_eq!(classes.output, [(Kind::Reasoning, 5)]);
        assert_eq!(
            classes.excess,
            [(Kind::CacheRead, 20), (Kind::Reasoning, 4)]
        );
        assert_eq!(classes.unattributed, 25);
    }

    proptest! {
        #[test]
        fn every_token_is_in_one_class(
            prompt in 0u64..1 << 40, completion in 0u64..1 << 40,
            cached in 0u64..1 << 41, written in any::<u64>(), hour in any::<u64>(),
            audio in any::<u64>(), image in any::<u64>(), cached_audio in any::<u64>(), reasoning in any::<u64>(),
        ) {
            let usage = usage(json!({
                "prompt_tokens": prompt, "completion_tokens": completion,
                "prompt_tokens_details": {
                    "cached_tokens": cached, "audio_tokens": audio, "image_tokens": image,
                    "cache_creation_tokens": written,
                    "cache_creation_token_details": {"ephemeral_1h_input_tokens": hour},
                    "cached_tokens_details": {"audio_tokens": cached_audio},
                },
                "completion_tokens_details": {"reasoning_tokens": reasoning, "image_tokens": image},
            }));
            let classes = Classes::of(&usage, false);
            prop_assert_eq!(classes.input.iter().map(|c| c.1).sum::<u64>(), prompt);
            prop_assert_eq!(classes.output.iter().map(|c| c.1).sum::<u64>(), completion);
        }
    }
}
