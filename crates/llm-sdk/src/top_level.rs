//! Texts of JSON documents that can be found without parsing all of them.

use memchr::memmem;

/// How far from the end of a document a key is looked for.
const LONGEST_TAIL: usize = 1024;

/// Where the text of the top-level `key` is, if it comes before anything nested, or near the end.
pub(crate) fn text(json: &[u8], key: &str) -> Option<(usize, usize)> {
    first(json, key).or_else(|| last(json, key))
}

/// Where the text of the first `key` is, however deep.
pub(crate) fn anywhere(json: &[u8], key: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = find(json.get(from..)?, key) {
        // It may also be a value.
        from += at;
        if let Some(found) = text_after(json, from) {
            return Some(found);
        }
    }
    None
}

/// The end of the first `key` with its quotes.
fn find(json: &[u8], key: &str) -> Option<usize> {
    let quoted = |at: &usize| at.checked_sub(1).and_then(|at| json.get(at)) == Some(&b'"');
    let ends = |at: &usize| json.get(at + key.len()) == Some(&b'"');
    let mut found = memmem::find_iter(json, key.as_bytes()).filter(quoted);
    found.find(ends).map(|at| at + key.len() + 1)
}

fn first(json: &[u8], key: &str) -> Option<(usize, usize)> {
    let start = json
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .filter(|at| json[*at] == b'{')?;
    let nested =
        memchr::memchr2(b'{', b'[', &json[start + 1..]).map_or(json.len(), |at| start + 1 + at);
    let head = &json[..nested];
    text_after(head, find(head, key)?)
}

/// The same from the other end: embeddings have it after their vectors, which are long. Between it and the end of the
/// document as many brackets close as open, and one more, the last byte of all.
fn last(json: &[u8], key: &str) -> Option<(usize, usize)> {
    let tail = json.len().saturating_sub(LONGEST_TAIL);
    let key_at = tail + memmem::rfind(&json[tail..], key.as_bytes())?;
    let quotes = (key_at.checked_sub(1)?, key_at + key.len());
    // Inside a text its quotes would be escaped.
    let before = quotes.0.checked_sub(1).map(|at| json[at]);
    if json[quotes.0] != b'"'
        || json.get(quotes.1) != Some(&b'"')
        || before.is_none_or(|b| b == b'\\')
    {
        return None;
    }
    let (from, to) = text_after(json, quotes.1 + 1)?;
    let mut depth = 0usize;
    let mut at = to + 1;
    loop {
        match json.get(at)? {
            b'"' => at = string_end(json, at + 1)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' => break,
            _ => {}
        }
        at += 1;
    }
    json[at + 1..].trim_ascii().is_empty().then_some((from, to))
}

/// Where the text is that follows the key that ends at `at`. A key may also be a value: only a colon makes it one.
fn text_after(json: &[u8], mut at: usize) -> Option<(usize, usize)> {
    for mark in [b':', b'"'] {
        at += json[at..]
            .iter()
            .position(|b| !b.is_ascii_whitespace())
            .filter(|i| json[at + i] == mark)?
            + 1;
    }
    let end = at + memchr::memchr2(b'"', b'\\', &json[at..]).filter(|i| json[at + i] == b'"')?;
    Some((at, end))
}

/// The place of the quote that ends the string which begins at `at`.
fn string_end(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
