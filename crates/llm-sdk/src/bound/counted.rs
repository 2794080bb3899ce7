//! How many tokens a prompt truly has, where that is known: asked where the coarse figure does not fit.

use llm_cost::Vocabulary;
use llm_types::JsonObject;
use serde_json::Value;

use super::{FRAME, tools};
use crate::attached::Attached;

/// Longer prompts are not counted: a megabyte takes a tenth of a second.
const LONGEST: usize = 1 << 20;

/// What vendors add for a message, an item of a list and a property of a tool, besides their words: OpenAI documents
/// three for a message, one for its name, and up to twelve for a function, whose JSON has three objects.
const EACH: u64 = 4;

/// A prompt that can be counted.
#[derive(Debug, Clone)]
pub struct Counting {
    body: JsonObject,
    vocabularies: Vec<Vocabulary>,
}

/// Tokens of one prompt, by vocabulary. Models with another one are held for its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted(Vec<(Vocabulary, u64)>);

impl Counting {
    /// `body` as it is for these models; `None` where nobody's vocabulary is known, or it is too long.
    pub(super) fn of<'a>(
        body: &JsonObject,
        attached: Attached,
        models: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let mut vocabularies = Vec::new();
        for vocabulary in models.filter_map(Vocabulary::of) {
            if !vocabularies.contains(&vocabulary) {
                vocabularies.push(vocabulary);
            }
        }
        let pictures = usize::try_from(attached.bytes).unwrap_or(usize::MAX);
        let bytes: usize = body.iter().map(|(_, value)| value.len()).sum();
        let fits = bytes.saturating_sub(pictures) <= LONGEST;
        (fits && !vocabularies.is_empty()).then(|| Self {
            body: body.clone(),
            vocabularies,
        })
    }

    /// As if there were nothing to count: what does not fit then is not worth counting.
    pub fn least(&self) -> Counted {
        Counted(self.vocabularies.iter().map(|one| (*one, 0)).collect())
    }

    /// Counts. That takes long, and a vocabulary is slow to load.
    pub fn count(&self) -> Counted {
        let fields: Vec<(&str, Value)> = self
            .body
            .iter()
            .map(|(key, raw)| (key, serde_json::from_slice(raw).unwrap_or_default()))
            .collect();
        let around = FRAME + tools(&self.body);
        let count = |vocabulary: &Vocabulary| {
            let fields = fields.iter().map(|(key, value)| {
                let tally = Tally {
                    vocabulary: *vocabulary,
                    brought: Attached::brought(key, value),
                };
                vocabulary.count(key) + tally.of(value)
            });
            (*vocabulary, around + fields.sum::<u64>())
        };
        Counted(self.vocabularies.iter().map(count).collect())
    }
}

impl Counted {
    /// How many they are for `model`.
    pub(super) fn of(&self, model: &str) -> Option<u64> {
        let vocabulary = Vocabulary::of(model)?;
        let mut known = self.0.iter();
        known.find_map(|(one, tokens)| (*one == vocabulary).then_some(*tokens))
    }
}

struct Tally<'v> {
    vocabulary: Vocabulary,
    /// Pictures, which are paid for as such.
    brought: Vec<&'v str>,
}

impl Tally<'_> {
    fn of(&self, value: &Value) -> u64 {
        match value {
            Value::Null | Value::Bool(_) => 1,
            Value::Number(number) => self.vocabulary.count(&number.to_string()),
            Value::String(text) if self.is_brought(text) => 0,
            Value::String(text) => self.vocabulary.count(text),
            Value::Array(all) => all.iter().map(|one| self.item(one)).sum(),
            Value::Object(all) => {
                let fields = all
                    .iter()
                    .map(|(key, value)| self.vocabulary.count(key) + self.of(value));
                2 * EACH + fields.sum::<u64>()
            }
        }
    }

    fn item(&self, value: &Value) -> u64 {
        match value {
            // A token, or a word that is one.
            Value::Number(_) => self.of(value),
            _ => EACH + self.of(value),
        }
    }

    fn is_brought(&self, text: &str) -> bool {
        self.brought.iter().any(|one| std::ptr::eq(*one, text))
    }
}

#[cfg(test)]
mod tests {
    use llm_cost::{MessageOptions, count_messages};
    use serde_json::json;

    use super::*;

    fn counted(body: &Value) -> u64 {
        let body = JsonObject::from_serialize(body).unwrap();
        let counting = Counting::of(&body, Attached::of(&body), ["gpt-4o"].into_iter()).unwrap();
        counting.count().of("openai/gpt-4o").unwrap()
    }

    #[test]
    fn a_count_is_never_less_than_what_the_vendor_counts_and_not_much_more() {
        let tools = json!([{"type": "function", "function": {"name": "weather", "description": "of a place",
            "parameters": {"type": "object", "properties": {
                "place": {"type": "string", "enum": ["Rome", "Oslo", "Bonn"]}, "days": {"type": "integer"}}}}}]);
        let words = "The quick brown fox jumps over the lazy dog. ".repeat(40);
        for (messages, tools) in [
            (json!([{"role": "user", "content": "Hi"}]), json!([])),
            (json!([{"role": "user", "content": "Hi"}]), tools),
            (
                json!([{"role": "system", "content": words}, {"role": "user", "name": "ada", "content": words}]),
                json!([]),
            ),
            (
                json!([{"role": "user", "content": [{"type": "text", "text": "8394723984".repeat(100)}]}]),
                json!([]),
            ),
        ] {
            let body = json!({"model": "gpt-4o", "messages": messages, "tools": tools});
            let parsed: Vec<_> = serde_json::from_value(messages).unwrap();
            let tools: Vec<_> = serde_json::from_value(tools).unwrap();
            let options = MessageOptions::default();
            let true_count = count_messages("gpt-4o", &parsed, &tools, None, &options).unwrap();
            let ours = counted(&body);
            assert!(ours >= true_count.tokens, "{ours} of {true_count:?}");
            let most = 2 * true_count.tokens
                + 64
                + FRAME
                + super::super::tools(&JsonObject::from_serialize(&body).unwrap());
            assert!(ours <= most, "{ours} of {true_count:?}");
        }
    }

    #[test]
    fn pictures_are_not_counted_as_text_and_texts_that_look_like_them_are() {
        let url = format!("data:image/png;base64,{}", "Ab3".repeat(10_000));
        let of = |part: Value| {
            counted(&json!({"model": "gpt-4o", "messages": [{"role": "user", "content": [part]}]}))
        };
        assert!(of(json!({"type": "image_url", "image_url": {"url": url}})) < 300);
        assert!(of(json!({"type": "text", "text": url})) > 10_000);
    }

    #[test]
    fn what_nobody_can_count_or_is_too_long_stays_with_its_bytes() {
        let body = |text: String| {
            JsonObject::from_serialize(&json!({"messages": [{"role": "user", "content": text}]}))
                .unwrap()
        };
        let of = |text: String, models: &[&str]| {
            Counting::of(&body(text), Attached::default(), models.iter().copied())
        };
        assert!(of("Hi".into(), &["claude-sonnet-4-5", "llama-3"]).is_none());
        assert!(of("a".repeat(LONGEST), &["gpt-4o"]).is_none());
        let counted = of("Hi".into(), &["claude-sonnet-4-5", "gpt-4o"]).unwrap();
        assert_eq!(counted.count().of("claude-sonnet-4-5"), None);
    }
}
