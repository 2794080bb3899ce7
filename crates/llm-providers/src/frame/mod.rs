//! Bytes in, frames out: how a streamed body is cut into events.
//!
//! A splitter never copies what arrives whole, holds at most [`MAX_FRAME`] bytes of an unfinished frame, and gives the
//! same frames however the bytes were cut on the way.

mod aws;
mod lines;
mod sse;

use bytes::Bytes;

use crate::{Error, Framing, Kind};

/// The longest frame that is put together: an image in base64 fits, a runaway upstream does not.
pub const MAX_FRAME: usize = 64 << 20;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The event's name: SSE's `event:`, AWS's `:event-type` or `:exception-type`.
    pub event: Option<Bytes>,
    /// Its data.
    pub data: Bytes,
    /// AWS: the event is an exception.
    pub exception: bool,
}

impl Frame {
    /// A frame of data alone.
    pub fn data(data: impl Into<Bytes>) -> Self {
        Self {
            event: None,
            data: data.into(),
            exception: false,
        }
    }

    /// The event's name as text.
    pub fn event(&self) -> &str {
        self.event
            .as_ref()
            .and_then(|event| std::str::from_utf8(event).ok())
            .unwrap_or_default()
    }
}

/// Cuts one body into frames.
#[derive(Debug)]
pub struct Splitter(Inner);

#[derive(Debug)]
enum Inner {
    Sse(sse::Sse),
    Lines(lines::Lines),
    Aws(aws::Aws),
    Whole(Vec<u8>),
}

impl Splitter {
    /// A splitter for one body.
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Sse => Inner::Sse(sse::Sse::default()),
            Framing::Lines => Inner::Lines(lines::Lines::default()),
            Framing::AwsEventStream => Inner::Aws(aws::Aws::default()),
            Framing::Whole | Framing::Bytes => Inner::Whole(Vec::new()),
        })
    }

    /// Takes what arrived and adds the frames that are now complete.
    pub fn push(&mut self, bytes: Bytes, out: &mut Vec<Frame>) -> Result<(), Error> {
        match &mut self.0 {
            Inner::Sse(sse) => sse.push(bytes, out),
            Inner::Lines(lines) => lines.push(bytes, out),
            Inner::Aws(aws) => aws.push(&bytes, out),
            Inner::Whole(body) => {
                body.extend_from_slice(&bytes);
                limit(body.len())
            }
        }
    }

    /// The body is over: adds what still stands without its end mark.
    pub fn finish(&mut self, out: &mut Vec<Frame>) -> Result<(), Error> {
        match &mut self.0 {
            Inner::Sse(sse) => sse.finish(out),
            Inner::Lines(lines) => lines.finish(out),
            Inner::Aws(aws) => return aws.finish(),
            Inner::Whole(body) => out.push(Frame::data(std::mem::take(body))),
        }
        Ok(())
    }
}

fn limit(held: usize) -> Result<(), Error> {
    if held > MAX_FRAME {
        Err(Error::new(
            Kind::Decode,
            "an event of the stream is longer than 64 MiB",
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(framing: Framing, pieces: &[&[u8]]) -> Vec<Frame> {
        let (mut splitter, mut out) = (Splitter::new(framing), Vec::new());
        for piece in pieces {
            splitter
                .push(Bytes::copy_from_slice(piece), &mut out)
                .expect("frames");
        }
        splitter.finish(&mut out).expect("frames");
        out
    }

    #[test]
    fn sse_in_all_its_spellings() {
        let body = "\u{feff}: hi\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\n:\rdata: 3\r\rid: 7\nretry: 1\n\ndata\n\nevent: z\ndata:  4";
        let got = frames(Framing::Sse, &[body.as_bytes()]);
        let got: Vec<_> = got
            .iter()
            .map(|f| (f.event(), std::str::from_utf8(&f.data).expect("text")))
            .collect();
        assert_eq!(got, [("a", "1\n2"), ("", "3"), ("", ""), ("z", " 4")]);
    }

    #[test]
    fn lines_skip_blank_ones_and_keep_the_last() {
        let got = frames(Framing::Lines, &[b"{\"a\":1}\r\n\n{\"b\"", b":2}"]);
        assert_eq!(got, [Frame::data("{\"a\":1}"), Frame::data("{\"b\":2}")]);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_frames(
            text in "((data|event|:| id)?:? ?[a-zé]{0,4}(\r\n|\n|\r|)){0,12}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in at {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            for framing in [Framing::Sse, Framing::Lines] {
                prop_assert_eq!(frames(framing, &[bytes]), frames(framing, &pieces));
            }
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes: Vec<u8>) {
            for framing in [Framing::Sse, Framing::Lines, Framing::AwsEventStream, Framing::Whole] {
                let (mut splitter, mut out) = (Splitter::new(framing), Vec::new());
                let _ = splitter.push(Bytes::copy_from_slice(&bytes), &mut out);
                let _ = splitter.finish(&mut out);
            }
        }
    }
}
