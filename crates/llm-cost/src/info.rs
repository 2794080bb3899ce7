//! What is known about one model.

use serde_json::{Map, Value};

use crate::Pricing;

/// One entry of the price list: prices, limits and capabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    key: Box<str>,
    fields: Map<String, Value>,
    pricing: Pricing,
}

/// The fields that every entry shows, `null` where the list says nothing.
const ALWAYS: &[&str] = &[
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
    "input_cost_per_token",
    "input_cost_per_token_flex",
    "input_cost_per_token_priority",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "cache_creation_input_token_cost_above_200k_tokens",
    "cache_read_input_token_cost",
    "cache_read_input_token_cost_above_200k_tokens",
    "cache_read_input_token_cost_above_272k_tokens",
    "cache_read_input_token_cost_flex",
    "cache_read_input_token_cost_priority",
    "cache_read_input_audio_token_cost",
    "cache_creation_input_audio_token_cost",
    "input_cost_per_character",
    "input_cost_per_token_above_128k_tokens",
    "input_cost_per_token_above_200k_tokens",
    "input_cost_per_token_above_272k_tokens",
    "input_cost_per_query",
    "input_cost_per_second",
    "input_cost_per_audio_token",
    "input_cost_per_image_token",
    "input_cost_per_image",
    "input_cost_per_audio_per_second",
    "input_cost_per_video_per_second",
    "input_cost_per_token_batches",
    "output_cost_per_token_batches",
    "output_cost_per_token",
    "output_cost_per_token_flex",
    "output_cost_per_token_priority",
    "output_cost_per_audio_token",
    "output_cost_per_character",
    "output_cost_per_reasoning_token",
    "output_cost_per_token_above_128k_tokens",
    "output_cost_per_character_above_128k_tokens",
    "output_cost_per_token_above_200k_tokens",
    "output_cost_per_token_above_272k_tokens",
    "output_cost_per_second",
    "output_cost_per_video_per_second",
    "output_cost_per_image",
    "output_cost_per_image_token",
    "output_vector_size",
    "citation_cost_per_token",
    "tiered_pricing",
    "litellm_provider",
    "mode",
    "supports_system_messages",
    "supports_response_schema",
    "supports_vision",
    "supports_function_calling",
    "supports_tool_choice",
    "supports_assistant_prefill",
    "supports_prompt_caching",
    "supports_audio_input",
    "supports_audio_output",
    "supports_pdf_input",
    "supports_embedding_image_input",
    "supports_native_streaming",
    "supports_native_structured_output",
    "supports_web_search",
    "supports_url_context",
    "supports_reasoning",
    "supports_computer_use",
    "search_context_cost_per_query",
    "tpm",
    "rpm",
    "ocr_cost_per_page",
    "annotation_cost_per_page",
];

impl ModelInfo {
    /// An entry made of the price list's own fields.
    pub fn new(key: &str, fields: Map<String, Value>) -> Self {
        Self {
            key: key.into(),
            pricing: Pricing::from_fields(&fields),
            fields,
        }
    }

    /// The name under which the price list has it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its prices.
    pub fn pricing(&self) -> &Pricing {
        &self.pricing
    }

    /// The provider as the price list names it, `vertex_ai-language-models` for one.
    pub fn provider(&self) -> &str {
        self.text("litellm_provider").unwrap_or("")
    }

    /// What kind of work it does: `chat`, `embedding`, `image_generation`, ...
    pub fn mode(&self) -> Option<&str> {
        self.text("mode")
    }

    /// The most tokens it reads.
    pub fn max_input_tokens(&self) -> Option<u64> {
        self.number("max_input_tokens")
    }

    /// The most tokens it writes.
    pub fn max_output_tokens(&self) -> Option<u64> {
        self.number("max_output_tokens")
    }

    /// The limit that an answer's `max_tokens` has: of the output, else the list's older field.
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_output_tokens()
            .or_else(|| self.number("max_tokens"))
    }

    /// Whether it can do `what`: `vision`, `function_calling`, ... with or without `supports_` in front.
    pub fn supports(&self, what: &str) -> bool {
        self.flag(what).unwrap_or(false)
    }

    /// The same, `None` where the list does not say.
    pub fn flag(&self, what: &str) -> Option<bool> {
        let what = what.strip_prefix("supports_").unwrap_or(what);
        self.fields.get(&format!("supports_{what}"))?.as_bool()
    }

    /// Any field of the entry.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// All fields of the entry, as the price list gave them.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The entry in the shape of LiteLLM's `get_model_info`: dollars as floats, `null` for what is not known.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("key".into(), Value::from(&*self.key));
        for field in ALWAYS {
            json.insert((*field).into(), Value::Null);
        }
        for (name, value) in &self.fields {
            json.insert(name.clone(), value.clone());
        }
        // A model without a token price shows zero there, as every client of this shape expects a number.
        for field in ["input_cost_per_token", "output_cost_per_token"] {
            if json.get(field).is_none_or(Value::is_null) {
                json.insert(field.into(), Value::from(0.0));
            }
        }
        json
    }

    /// The entry with `changes` laid over it; objects are merged, everything else is replaced.
    pub(crate) fn merged(&self, key: &str, changes: &Map<String, Value>) -> Self {
        let mut fields = self.fields.clone();
        merge(&mut fields, changes);
        Self::new(key, fields)
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// The list writes some numbers as text.
    fn number(&self, field: &str) -> Option<u64> {
        let value = self.fields.get(field)?;
        value
            .as_u64()
            .or_else(|| value.as_f64().map(|number| number as u64))
            .or_else(|| value.as_str()?.parse().ok())
    }
}

fn merge(into: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        match (into.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}
