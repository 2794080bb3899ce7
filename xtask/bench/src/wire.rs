//! HTTP/1.1 as the two ends of a bench need it: one message after the other on one connection.
//!
//! Blocking and without a framework, so that what is measured costs more than what measures.

use std::io::{self, BufRead, ErrorKind};

/// The longest body that is read.
const MOST: usize = 16 << 20;

/// What stands before a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request line or the status line.
    pub(crate) first: String,
    pub(crate) length: Option<usize>,
    pub(crate) chunked: bool,
}

/// Reads a head; `None` where the connection ended between two messages.
pub(crate) fn read_head(input: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    if input.read_line(&mut head.first)? == 0 {
        return Ok(None);
    }
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if line.trim_end().is_empty() {
            return Ok(Some(head));
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(malformed("a header without a colon"));
        };
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.trim().parse().map_err(|_| malformed("a length"))?;
            head.length = Some(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
}

/// Reads the body that follows `head` into `body`, in place of what was there.
pub(crate) fn read_body(
    input: &mut impl BufRead,
    head: &Head,
    body: &mut Vec<u8>,
) -> io::Result<()> {
    body.clear();
    if !head.chunked {
        return append(input, head.length.unwrap_or(0), body);
    }
    let mut line = String::new();
    loop {
        line.clear();
        input.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed("a chunk's size"))?;
        append(input, size, body)?;
        line.clear();
        // After the last chunk: no trailers, only the blank line.
        input.read_line(&mut line)?;
        if !line.trim_end().is_empty() {
            return Err(malformed("a chunk's end"));
        }
        if size == 0 {
            return Ok(());
        }
    }
}

fn append(input: &mut impl BufRead, size: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let start = body.len();
    if size > MOST - start.min(MOST) {
        return Err(malformed("a body beyond all bounds"));
    }
    body.resize(start + size, 0);
    input.read_exact(&mut body[start..])
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut text: &[u8]) -> io::Result<(Head, String)> {
        let head = read_head(&mut text)?.unwrap();
        let mut body = b"old".to_vec();
        read_body(&mut text, &head, &mut body)?;
        Ok((head, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn bodies_with_a_length_and_in_chunks() {
        let (head, body) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef").unwrap();
        assert_eq!((head.first.trim(), &*body), ("HTTP/1.1 200 OK", "abc"));
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(read(chunked).unwrap().1, "ab0123456789");
    }

    #[test]
    fn what_is_cut_or_broken_is_an_error() {
        for text in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(read_head(&mut &b""[..]).unwrap(), None);
    }
}
