//! The blocks of a streamed answer, kept where the vendor runs tools: the next request must bring all of them back in
//! their order, and chat's own fields do not say it.

use llm_types::messages::{Block, Blocks, EventDelta};
use serde_json::{Value, json, value::RawValue};

use super::response::is_hosted;

#[derive(Default)]
pub(super) struct Record {
    blocks: Vec<Block>,
    /// The input of the last of them.
    input: String,
}

impl Record {
    /// A block starts.
    pub(super) fn open(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Something is added to it.
    pub(super) fn add(&mut self, delta: &EventDelta) {
        fn add(to: &mut Option<String>, more: &Option<String>) {
            if let Some(more) = more {
                to.get_or_insert_default().push_str(more);
            }
        }
        let Some(block) = self.blocks.last_mut() else {
            return;
        };
        add(&mut block.text, &delta.text);
        add(&mut block.thinking, &delta.thinking);
        add(&mut block.signature, &delta.signature);
        if let Some(more) = &delta.partial_json {
            self.input.push_str(more);
        }
        if let Some(summary) = delta.content.as_ref().and_then(Value::as_str) {
            match &mut block.content {
                Some(Blocks::Text(text)) => text.push_str(summary),
                content => *content = Some(Blocks::Text(summary.to_owned())),
            }
        }
        if let Some(citation) = &delta.citation {
            match &mut block.citations {
                Some(Value::Array(list)) => list.push(citation.clone()),
                citations => *citations = Some(json!([citation])),
            }
        }
    }

    /// It is over.
    pub(super) fn close(&mut self) {
        if let (Some(block), false) = (self.blocks.last_mut(), self.input.is_empty()) {
            block.input = RawValue::from_string(std::mem::take(&mut self.input)).ok();
        }
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<&Block> {
        self.blocks.last()
    }

    /// All of them, if chat cannot say them all.
    pub(super) fn take(&mut self) -> Option<Value> {
        let blocks = std::mem::take(&mut self.blocks);
        let hosted = blocks.iter().any(|block| is_hosted(&block.kind));
        hosted.then(|| json!(blocks))
    }
}
