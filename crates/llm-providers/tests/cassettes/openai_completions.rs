//! OpenAI's legacy text completions.

use llm_providers::lookup;
use llm_types::Op;

use crate::{
    Cassette, Tally,
    openai_chat::{answer, request},
};

fn all() -> Vec<Cassette> {
    Cassette::all(|line| {
        line["wire"] == "openai_completions"
            && line["endpoint"] == "completions"
            && lookup(line["provider"].as_str().unwrap_or_default())
                .is_none_or(|row| row.speaks(Op::Completion) || !row.protocol.forwards_chat())
    })
}

#[test]
fn answers_keep_every_fact() {
    let mut tally = Tally::default();
    for cassette in all() {
        tally.check(&cassette.id, answer(Op::Completion, &cassette));
    }
    tally.settle("openai completion answers", &[]);
}

#[test]
fn requests_keep_their_meaning() {
    let mut tally = Tally::default();
    for cassette in all() {
        if let Some(body) = cassette.request() {
            tally.check(&cassette.id, request(Op::Completion, &cassette, body));
        }
    }
    tally.settle("openai completion requests", &[]);
}
