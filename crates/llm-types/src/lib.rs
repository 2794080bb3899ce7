//! The schemas that everything in Interlingua speaks: OpenAI's, and those of the other dialects that
//! clients speak.
//!
//! This crate knows JSON and nothing else: no HTTP, no async, no clock, no vendor.
//! Start reading at [`JsonObject`] (how a body is held) and [`Op`] (what can be asked for).
//!
//! ```
//! use bytes::Bytes;
//! use llm_types::{ChatRequest, JsonObject};
//!
//! let body = Bytes::from_static(br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"vendor_field":[1]}"#);
//! let mut object = JsonObject::parse(&body)?;
//! object.set_str("model", "gpt-4o-mini");
//! // Only `model` was rewritten; everything else, known to us or not, is the client's own bytes.
//! assert!(object.to_bytes().ends_with(br#""vendor_field":[1]}"#));
//!
//! let request = ChatRequest::from_object(&object)?;
//! assert_eq!(request.messages[0].role, "user");
//! # Ok::<(), llm_types::JsonError>(())
//! ```

mod chat;
mod completion;
mod content;
mod embedding;
mod error;
mod extra;
mod json;
pub mod messages;
mod moderation;
pub mod nearest;
mod ocr;
mod op;
mod rerank;
pub mod responses;
mod scan;
mod search;
mod usage;
mod verb;

pub use chat::{
    ChatChunk, ChatRequest, ChatResponse, Choice, ChunkChoice, Delta, FunctionCall, FunctionDef,
    Message, StreamOptions, ThinkingBlock, Tool, ToolCall, ToolChoice,
};
pub use completion::{CompletionChoice, CompletionRequest, CompletionResponse, Prompt};
pub use content::{Content, ContentPart};
pub use embedding::{
    Embedding, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, EmbeddingVector,
};
pub use error::{ErrorBody, ErrorDetail};
pub use extra::Extra;
pub use json::{JsonError, JsonObject};
pub use moderation::{ModerationInput, ModerationRequest, ModerationResponse, Verdict};
pub use ocr::{OcrDimensions, OcrDocument, OcrPage, OcrRequest, OcrResponse, OcrUsage};
pub use op::{BodyKind, Op, ReplyKind};
pub use rerank::{RerankDocument, RerankMeta, RerankRequest, RerankResponse, RerankResult};
pub use search::{SearchQuery, SearchRequest, SearchResponse, SearchResult};
pub use usage::{CacheWrite, CompletionDetails, PromptDetails, ServerToolUse, Units, Usage};
pub use verb::{Method, Verb};

/// A JSON object whose keys keep their order.
pub type Map = serde_json::Map<String, serde_json::Value>;
