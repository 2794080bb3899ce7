//! Any bytes, cut anywhere, are the same frames as the whole, or an error.

use bytes::Bytes;
use llm_providers::{
    Framing,
    frame::{Frame, Splitter},
};

fn split(framing: Framing, pieces: &[&[u8]]) -> Option<Vec<Frame>> {
    let (mut splitter, mut frames) = (Splitter::new(framing), Vec::new());
    for piece in pieces {
        splitter
            .push(Bytes::copy_from_slice(piece), &mut frames)
            .ok()?;
    }
    splitter.finish(&mut frames).ok()?;
    Some(frames)
}

/// Fails if the law does not hold for `bytes`, cut at `cut`.
pub fn holds(cut: usize, bytes: &[u8]) {
    let (head, tail) = bytes.split_at(cut.checked_rem(bytes.len() + 1).unwrap_or(0));
    for framing in [Framing::Sse, Framing::Lines, Framing::AwsEventStream] {
        assert_eq!(split(framing, &[bytes]), split(framing, &[head, tail]));
    }
}
