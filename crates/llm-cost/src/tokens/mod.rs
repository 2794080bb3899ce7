//! Counts tokens offline.
//!
//! Exact for texts of OpenAI's models, whose vocabularies are public. For every other model the count is an estimate
//! with `cl100k_base`, and says so. Vocabularies are unpacked when they are first used.

mod functions;
mod image;
mod messages;

pub use messages::{MessageOptions, UncountablePart, count_messages};

use tiktoken::CoreBpe;

/// A number of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub tokens: u64,
    /// The vocabulary that was used: `o200k_base`, `cl100k_base`, ...
    pub tokenizer: &'static str,
    /// Whether it is the model's own vocabulary and nothing was estimated.
    pub exact: bool,
}

/// Texts beyond this many bytes are counted from samples.
const SAMPLED_ABOVE: usize = 4_000_000;
const SAMPLES: usize = 16;
const SAMPLE: usize = 16 * 1024;

/// Counts a text. Special tokens in it are text like any other.
pub fn count_text(model: &str, text: &str) -> Count {
    let encoding = Encoding::of(model);
    let (tokens, whole) = encoding.count(text);
    Count {
        tokens,
        tokenizer: encoding.name,
        exact: encoding.own && whole,
    }
}

/// The token numbers of a text.
pub fn encode(model: &str, text: &str) -> Vec<u32> {
    Encoding::of(model)
        .bpe
        .map_or_else(Vec::new, |bpe| bpe.encode(text))
}

/// The text of token numbers. Numbers that the vocabulary does not have are left out; what is not text becomes `�`.
pub fn decode(model: &str, tokens: &[u32]) -> String {
    let bytes = Encoding::of(model)
        .bpe
        .map_or_else(Vec::new, |bpe| bpe.decode(tokens));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The vocabulary of a model that is known to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary(&'static str);

impl Vocabulary {
    /// That of `model`; `None` where its tokens could only be estimated.
    pub fn of(model: &str) -> Option<Self> {
        let encoding = Encoding::of(model);
        (encoding.own && encoding.bpe.is_some()).then_some(Self(encoding.name))
    }

    /// The tokens of a text, all of which is looked at.
    pub fn count(self, text: &str) -> u64 {
        tiktoken::get_encoding(self.0).map_or(text.len(), |bpe| bpe.count(text)) as u64
    }
}

/// A vocabulary, as a model uses it.
#[derive(Clone, Copy)]
pub(crate) struct Encoding {
    name: &'static str,
    bpe: Option<&'static CoreBpe>,
    /// Whether it is the model's own.
    own: bool,
}

impl Encoding {
    pub(crate) fn of(model: &str) -> Self {
        let model = model.rsplit('/').next().unwrap_or(model);
        // Azure writes gpt-35-turbo.
        let model = model.replace("-35", "-3.5");
        let known = tiktoken::model_to_encoding(&model)
            .or_else(|| model.contains("gpt-4o").then_some("o200k_base"))
            .filter(|name| OPENAI.contains(name));
        let name = known.unwrap_or("cl100k_base");
        Self {
            name,
            bpe: tiktoken::get_encoding(name),
            own: known.is_some(),
        }
    }

    /// Tokens of a text, and whether all of it was looked at.
    pub(crate) fn count(&self, text: &str) -> (u64, bool) {
        if text.len() > SAMPLED_ABOVE {
            return (self.sampled(text), false);
        }
        (self.bpe.map_or(0, |bpe| bpe.count(text)) as u64, true)
    }

    /// The count of evenly spread samples, scaled to the whole.
    fn sampled(&self, text: &str) -> u64 {
        let step = text.len() / SAMPLES;
        let (mut bytes, mut tokens) = (0u64, 0u64);
        for index in 0..SAMPLES {
            let start = text.ceil_char_boundary(index * step);
            let end = text.floor_char_boundary((start + SAMPLE).min(text.len()));
            let sample = text.get(start..end).unwrap_or("");
            bytes += sample.len() as u64;
            tokens += self.bpe.map_or(0, |bpe| bpe.count(sample)) as u64;
        }
        (tokens as f64 * text.len() as f64 / bytes.max(1) as f64).ceil() as u64
    }
}

const OPENAI: [&str; 6] = [
    "o200k_base",
    "o200k_harmony",
    "cl100k_base",
    "p50k_base",
    "p50k_edit",
    "r50k_base",
];
