//! Server-sent events, after the WHATWG specification.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Frame, limit};
use crate::Error;

#[derive(Debug, Default)]
pub(super) struct Sse {
    /// A line whose end has not come yet.
    partial: BytesMut,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line may start with a byte order mark.
    started: bool,
    event: Option<Bytes>,
    data: Option<Data>,
}

/// Nearly every event has one line of data, which stays a slice of what arrived.
#[derive(Debug)]
enum Data {
    One(Bytes),
    Many(BytesMut),
}

impl Sse {
    pub(super) fn push(&mut self, mut bytes: Bytes, out: &mut Vec<Frame>) -> Result<(), Error> {
        if self.after_cr && bytes.first() == Some(&b'\n') {
            bytes = bytes.slice(1..);
        }
        if !bytes.is_empty() {
            self.after_cr = false;
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', &bytes) {
            let line = self.complete(bytes.slice(..end));
            let cr = bytes[end] == b'\r';
            bytes = bytes.slice(end + 1..);
            if cr {
                match bytes.first() {
                    Some(b'\n') => bytes = bytes.slice(1..),
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.line(line, out);
            limit(self.held())?;
        }
        self.partial.put_slice(&bytes);
        limit(self.held())
    }

    /// A last event without its blank line counts: whether the answer is whole is for the decoder to say.
    pub(super) fn finish(&mut self, out: &mut Vec<Frame>) {
        if !self.partial.is_empty() {
            let line = self.complete(Bytes::new());
            self.line(line, out);
        }
        self.dispatch(out);
    }

    fn held(&self) -> usize {
        let data = match &self.data {
            Some(Data::Many(data)) => data.len(),
            _ => 0,
        };
        self.partial.len() + data
    }

    fn complete(&mut self, rest: Bytes) -> Bytes {
        let mut line = if self.partial.is_empty() {
            rest
        } else {
            self.partial.put_slice(&rest);
            self.partial.split().freeze()
        };
        if !self.started {
            self.started = true;
            if line.starts_with("\u{feff}".as_bytes()) {
                line = line.slice(3..);
            }
        }
        line
    }

    fn line(&mut self, line: Bytes, out: &mut Vec<Frame>) {
        if line.is_empty() {
            return self.dispatch(out);
        }
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let value = || {
            let mut at = (colon + 1).min(line.len());
            if line.get(at) == Some(&b' ') {
                at += 1;
            }
            line.slice(at..)
        };
        match &line[..colon] {
            b"data" => self.add(value()),
            b"event" => self.event = Some(value()),
            _ => {}
        }
    }

    fn add(&mut self, value: Bytes) {
        self.data = Some(match self.data.take() {
            None => Data::One(value),
            Some(Data::One(first)) => {
                let mut all = BytesMut::with_capacity(first.len() + value.len() + 1);
                all.put_slice(&first);
                all.put_u8(b'\n');
                all.put_slice(&value);
                Data::Many(all)
            }
            Some(Data::Many(mut all)) => {
                all.put_u8(b'\n');
                all.put_slice(&value);
                Data::Many(all)
            }
        });
    }

    fn dispatch(&mut self, out: &mut Vec<Frame>) {
        let event = self.event.take();
        let data = match self.data.take() {
            None => return,
            Some(Data::One(data)) => data,
            Some(Data::Many(data)) => data.freeze(),
        };
        out.push(Frame {
            event,
            data,
            exception: false,
        });
    }
}
