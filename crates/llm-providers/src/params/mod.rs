//! Which OpenAI parameters a provider takes, and what happens to the others.

mod drop_path;
mod history;
mod scan;
mod settle;
pub(crate) mod thoughts;
mod tidy;

use llm_types::{JsonObject, Op};

use crate::{ModelFacts, Provider};

pub(crate) use history::edit_messages;
pub(crate) use settle::{refuse, settle};

/// The OpenAI parameters that one provider takes, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Refused, of the standard list.
    pub refuses: &'static [&'static str],
    /// Taken beyond the standard list (`reasoning_effort`, `thinking`), or in spite of [`newer`](Self::newer). Of other
    /// operations: what only some take (`max_tokens_per_doc` of reranking, `country` of search).
    pub accepts: &'static [&'static str],
    /// Whether it takes what OpenAI added over the years and others seldom copied: see [`Params::NEWER`].
    pub newer: bool,
    /// Whether tools are taken only where the model calls functions, as the price table says. A model that no table
    /// knows may try: LiteLLM refuses it, and with it every new model.
    pub tools_if_known: bool,
    /// Whether everything is taken: the far end decides.
    pub everything: bool,
    /// Whether `user` is sent on; elsewhere it is dropped.
    pub user: bool,
    /// Whether `stream_options` is sent on; elsewhere it is dropped.
    pub stream_options: bool,
    /// Whether the `developer` role is understood; elsewhere it becomes `system`.
    pub developer: bool,
    /// Of embeddings: which of `dimensions` and `encoding_format` are taken.
    pub embedding: &'static [&'static str],
    /// Of images: which of [`IMAGE`](Self::IMAGE) are taken. In place of `response_format` may stand the one form
    /// (`url`, `b64_json`) in which images always come.
    pub image: &'static [&'static str],
}

/// The standard list: what OpenAI-compatible services take unless their row says otherwise.
const CHAT: &[&str] = &[
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
];

/// Known, and refused where a row does not say that it takes them.
const BEYOND: &[&str] = &["reasoning_effort", "thinking", "verbosity"];

/// Everything about tools.
pub(crate) const TOOLS: &[&str] = &[
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
];

/// Of embeddings: what some refuse.
const EMBEDDING: &[&str] = &["dimensions", "encoding_format"];

/// Of reranking: Cohere's list, and of it what some refuse. The others' work is done here where a vendor cannot.
const RERANK: &[&str] = &[
    "top_n",
    "rank_fields",
    "return_documents",
    "max_chunks_per_doc",
    "max_tokens_per_doc",
];
const LONG_DOCUMENTS: &[&str] = &["max_chunks_per_doc", "max_tokens_per_doc"];

/// Of search: the list, and of it what some refuse.
const SEARCH: &[&str] = &[
    "max_results",
    "search_domain_filter",
    "max_tokens_per_page",
    "country",
];
const WHERE_AND_HOW_MUCH: &[&str] = &["max_tokens_per_page", "country"];

/// Of text recognition.
const OCR: &[&str] = &[
    "pages",
    "include_image_base64",
    "image_limit",
    "image_min_size",
    "bbox_annotation_format",
    "document_annotation_format",
];

impl Params {
    /// What OpenAI added late and only some services copied.
    pub const NEWER: &'static [&'static str] = &[
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "store",
    ];

    /// Of images: OpenAI's list, and all that some of its models and of others refuse.
    pub const IMAGE: &'static [&'static str] = &[
        "n",
        "size",
        "quality",
        "style",
        "response_format",
        "output_format",
        "output_compression",
        "background",
        "moderation",
        "stream",
        "partial_images",
    ];

    /// The standard list and [`NEWER`](Self::NEWER); `thinking`, `reasoning_effort` and `verbosity` refused.
    pub const STANDARD: Params = Params {
        refuses: &[],
        accepts: &[],
        newer: true,
        tools_if_known: false,
        everything: false,
        user: false,
        stream_options: true,
        developer: false,
        embedding: EMBEDDING,
        image: Self::IMAGE,
    };

    /// The standard list without [`NEWER`](Self::NEWER).
    pub const CLASSIC: Params = Params {
        newer: false,
        ..Params::STANDARD
    };

    /// The standard list and `reasoning_effort`.
    pub const REASONING: Params = Params::STANDARD.with(&["reasoning_effort"]);

    /// The standard list, `reasoning_effort` and `thinking`.
    pub const THINKING: Params = Params::STANDARD.with(&["reasoning_effort", "thinking"]);

    /// The standard list; tools only for models that call functions.
    pub const TOOLS_IF_KNOWN: Params = Params {
        tools_if_known: true,
        ..Params::STANDARD
    };

    /// Whatever comes.
    pub const EVERYTHING: Params = Params {
        everything: true,
        user: true,
        developer: true,
        ..Params::STANDARD
    };

    /// The same without these.
    pub const fn without(mut self, refuses: &'static [&'static str]) -> Self {
        self.refuses = refuses;
        self
    }

    /// The same with these beyond the standard list.
    pub const fn with(mut self, accepts: &'static [&'static str]) -> Self {
        self.accepts = accepts;
        self
    }

    /// The same, and `user` is sent on.
    pub const fn with_user(mut self) -> Self {
        self.user = true;
        self
    }

    /// The same, and `stream_options` is not sent on.
    pub const fn without_stream_options(mut self) -> Self {
        self.stream_options = false;
        self
    }

    /// The same with these parameters of embeddings (`dimensions`, `encoding_format`).
    pub const fn embedding(mut self, takes: &'static [&'static str]) -> Self {
        self.embedding = takes;
        self
    }

    /// The same with these parameters of images.
    pub const fn images(mut self, takes: &'static [&'static str]) -> Self {
        self.image = takes;
        self
    }

    /// Whether `param` is taken. Names that are no OpenAI parameter always are: they are the vendor's own.
    pub fn takes(&self, op: Op, param: &str, facts: &ModelFacts) -> bool {
        if self.everything {
            return true;
        }
        match op {
            Op::Chat => self.takes_in_chat(param, facts),
            Op::Embedding if EMBEDDING.contains(&param) => self.embedding.contains(&param),
            Op::ImageGeneration | Op::ImageEdit if Self::IMAGE.contains(&param) => {
                self.image.contains(&param)
            }
            Op::Rerank if LONG_DOCUMENTS.contains(&param) => self.accepts.contains(&param),
            Op::Search if WHERE_AND_HOW_MUCH.contains(&param) => self.accepts.contains(&param),
            _ => true,
        }
    }

    fn takes_in_chat(&self, param: &str, facts: &ModelFacts) -> bool {
        if self.refuses.contains(&param) {
            return false;
        }
        if self.accepts.contains(&param) {
            return true;
        }
        if BEYOND.contains(&param) || (!self.newer && Self::NEWER.contains(&param)) {
            return false;
        }
        let known_not_to = match facts.supports("function_calling") {
            Some(calls) => !calls,
            None => facts.mode.is_some(),
        };
        !(self.tools_if_known && TOOLS.contains(&param) && known_not_to)
    }
}

/// Whether `word` occurs in the text of `key`'s value: cheap, and wrong only where it says yes.
pub(crate) fn mentions(body: &JsonObject, key: &str, word: &str) -> bool {
    body.raw(key)
        .is_some_and(|raw| memchr::memmem::find(raw, word.as_bytes()).is_some())
}

/// The OpenAI parameters that `model` at `provider` takes for `op`, in a stable order.
pub fn supported_params(
    provider: &Provider,
    model: &str,
    facts: &ModelFacts,
    op: Op,
) -> Vec<&'static str> {
    let params = provider.params_of(model, facts);
    let (known, always): (&[&[&'static str]], &[&'static str]) = match op {
        Op::Chat => (
            &[CHAT, Params::NEWER, BEYOND],
            &["stream", "max_retries", "extra_headers"],
        ),
        Op::Embedding => (&[EMBEDDING], &[]),
        Op::ImageGeneration | Op::ImageEdit => (&[Params::IMAGE], &[]),
        Op::Rerank => (&[RERANK], &[]),
        Op::Search => (&[SEARCH], &[]),
        Op::Ocr => (&[OCR], &[]),
        _ => (&[], &[]),
    };
    let mut list: Vec<_> = known
        .iter()
        .flat_map(|names| names.iter().copied())
        .filter(|name| params.takes(op, name, facts))
        .chain(always.iter().copied())
        .collect();
    if op == Op::Chat && params.stream_options {
        list.push("stream_options");
    }
    if params.user {
        list.push("user");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup;

    #[test]
    fn the_list_follows_the_model() {
        let openai = lookup("openai").expect("a row");
        let facts = ModelFacts::default();
        let list = |model| supported_params(openai, model, &facts, Op::Chat);
        assert!(list("gpt-4o").contains(&"top_p"));
        assert!(!list("gpt-4o").contains(&"thinking"));
        assert!(!list("o3-mini").contains(&"top_p"));
        assert!(list("gpt-5-mini").contains(&"verbosity"));
    }

    #[test]
    fn tools_follow_the_price_table_and_new_models_may_try() {
        let params = Params::TOOLS_IF_KNOWN;
        let mut facts = ModelFacts::default();
        assert!(params.takes(Op::Chat, "tools", &facts));
        facts.mode = Some("chat".into());
        assert!(!params.takes(Op::Chat, "tools", &facts));
        facts.supports.insert("function_calling".into(), true);
        assert!(params.takes(Op::Chat, "tools", &facts));
    }
}
