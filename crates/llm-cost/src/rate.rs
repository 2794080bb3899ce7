//! One price of a model: for what, above which prompt length, on which service tier.

use serde::Serialize;

use crate::Dollars;

/// What a price is for. Each variant is one field of the price list, without its suffixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the table below says which field each one is")]
pub enum Kind {
    Input,
    Output,
    CacheRead,
    ExplicitCacheRead,
    CacheReadAudio,
    CacheReadImage,
    CacheWrite,
    CacheWrite1h,
    CacheWriteAudio,
    Reasoning,
    InputAudio,
    OutputAudio,
    InputImageToken,
    OutputImageToken,
    InputVideoToken,
    OutputVideoToken,
    InputImage,
    OutputImage,
    InputPixel,
    OutputPixel,
    Second,
    InputSecond,
    OutputSecond,
    InputAudioSecond,
    OutputAudioSecond,
    InputVideoSecond,
    OutputVideoSecond,
    InputCharacter,
    OutputCharacter,
    Query,
    Request,
    TextMessage,
    Page,
    OcrCredit,
    AnnotatedPage,
    Citation,
    CodeInterpreterSession,
    FileSearchThousand,
    FileSearchGigabyteDay,
    VectorStoreGigabyteDay,
    ComputerInputThousand,
    ComputerOutputThousand,
    MapsQuery,
    /// One search of the web by the vendor, from `search_context_cost_per_query`.
    WebSearch,
    /// One run of another tool by the vendor: a page that it visited, a program that it ran.
    ServerTool,
    /// The whole request, at the vendor's own word.
    Reported,
}

/// Which service the vendor gave: each has its own price list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the vendors' own names")]
pub enum Service {
    #[default]
    Standard,
    Flex,
    Priority,
    Balanced,
    Ultrafast,
    Decisions,
    Batches,
}

/// One price, in dollars per unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// For what.
    pub kind: Kind,
    /// For the whole request once its prompt has more tokens than this.
    pub above: u64,
    /// On which service tier.
    pub service: Service,
    /// Of which size: `1024` or `2K` for images, `720p` for video, `above_8s_interval`.
    pub size: Option<Box<str>>,
    /// Dollars per unit.
    pub price: Dollars,
}

/// Every field of the price list that the calculator understands, without its suffixes.
const FIELDS: &[(&str, Kind)] = &[
    ("input_cost_per_token", Kind::Input),
    ("output_cost_per_token", Kind::Output),
    ("cache_read_input_token_cost", Kind::CacheRead),
    ("input_cost_per_token_cache_hit", Kind::CacheRead),
    (
        "explicit_cache_read_input_token_cost",
        Kind::ExplicitCacheRead,
    ),
    ("cache_read_input_audio_token_cost", Kind::CacheReadAudio),
    ("cache_read_input_image_token_cost", Kind::CacheReadImage),
    ("cache_creation_input_token_cost", Kind::CacheWrite),
    (
        "cache_creation_input_token_cost_above_1hr",
        Kind::CacheWrite1h,
    ),
    (
        "cache_creation_input_audio_token_cost",
        Kind::CacheWriteAudio,
    ),
    ("output_cost_per_reasoning_token", Kind::Reasoning),
    ("input_cost_per_audio_token", Kind::InputAudio),
    ("output_cost_per_audio_token", Kind::OutputAudio),
    ("input_cost_per_image_token", Kind::InputImageToken),
    ("output_cost_per_image_token", Kind::OutputImageToken),
    ("input_cost_per_video_token", Kind::InputVideoToken),
    ("output_cost_per_video_token", Kind::OutputVideoToken),
    ("input_cost_per_image", Kind::InputImage),
    ("output_cost_per_image", Kind::OutputImage),
    ("input_cost_per_pixel", Kind::InputPixel),
    ("output_cost_per_pixel", Kind::OutputPixel),
    ("cost_per_second", Kind::Second),
    ("input_cost_per_second", Kind::InputSecond),
    ("output_cost_per_second", Kind::OutputSecond),
    ("input_cost_per_audio_per_second", Kind::InputAudioSecond),
    ("output_cost_per_audio_per_second", Kind::OutputAudioSecond),
    ("input_cost_per_video_per_second", Kind::InputVideoSecond),
    ("output_cost_per_video_per_second", Kind::OutputVideoSecond),
    ("input_cost_per_character", Kind::InputCharacter),
    ("output_cost_per_character", Kind::OutputCharacter),
    ("input_cost_per_query", Kind::Query),
    ("input_cost_per_request", Kind::Request),
    ("input_cost_per_text_message", Kind::TextMessage),
    ("ocr_cost_per_page", Kind::Page),
    ("ocr_cost_per_credit", Kind::OcrCredit),
    ("annotation_cost_per_page", Kind::AnnotatedPage),
    ("citation_cost_per_token", Kind::Citation),
    (
        "code_interpreter_cost_per_session",
        Kind::CodeInterpreterSession,
    ),
    ("file_search_cost_per_1k_calls", Kind::FileSearchThousand),
    (
        "file_search_cost_per_gb_per_day",
        Kind::FileSearchGigabyteDay,
    ),
    (
        "vector_store_cost_per_gb_per_day",
        Kind::VectorStoreGigabyteDay,
    ),
    (
        "computer_use_input_cost_per_1k_tokens",
        Kind::ComputerInputThousand,
    ),
    (
        "computer_use_output_cost_per_1k_tokens",
        Kind::ComputerOutputThousand,
    ),
    ("google_maps_grounding_cost_per_query", Kind::MapsQuery),
];

impl Rate {
    /// Reads a field of the price list; `None` if the field is not a price that the calculator understands.
    pub fn parse(field: &str, price: Dollars) -> Option<Self> {
        let (base, kind) = FIELDS
            .iter()
            .filter(|(base, _)| field.starts_with(base))
            .max_by_key(|(base, _)| base.len())?;
        let mut rate = Self {
            kind: *kind,
            above: 0,
            service: Service::Standard,
            size: None,
            price,
        };
        rate.suffixes(field.get(base.len()..)?)?;
        Some(rate)
    }

    /// What tells it from the model's other prices.
    pub(crate) fn place(&self) -> (Kind, u64, Service, Option<&str>) {
        (self.kind, self.above, self.service, self.size.as_deref())
    }

    fn suffixes(&mut self, suffixes: &str) -> Option<()> {
        let Some(mut rest) = suffixes.strip_prefix('_') else {
            return suffixes.is_empty().then_some(());
        };
        if let Some((thousands, after)) = rest
            .strip_prefix("above_")
            .and_then(|text| text.split_once("k_tokens"))
        {
            self.above = thousands.parse::<u64>().ok()?.checked_mul(1000)?;
            rest = match after.strip_prefix('_') {
                Some(more) => more,
                None => return after.is_empty().then_some(()),
            };
        }
        if let Some(service) = Service::from_suffix(rest) {
            self.service = service;
        } else if self.kind.has_sizes() {
            self.size = Some(rest.into());
        } else {
            return None;
        }
        Some(())
    }
}

impl Kind {
    /// Whether it is part of the answer.
    pub(crate) fn is_output(self) -> bool {
        matches!(
            self,
            Self::Output
                | Self::Reasoning
                | Self::OutputAudio
                | Self::OutputImageToken
                | Self::OutputVideoToken
                | Self::OutputImage
                | Self::OutputPixel
                | Self::OutputSecond
                | Self::OutputAudioSecond
                | Self::OutputVideoSecond
                | Self::OutputCharacter
        )
    }

    /// Whether it is work of a tool that the vendor ran.
    pub(crate) fn is_tool(self) -> bool {
        matches!(
            self,
            Self::WebSearch
                | Self::ServerTool
                | Self::MapsQuery
                | Self::Citation
                | Self::CodeInterpreterSession
                | Self::FileSearchThousand
                | Self::FileSearchGigabyteDay
                | Self::VectorStoreGigabyteDay
                | Self::ComputerInputThousand
                | Self::ComputerOutputThousand
        )
    }

    /// Whether it is sound.
    pub(crate) fn is_audio(self) -> bool {
        matches!(
            self,
            Self::InputAudio
                | Self::OutputAudio
                | Self::CacheReadAudio
                | Self::CacheWriteAudio
                | Self::InputAudioSecond
                | Self::OutputAudioSecond
        )
    }

    /// Whether its price may depend on a size written behind the field's name.
    fn has_sizes(self) -> bool {
        matches!(
            self,
            Self::OutputImage | Self::OutputSecond | Self::InputVideoSecond
        )
    }
}

impl Service {
    fn from_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "flex" => Self::Flex,
            "priority" => Self::Priority,
            "balanced" => Self::Balanced,
            "ultrafast" => Self::Ultrafast,
            "decisions" => Self::Decisions,
            "batches" => Self::Batches,
            _ => return None,
        })
    }

    /// The tier that a request's or an answer's `service_tier` names; what is not priced apart is standard.
    pub fn from_tier(tier: &str) -> Self {
        match tier.to_ascii_lowercase().as_str() {
            "fast" => Self::Priority,
            "batch" => Self::Batches,
            other => Self::from_suffix(other).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let read =
            |field| Rate::parse(field, Dollars::ZERO).map(|r| (r.kind, r.above, r.service, r.size));
        let plain = |kind| Some((kind, 0, Service::Standard, None));
        assert_eq!(read("input_cost_per_token"), plain(Kind::Input));
        assert_eq!(
            read("input_cost_per_token_cache_hit"),
            plain(Kind::CacheRead)
        );
        assert_eq!(
            read("cache_creation_input_token_cost_above_1hr"),
            plain(Kind::CacheWrite1h)
        );
        assert_eq!(
            read("cache_creation_input_token_cost_above_1hr_above_200k_tokens"),
            Some((Kind::CacheWrite1h, 200_000, Service::Standard, None))
        );
        assert_eq!(
            read("cache_read_input_token_cost_above_272k_tokens_priority"),
            Some((Kind::CacheRead, 272_000, Service::Priority, None))
        );
        assert_eq!(
            read("output_cost_per_image_token_batches"),
            Some((Kind::OutputImageToken, 0, Service::Batches, None))
        );
        assert_eq!(
            read("output_cost_per_image_0.5K"),
            Some((Kind::OutputImage, 0, Service::Standard, Some("0.5K".into())))
        );
        assert_eq!(
            read("output_cost_per_second_720p"),
            Some((
                Kind::OutputSecond,
                0,
                Service::Standard,
                Some("720p".into())
            ))
        );
        for unknown in [
            "input_cost_per_token_someday",
            "input_dbu_cost_per_token",
            "max_tokens",
            "input_cost_per_token_above_xk_tokens",
            "input_cost_per_tokens",
        ] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }
}
