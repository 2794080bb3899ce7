//! The id that an answer goes by at its client, so that its record is found by it.

use bytes::Bytes;
use llm_types::{JsonObject, Op};

use crate::top_level;

/// A vendor's id may be anything: a longer one is none that anybody looks for.
const LONGEST: usize = 256;

/// The id of a whole answer, where answers of that kind have one.
pub(crate) fn of_answer(op: Option<Op>, json: &Bytes) -> Option<String> {
    let key = key(op?)?;
    match top_level::text(json, key) {
        Some(place) => read(json, place),
        None => {
            let answer = JsonObject::parse(json).ok()?;
            let id = answer.str(key)?;
            (!id.is_empty() && id.len() <= LONGEST).then(|| id.into_owned())
        }
    }
}

/// The same of a stream's first event: in some dialects the answer is within it.
pub(crate) fn of_event(op: Op, json: &[u8]) -> Option<String> {
    read(json, top_level::anywhere(json, key(op)?)?)
}

fn key(op: Op) -> Option<&'static str> {
    match op {
        Op::Chat | Op::Completion | Op::Messages | Op::Responses | Op::Rerank | Op::Moderation => {
            Some("id")
        }
        Op::GenerateContent => Some("responseId"),
        _ => None,
    }
}

fn read(json: &[u8], (from, to): (usize, usize)) -> Option<String> {
    let text = json.get(from..to)?;
    let text = str::from_utf8(text).ok()?;
    (!text.is_empty() && text.len() <= LONGEST).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_their_id_wherever_it_stands() {
        for (op, json) in [
            (Op::Chat, r#"{"id":"x","choices":[{"id":"y"}]}"#),
            (Op::Chat, r#"{"choices":[{"id":"y"}],"id":"x"}"#),
            (Op::Messages, r#"{"type":"id","id" : "x","content":[]}"#),
            (
                Op::GenerateContent,
                r#"{"candidates":[{"id":"y"}],"responseId":"x"}"#,
            ),
        ] {
            let found = of_answer(Some(op), &Bytes::from(json));
            assert_eq!(found.as_deref(), Some("x"), "{json}");
        }
        let far = format!(
            r#"{{"choices":[],"id":"x","note":[{}1]}}"#,
            "1,".repeat(2000)
        );
        let found = of_answer(Some(Op::Chat), &Bytes::from(far));
        assert_eq!(found.as_deref(), Some("x"));
    }

    #[test]
    fn what_has_no_id_of_its_own_has_none() {
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(LONGEST + 1));
        for (op, json) in [
            (Op::Chat, r#"{"choices":[{"id":"y"}]}"#),
            (Op::Chat, r#"{"id":null}"#),
            (Op::Chat, r#"{"id":""}"#),
            (Op::Chat, "no JSON"),
            (Op::Chat, &long),
            (Op::Embedding, r#"{"id":"x"}"#),
        ] {
            assert_eq!(
                of_answer(Some(op), &Bytes::from(json.to_owned())),
                None,
                "{json}"
            );
        }
    }

    #[test]
    fn first_events_say_it_at_any_depth() {
        for (op, json) in [
            (Op::Chat, r#"{"id":"x","choices":[]}"#),
            (
                Op::Messages,
                r#"{"type":"message_start","message":{"id":"x","type":"message"}}"#,
            ),
            (Op::Responses, r#"{"type":"id","response":{"id":"x"}}"#),
            (Op::GenerateContent, r#"{"candidates":[],"responseId":"x"}"#),
        ] {
            assert_eq!(
                of_event(op, json.as_bytes()).as_deref(),
                Some("x"),
                "{json}"
            );
        }
        assert_eq!(of_event(Op::Messages, br#"{"type":"ping"}"#), None);
    }
}
