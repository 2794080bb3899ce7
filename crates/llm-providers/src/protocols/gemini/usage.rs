//! Gemini's token counts in OpenAI's arithmetic.

use llm_types::{CompletionDetails, PromptDetails, Usage};
use serde_json::Value;

use super::{
    model::Model,
    wire::{MODALITIES, ModalityCount, UsageMetadata},
};

/// What grounding adds to the bill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grounding {
    /// Queries sent to the web.
    pub(crate) web_queries: u64,
    /// Whether web results were used at all.
    pub(crate) web: bool,
    /// Whether results of a map were used.
    pub(crate) maps: bool,
}

impl Grounding {
    /// Reads one candidate's `groundingMetadata`.
    pub(crate) fn read(metadata: &Value) -> Self {
        let queries = metadata["webSearchQueries"].as_array();
        let chunks = metadata["groundingChunks"].as_array();
        let has = |key: &str| {
            chunks
                .into_iter()
                .flatten()
                .any(|chunk| chunk.get(key).is_some())
        };
        let asked = |query: &&Value| query.as_str().is_some_and(|query| !query.is_empty());
        let web_queries = queries.into_iter().flatten().filter(asked).count() as u64;
        Self {
            web_queries,
            web: web_queries > 0 || has("web"),
            maps: has("maps"),
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            web_queries: self.web_queries + other.web_queries,
            web: self.web || other.web,
            maps: self.maps || other.maps,
        }
    }
}

/// The counts in OpenAI's shape.
pub(crate) fn usage(counts: &UsageMetadata, grounding: Grounding, model: Model<'_>) -> Usage {
    // What the search brought into the prompt is not billed by token.
    let tools = counts.tool_use_prompt_token_count;
    let prompt = counts.prompt_token_count + if grounding.web { 0 } else { tools };
    let thoughts = counts.thoughts_token_count;
    let answer = counts.candidates_token_count;
    let included =
        thoughts > 0 && counts.prompt_token_count + tools + answer == counts.total_token_count;
    let completion = if included { answer } else { answer + thoughts };
    let mut usage = Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: match counts.total_token_count {
            0 => prompt + completion,
            total => total,
        },
        prompt_tokens_details: Some(prompt_details(counts, grounding, model)),
        completion_tokens_details: Some(completion_details(counts)),
        ..Usage::default()
    };
    if let Some(kind) = &counts.traffic_type {
        usage
            .extra
            .insert("traffic_type".into(), kind.name(&[]).into());
    }
    usage
}

fn prompt_details(counts: &UsageMetadata, grounding: Grounding, model: Model<'_>) -> PromptDetails {
    let details = &counts.prompt_tokens_details;
    let cached = counts.cached_content_token_count;
    let cached_text = of(&counts.cache_tokens_details, "TEXT").unwrap_or(cached);
    let mut prompt = PromptDetails {
        cached_tokens: cached,
        audio_tokens: of(details, "AUDIO").unwrap_or(0),
        image_tokens: of(details, "IMAGE").unwrap_or(0),
        video_tokens: of(details, "VIDEO").unwrap_or(0),
        text_tokens: of(details, "TEXT").map(|text| text.saturating_sub(cached_text)),
        tool_use_tokens: counts.tool_use_prompt_token_count,
        // From its third generation on Gemini bills the query, before that the grounded prompt.
        web_search_requests: match (grounding.web, model.is_3()) {
            (true, true) => grounding.web_queries.max(1),
            (true, false) => 1,
            (false, _) => 0,
        },
        ..PromptDetails::default()
    };
    if let Some(document) = of(details, "DOCUMENT") {
        prompt
            .extra
            .insert("document_tokens".into(), document.into());
    }
    if grounding.maps {
        prompt
            .extra
            .insert("google_maps_grounding_requests".into(), 1.into());
    }
    prompt
}

fn completion_details(counts: &UsageMetadata) -> CompletionDetails {
    let details = &counts.candidates_tokens_details;
    CompletionDetails {
        reasoning_tokens: counts.thoughts_token_count,
        audio_tokens: of(details, "AUDIO").unwrap_or(0),
        image_tokens: of(details, "IMAGE").unwrap_or(0),
        video_tokens: of(details, "VIDEO").unwrap_or(0),
        text_tokens: of(details, "TEXT"),
        ..CompletionDetails::default()
    }
}

/// The tokens of one kind; `None` if the vendor says nothing of it.
fn of(details: &[ModalityCount], kind: &str) -> Option<u64> {
    let mut found = details
        .iter()
        .filter(|count| {
            count
                .modality
                .as_ref()
                .is_some_and(|modality| modality.name(MODALITIES) == kind)
        })
        .map(|count| count.token_count)
        .peekable();
    found.peek()?;
    Some(found.sum())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(counts: Value, grounding: Grounding) -> Usage {
        let counts: UsageMetadata = serde_json::from_value(counts).expect("counts");
        usage(&counts, grounding, Model::new("gemini-2.5-flash"))
    }

    #[test]
    fn thoughts_are_added_unless_they_are_in_the_answer() {
        let apart = json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 22});
        let within = json!({"promptTokenCount": 10, "candidatesTokenCount": 12, "thoughtsTokenCount": 7, "totalTokenCount": 22});
        for counts in [apart, within] {
            let usage = read(counts, Grounding::default());
            assert_eq!(
                (
                    usage.prompt_tokens,
                    usage.completion_tokens,
                    usage.total_tokens
                ),
                (10, 12, 22)
            );
            assert_eq!(usage.reasoning_tokens(), 7);
        }
    }

    #[test]
    fn cached_text_is_not_counted_twice() {
        let usage = read(
            json!({
                "promptTokenCount": 100, "candidatesTokenCount": 1, "totalTokenCount": 101, "cachedContentTokenCount": 60,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "IMAGE", "tokenCount": 30}],
                "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 50}, {"modality": "IMAGE", "tokenCount": 10}]
            }),
            Grounding::default(),
        );
        let details = usage.prompt_tokens_details.expect("details");
        assert_eq!(
            (
                details.text_tokens,
                details.cached_tokens,
                details.image_tokens
            ),
            (Some(20), 60, 30)
        );
    }

    #[test]
    fn what_a_search_brought_is_not_billed_by_token() {
        let counts = json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "toolUsePromptTokenCount": 100, "totalTokenCount": 115});
        assert_eq!(
            read(counts.clone(), Grounding::default()).prompt_tokens,
            110
        );
        let searched = Grounding::read(&json!({"webSearchQueries": ["a", "b", ""]}));
        let usage = read(counts, searched);
        assert_eq!(usage.prompt_tokens, 10);
        assert_eq!(
            usage
                .prompt_tokens_details
                .expect("details")
                .web_search_requests,
            1
        );
        assert_eq!(searched.web_queries, 2);
    }
}
