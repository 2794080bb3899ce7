//! What a price depends on besides the token counts.

use serde::{Deserialize, Serialize};

/// What is known about a request when it is priced. Everything is optional: what is not known is not billed, and is
/// reported as a gap where a price asks for it.
///
/// Stored beside the usage and the price list's digest it lets a request be priced again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CostContext<'a> {
    /// Who served it: `openai`, `anthropic`, `bedrock`, ... Decides on vendors' habits.
    pub provider: &'a str,
    /// The tier that served it, else the tier that was asked for: `flex`, `priority`, `fast`, `batch`, ...
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'a str>,
    /// Whether it was part of a batch.
    pub batch: bool,
    /// `eu` or `us`, where the vendor was bound to process there.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub data_residency: Option<&'a str>,
    /// The Vertex location that served it; `global` costs no uplift.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub vertex_location: Option<&'a str>,
    /// When it was served, in seconds since 1970: for off-peak prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// What the vendor's own invoice line says in dollars, as a decimal: taken as it is.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub reported: Option<&'a str>,

    /// Seconds of audio or video, in or out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Seconds that the request took, for vendors that bill machine time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed: Option<f64>,
    /// The resolution of a video: `480p`, `720p`, `1080p`, `4k`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<&'a str>,
    /// Images made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Images sent in, where they are billed by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_images: Option<u64>,
    /// Width and height of the images made, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<(u32, u32)>,
    /// The class of image size that the vendor prices: `1K`, `2K`, `4K`, `1024`, ...
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub image_class: Option<&'a str>,
    /// Characters of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_characters: Option<u64>,
    /// Characters of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_characters: Option<u64>,
    /// Searches, reranked search units; one where a price asks for them and this is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<u64>,
    /// Results that a search was asked for, where more of them cost more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<u64>,
    /// Pages read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Pages annotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotated_pages: Option<u64>,
    /// Credits that the vendor counts for reading documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<u64>,
    /// Text messages sent in a realtime session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_messages: Option<u64>,

    /// Web searches by the vendor, where the usage does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_searches: Option<u64>,
    /// `low`, `medium` or `high`: how much context a web search brings in.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub search_context_size: Option<&'a str>,
    /// File searches by the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_searches: Option<u64>,
    /// Stored gigabytes times days that file search keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_search_gigabyte_days: Option<f64>,
    /// Stored gigabytes times days of a vector store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_store_gigabyte_days: Option<f64>,
    /// Sessions of the vendor's code interpreter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_interpreter_sessions: Option<u64>,
    /// Runs of other tools by the vendor: pages that it visited, programs that it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_tools: Option<u64>,
    /// Tokens that the computer-use tool read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer_input_tokens: Option<u64>,
    /// Tokens that the computer-use tool wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer_output_tokens: Option<u64>,
}

impl<'a> CostContext<'a> {
    /// Nothing known but who served it.
    pub fn of(provider: &'a str) -> Self {
        Self {
            provider,
            ..Self::default()
        }
    }
}
