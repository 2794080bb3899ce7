//! What a price depends on besides the token counts.

/// What is known about a request when it is priced. Everything is optional: what is not known is not billed, and is
/// reported as a gap where a price asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CostContext<'a> {
    /// Who served it: `openai`, `anthropic`, `bedrock`, ... Decides on vendors' habits.
    pub provider: &'a str,
    /// The tier that served it, else the tier that was asked for: `flex`, `priority`, `fast`, `batch`, ...
    pub service_tier: Option<&'a str>,
    /// Whether it was part of a batch.
    pub batch: bool,
    /// `eu` or `us`, where the vendor was bound to process there.
    pub data_residency: Option<&'a str>,
    /// The Vertex location that served it; `global` costs no uplift.
    pub vertex_location: Option<&'a str>,
    /// When it was served, in seconds since 1970: for off-peak prices.
    pub at: Option<u64>,
    /// What the vendor's own invoice line says in dollars, as a decimal: taken as it is.
    pub reported: Option<&'a str>,

    /// Seconds of audio or video, in or out.
    pub seconds: Option<f64>,
    /// Seconds that the request took, for vendors that bill machine time.
    pub elapsed: Option<f64>,
    /// The resolution of a video: `480p`, `720p`, `1080p`, `4k`.
    pub resolution: Option<&'a str>,
    /// Images made.
    pub images: Option<u64>,
    /// Images sent in, where they are billed by number.
    pub input_images: Option<u64>,
    /// Width and height of the images made, in pixels.
    pub image_size: Option<(u32, u32)>,
    /// The class of image size that the vendor prices: `1K`, `2K`, `4K`, `1024`, ...
    pub image_class: Option<&'a str>,
    /// Characters of the prompt.
    pub prompt_characters: Option<u64>,
    /// Characters of the answer.
    pub completion_characters: Option<u64>,
    /// Searches, reranked search units; one where a price asks for them and this is not set.
    pub queries: Option<u64>,
    /// Pages read.
    pub pages: Option<u64>,
    /// Pages annotated.
    pub annotated_pages: Option<u64>,
    /// Credits that the vendor counts for reading documents.
    pub credits: Option<u64>,
    /// Text messages sent in a realtime session.
    pub text_messages: Option<u64>,

    /// Web searches by the vendor, where the usage does not say.
    pub web_searches: Option<u64>,
    /// `low`, `medium` or `high`: how much context a web search brings in.
    pub search_context_size: Option<&'a str>,
    /// File searches by the vendor.
    pub file_searches: Option<u64>,
    /// Stored gigabytes times days that file search keeps.
    pub file_search_gigabyte_days: Option<f64>,
    /// Stored gigabytes times days of a vector store.
    pub vector_store_gigabyte_days: Option<f64>,
    /// Sessions of the vendor's code interpreter.
    pub code_interpreter_sessions: Option<u64>,
    /// Tokens that the computer-use tool read.
    pub computer_input_tokens: Option<u64>,
    /// Tokens that the computer-use tool wrote.
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
