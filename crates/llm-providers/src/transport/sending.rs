//! A request's body on its way: what is on disk is read piece by piece.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::{Data, Outgoing};

/// How much of a file is in memory at a time.
const AT_ONCE: usize = 256 << 10;

/// A request's body.
pub(super) enum Sending {
    Whole(Bytes),
    Pieces(Pieces),
}

pub(super) struct Pieces {
    left: VecDeque<Data>,
    /// What of the first piece is sent already.
    sent: u64,
    bytes_left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl From<Outgoing> for Sending {
    fn from(outgoing: Outgoing) -> Self {
        let bytes_left = outgoing.len();
        match outgoing {
            Outgoing::Bytes(bytes) => Self::Whole(bytes),
            Outgoing::Pieces(pieces) => Self::Pieces(Pieces {
                left: pieces.into(),
                sent: 0,
                bytes_left,
                reading: None,
            }),
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Pieces(pieces) => pieces.poll(cx).map(|next| next.map(|r| r.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Pieces(pieces) => pieces.bytes_left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.bytes_left,
        })
    }
}

impl Pieces {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = match Pin::new(reading).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(read) => read.unwrap_or_else(|e| Err(io::Error::other(e))),
                };
                self.reading = None;
                return Poll::Ready(Some(read.inspect(|bytes| {
                    self.sent += bytes.len() as u64;
                    self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
                })));
            }
            match self.left.front() {
                None => return Poll::Ready(None),
                Some(Data::Memory(bytes)) => {
                    let bytes = bytes.clone();
                    self.left.pop_front();
                    self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Data::Disk(stored)) if self.sent >= stored.len() => {
                    self.left.pop_front();
                    self.sent = 0;
                }
                Some(Data::Disk(stored)) => {
                    let (stored, at) = (stored.clone(), self.sent);
                    self.reading = Some(tokio::task::spawn_blocking(move || {
                        stored.read(at, AT_ONCE)
                    }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body_util::BodyExt;

    use super::*;
    use crate::Stored;

    #[tokio::test]
    async fn pieces_come_in_their_order_and_their_length_is_known() {
        let long: Vec<u8> = (0..600_000_u32).map(|n| n as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&long).expect("written");
        let pieces = vec![
            Data::Memory(Bytes::from_static(b"<")),
            Data::Disk(Stored::new(file).expect("a length")),
            Data::Memory(Bytes::new()),
            Data::Memory(Bytes::from_static(b">")),
        ];
        let sending = Sending::from(Outgoing::Pieces(pieces));
        assert_eq!(sending.size_hint().exact(), Some(600_002));
        let sent = sending.collect().await.expect("read").to_bytes();
        assert_eq!(sent.len(), 600_002);
        assert_eq!((sent[0], sent[600_001]), (b'<', b'>'));
        assert_eq!(sent[1..600_001], long);
    }
}
