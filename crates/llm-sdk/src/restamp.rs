//! Gives answers the model name that the client asked for, without parsing what need not be parsed.

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::JsonObject;
use memchr::memmem;

const KEY: &[u8] = b"\"model\"";

/// `json` with its top-level `model` replaced. What is not an object with a `model` is returned as it is.
pub(crate) fn restamp(json: Bytes, model: &str) -> Bytes {
    match value(&json) {
        Some((from, to))
            if !model.contains(['"', '\\']) && !model.chars().any(char::is_control) =>
        {
            if &json[from..to] == model.as_bytes() {
                return json;
            }
            let mut out = BytesMut::with_capacity(json.len() + model.len());
            out.put_slice(&json[..from]);
            out.put_slice(model.as_bytes());
            out.put_slice(&json[to..]);
            out.freeze()
        }
        _ => slowly(json, model),
    }
}

/// Where the text of the top-level `model` is, if that can be seen without parsing: it comes before anything nested.
fn value(json: &[u8]) -> Option<(usize, usize)> {
    let start = json
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .filter(|at| json[*at] == b'{')?;
    let nested =
        memchr::memchr2(b'{', b'[', &json[start + 1..]).map_or(json.len(), |at| start + 1 + at);
    let head = &json[..nested];
    let key = memmem::find(head, KEY)?;
    // `"model"` may also be a value: only a colon makes it a key.
    let mut at = key + KEY.len();
    at += head[at..]
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .filter(|i| head[at + i] == b':')?
        + 1;
    at += head[at..]
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .filter(|i| head[at + i] == b'"')?
        + 1;
    let end = at + memchr::memchr2(b'"', b'\\', &head[at..]).filter(|i| head[at + i] == b'"')?;
    Some((at, end))
}

fn slowly(json: Bytes, model: &str) -> Bytes {
    match JsonObject::parse(&json) {
        Ok(mut object) if object.contains("model") => {
            object.set_str("model", model);
            object.to_bytes()
        }
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_level_model_is_replaced_wherever_it_stands() {
        for (json, expected) in [
            (
                r#"{"id":"1","model" : "a","choices":[{"model":"x"}]}"#,
                r#"{"id":"1","model" : "b","choices":[{"model":"x"}]}"#,
            ),
            (
                r#"{"data":[{"model":"x"}],"model":"a"}"#,
                r#"{"data":[{"model":"x"}],"model":"b"}"#,
            ),
            (
                r#"{"id":"model","model":"a"}"#,
                r#"{"id":"model","model":"b"}"#,
            ),
            (r#"{"model":"a\"c"}"#, r#"{"model":"b"}"#),
            (r#"{"choices":[]}"#, r#"{"choices":[]}"#),
            ("[1]", "[1]"),
            ("", ""),
        ] {
            assert_eq!(restamp(Bytes::from(json), "b"), expected);
        }
        assert_eq!(
            restamp(Bytes::from(r#"{"model":"a"}"#), "q\"\n"),
            r#"{"model":"q\"\n"}"#
        );
    }
}
