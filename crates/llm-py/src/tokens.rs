//! Counting tokens, offline.

use llm_cost::{self as tokens, MessageOptions};
use llm_types::{Message, Tool, ToolChoice};
use pyo3::{exceptions::PyValueError, prelude::*};
use serde::Deserialize;

/// A conversation to be counted.
#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Message>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    tool_choice: Option<ToolChoice>,
}

/// The tokens of a text.
#[pyfunction]
pub(crate) fn count_text(py: Python<'_>, model: &str, text: &str) -> u64 {
    py.detach(|| tokens::count_text(model, text).tokens)
}

/// The tokens of a conversation, given as JSON.
#[pyfunction]
#[pyo3(signature = (model, conversation, answer=false, default_image=false, unknown_part=None))]
pub(crate) fn count_messages(
    py: Python<'_>,
    model: &str,
    conversation: &str,
    answer: bool,
    default_image: bool,
    unknown_part: Option<u64>,
) -> PyResult<u64> {
    let options = MessageOptions {
        answer,
        default_image,
        unknown_part,
    };
    let error = |e: &dyn std::fmt::Display| PyValueError::new_err(e.to_string());
    py.detach(|| {
        let asked: Conversation = serde_json::from_str(conversation).map_err(|e| error(&e))?;
        let tools = asked.tools.unwrap_or_default();
        tokens::count_messages(
            model,
            &asked.messages,
            &tools,
            asked.tool_choice.as_ref(),
            &options,
        )
        .map(|count| count.tokens)
        .map_err(|e| error(&e))
    })
}

/// The token numbers of a text.
#[pyfunction]
pub(crate) fn encode(py: Python<'_>, model: &str, text: &str) -> Vec<u32> {
    py.detach(|| tokens::encode(model, text))
}

/// The text of token numbers.
#[pyfunction]
pub(crate) fn decode(py: Python<'_>, model: &str, numbers: Vec<u32>) -> String {
    py.detach(|| tokens::decode(model, &numbers))
}

/// Whether a model's own vocabulary is known: then its numbers mean its texts.
#[pyfunction]
pub(crate) fn knows_vocabulary(model: &str) -> bool {
    tokens::count_text(model, "").exact
}
