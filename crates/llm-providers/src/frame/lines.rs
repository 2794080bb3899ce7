//! One JSON document a line (NDJSON).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Frame, limit};
use crate::Error;

#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: BytesMut,
}

impl Lines {
    pub(super) fn push(&mut self, mut bytes: Bytes, out: &mut Vec<Frame>) -> Result<(), Error> {
        while let Some(end) = memchr::memchr(b'\n', &bytes) {
            let rest = bytes.slice(..end);
            bytes = bytes.slice(end + 1..);
            self.line(rest, out);
        }
        self.partial.put_slice(&bytes);
        limit(self.partial.len())
    }

    pub(super) fn finish(&mut self, out: &mut Vec<Frame>) {
        self.line(Bytes::new(), out);
    }

    fn line(&mut self, rest: Bytes, out: &mut Vec<Frame>) {
        let line = if self.partial.is_empty() {
            rest
        } else {
            self.partial.put_slice(&rest);
            self.partial.split().freeze()
        };
        let trimmed = line.trim_ascii();
        if !trimmed.is_empty() {
            out.push(Frame::data(line.slice_ref(trimmed)));
        }
    }
}
