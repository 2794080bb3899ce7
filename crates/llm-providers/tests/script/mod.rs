//! Answers to be told whole or in pieces, for the tests of bridges.
#![allow(dead_code, reason = "each test takes what it needs")]

use llm_types::{ChatChunk, ChatResponse};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One answer, to be told whole or in pieces.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Text and signature.
    pub(crate) thoughts: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Script {
    pub(crate) fn response(&self) -> ChatResponse {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .map(|call| json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}))
            .collect();
        let thoughts: Vec<Value> = self
            .thoughts
            .iter()
            .map(|(thinking, signature)| json!({"type": "thinking", "thinking": thinking, "signature": signature}))
            .collect();
        serde_json::from_value(json!({
            "id": "c1", "model": "m", "usage": usage(),
            "choices": [{"index": 0, "finish_reason": self.finish, "message": {
                "role": "assistant", "content": self.text, "tool_calls": calls, "thinking_blocks": thoughts}}],
        }))
        .expect("an answer")
    }

    /// The deltas, cut by `dice`; calls come one after the other, or their fragments in any order.
    pub(crate) fn deltas(&self, dice: &mut Dice, interleaved: bool) -> Vec<Value> {
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        for (thinking, signature) in &self.thoughts {
            for piece in dice.cut(thinking) {
                deltas.push(json!({"reasoning_content": piece, "thinking_blocks": [{"type": "thinking", "thinking": piece}]}));
            }
            deltas.push(json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": signature}]}));
        }
        for piece in dice.cut(&self.text) {
            deltas.push(json!({"content": piece}));
        }
        let mut queues: Vec<Vec<Value>> = Vec::new();
        for (index, call) in self.calls.iter().enumerate() {
            let mut pieces = dice.cut(&call.arguments);
            let head = if dice.roll(2) == 0 || pieces.is_empty() {
                String::new()
            } else {
                pieces.remove(0)
            };
            let mut queue = vec![
                json!({"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": head}}),
            ];
            queue.extend(
                pieces
                    .into_iter()
                    .map(|p| json!({"index": index, "function": {"arguments": p}})),
            );
            queue.reverse();
            queues.push(queue);
        }
        // Calls begin in the order of their indices, whatever order they go on in.
        let mut begun = 0;
        while let Some(first) = queues.iter().position(|queue| !queue.is_empty()) {
            let mut at = first;
            if interleaved {
                let open: Vec<_> = (0..queues.len().min(begun + 1))
                    .filter(|i| !queues[*i].is_empty())
                    .collect();
                at = open[dice.roll(open.len())];
            }
            begun = begun.max(at + 1);
            deltas.extend(queues[at].pop().map(|call| json!({"tool_calls": [call]})));
        }
        deltas
    }

    pub(crate) fn chunks(&self, dice: &mut Dice, interleaved: bool) -> Vec<ChatChunk> {
        let chunk = |value: Value| serde_json::from_value(value).expect("a chunk");
        let mut chunks: Vec<ChatChunk> = self
            .deltas(dice, interleaved)
            .into_iter()
            .map(|delta| {
                chunk(json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta}]}))
            })
            .collect();
        chunks.push(chunk(
            json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]}),
        ));
        chunks.push(chunk(
            json!({"id": "c1", "model": "m", "choices": [], "usage": usage()}),
        ));
        chunks
    }
}

pub(crate) fn usage() -> Value {
    json!({"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "prompt_tokens_details": {"cached_tokens": 5}})
}

/// A sequence of choices.
pub(crate) struct Dice(pub(crate) Vec<u8>, pub(crate) usize);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.1 += 1;
        self.0
            .get(self.1 % self.0.len().max(1))
            .map_or(0, |n| usize::from(*n) % sides.max(1))
    }

    pub(crate) fn cut(&mut self, text: &str) -> Vec<String> {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        for c in text.chars() {
            piece.push(c);
            if self.roll(3) == 0 {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

pub(crate) fn arguments() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        Just(String::new()),
        proptest::collection::btree_map("[a-z]{1,3}", ".{0,6}", 0..4)
            .prop_map(|map| serde_json::to_string(&map).expect("json")),
        Just(r#"{"a":{"b":["}","{\"",3]},"c":"\\"}"#.to_owned()),
    ]
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let call = ("[a-z0-9]{1,8}", "[a-z_]{1,8}", arguments());
    (
        proptest::collection::vec(("[a-zé ]{1,12}", "[A-Za-z0-9]{4}"), 0..3),
        ".{0,20}",
        proptest::collection::vec(call, 0..4),
        prop_oneof![Just("stop"), Just("length"), Just("content_filter")],
    )
        .prop_map(|(thoughts, text, calls, finish)| Script {
            finish: if calls.is_empty() {
                finish
            } else {
                "tool_calls"
            },
            calls: calls
                .into_iter()
                .enumerate()
                .map(|(i, (id, name, arguments))| Call {
                    id: format!("{id}{i}"),
                    name,
                    arguments,
                })
                .collect(),
            thoughts,
            text,
        })
}

/// Deltas in no sensible order, but calls that are whole.
pub(crate) fn delta() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-z]{0,3}".prop_map(|text| json!({"content": text})),
        "[a-z]{0,3}".prop_map(|text| json!({"reasoning_content": text})),
        "[a-z]{0,3}".prop_map(|text| json!({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": text}]})),
        Just(json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]})),
        Just(json!({"refusal": "no"})),
        any::<u8>().prop_map(|index| json!({"tool_calls": [{"index": index, "id": "a", "function": {"name": "f", "arguments": ""}}]})),
        any::<u8>().prop_map(|index| json!({"tool_calls": [{"index": index, "function": {"arguments": ""}}]})),
    ]
}
