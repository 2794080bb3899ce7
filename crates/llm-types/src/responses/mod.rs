//! OpenAI Responses: what a client that speaks it asks and is answered, typed for translation.

mod usage;

pub use usage::ResponsesUsage;
