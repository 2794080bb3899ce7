//! Streams in OpenAI's wire that were asked for their usage on the gateway's own account: what a client did not ask for is
//! taken out again, and nothing else is touched.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// A longer event is handed on unread: the one that is looked for is short.
const LONGEST: usize = 1 << 20;

/// Takes the event that only tells the usage out of a stream.
#[derive(Debug, Default)]
pub struct Unasked {
    /// The beginning of an event whose end has not come yet.
    held: BytesMut,
    /// Up to here it has no empty line.
    seen: usize,
}

/// Of a chunk, what tells whether it says anything else.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default)]
    choices: Vec<IgnoredAny>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
}

impl Unasked {
    /// Takes what arrived, and gives what of it is the client's: events whose end has come.
    pub fn push(&mut self, bytes: &Bytes) -> Bytes {
        self.held.extend_from_slice(bytes);
        let mut out = BytesMut::new();
        while let Some(end) = self.end() {
            let event = self.held.split_to(end);
            self.seen = 0;
            if !is_usage_alone(&event) {
                out.extend_from_slice(&event);
            }
        }
        if self.held.len() > LONGEST {
            out.extend_from_slice(&self.held.split());
            self.seen = 0;
        }
        out.freeze()
    }

    /// The stream is over: what is left.
    pub fn finish(&mut self) -> Bytes {
        match is_usage_alone(&self.held) {
            true => Bytes::new(),
            false => self.held.split().freeze(),
        }
    }

    /// Where the first event ends: behind an empty line. Lines end as they do in events: with `\n`, `\r\n` or `\r`.
    fn end(&mut self) -> Option<usize> {
        let held = &self.held;
        for at in self.seen.max(1)..held.len() {
            let is_end = matches!(
                (held[at - 1], held[at]),
                (b'\n', b'\n' | b'\r') | (b'\r', b'\r')
            );
            if is_end {
                return Some(at + 1);
            }
        }
        self.seen = held.len();
        None
    }
}

/// Whether an event is a chunk without choices that tells the usage.
fn is_usage_alone(event: &[u8]) -> bool {
    if memmem::find(event, b"\"usage\"").is_none() {
        return false;
    }
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    let data = lines.find_map(|line| line.strip_prefix(b"data:"));
    let chunk = data.and_then(|data| serde_json::from_slice::<Chunk<'_>>(data).ok());
    chunk.is_some_and(|chunk| chunk.choices.is_empty() && chunk.usage.is_some_and(is_object))
}

fn is_object(usage: &RawValue) -> bool {
    usage.get().starts_with('{')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USAGE: &str = r#"{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;

    fn strained(stream: &str, piece: usize) -> String {
        let (mut unasked, mut out) = (Unasked::default(), Vec::new());
        for bytes in stream.as_bytes().chunks(piece) {
            out.extend(unasked.push(&Bytes::copy_from_slice(bytes)));
        }
        out.extend(unasked.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_usage_alone_is_taken_out() {
        for gap in ["\n\n", "\r\n\r\n", "\r\r"] {
            let rest = [
                ": a comment",
                r#"data: {"choices":[{"delta":{"content":"x"}}],"usage":null}"#,
                r#"data: {"choices":[],"prompt_filter_results":[],"usage":null}"#,
                r#"data:{"choices":[{"delta":{}}],"usage":{"prompt_tokens":7}}"#,
                r#"data: {"choices":[{"delta":{"content":"\"usage\": {}"}}]}"#,
                "data: not JSON, \"usage\"",
                "data: [DONE]",
            ];
            let mut all = rest.map(str::to_owned).to_vec();
            all.insert(6, format!("data: {USAGE}"));
            let (sent, kept) = (all.join(gap) + gap, rest.join(gap) + gap);
            for piece in [1, 2, 7, 1000] {
                assert_eq!(strained(&sent, piece), kept, "{gap:?} {piece}");
            }
        }
    }

    #[test]
    fn what_ends_without_its_mark_is_read_too() {
        assert_eq!(
            strained(&format!("data: a\n\ndata: {USAGE}"), 5),
            "data: a\n\n"
        );
        assert_eq!(strained("data: a\n\ndata: b", 5), "data: a\n\ndata: b");
    }

    #[test]
    fn an_event_without_end_is_handed_on() {
        let mut unasked = Unasked::default();
        let long = Bytes::from(vec![b'x'; LONGEST + 1]);
        assert_eq!(unasked.push(&long), long);
        assert_eq!(unasked.finish(), Bytes::new());
    }

    proptest! {
        #[test]
        fn nothing_else_is_lost(stream in "(data: [a-z{}\"]{0,9}|\r|\n|usage){0,30}", piece in 1_usize..9) {
            prop_assert_eq!(strained(&stream, piece), stream);
        }
    }
}
