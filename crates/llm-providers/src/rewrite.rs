//! Answers of bytes that are rewritten line by line, as they pass.

use bytes::Bytes;
use llm_types::Usage;

use crate::{Error, Kind};

/// The longest line.
const LONGEST: usize = 64 << 20;

/// Rewrites the lines of an answer, and counts what they say was consumed.
pub trait Rewriter: Send {
    /// What `line`, without its end, becomes; `None`: it is left out.
    fn line(&mut self, line: &[u8]) -> Result<Option<Bytes>, Error>;

    /// What all lines so far consumed, by model.
    fn consumed(&self) -> &[(String, Usage)];
}

/// Counts by model.
#[derive(Debug, Default)]
pub(crate) struct Consumed(Vec<(String, Usage)>);

impl Consumed {
    pub(crate) fn add(&mut self, model: &str, usage: &Usage) {
        match self.0.iter_mut().find(|(known, _)| known == model) {
            Some((_, all)) => all.add(usage),
            None => self.0.push((model.to_owned(), usage.clone())),
        }
    }

    pub(crate) fn all(&self) -> &[(String, Usage)] {
        &self.0
    }
}

/// Cuts bytes into lines, and has them rewritten.
pub(crate) struct Lines {
    rewriter: Box<dyn Rewriter>,
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(rewriter: Box<dyn Rewriter>) -> Self {
        Self {
            rewriter,
            held: Vec::new(),
        }
    }

    /// What the lines that end in `bytes` become.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Bytes, Error> {
        let mut out = Vec::new();
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.held.extend_from_slice(&rest[..at]);
            let line = std::mem::take(&mut self.held);
            self.rewrite(&line, &mut out)?;
            rest = &rest[at + 1..];
        }
        if self.held.len() + rest.len() > LONGEST {
            let message = format!("a line of the answer is longer than {LONGEST} bytes");
            return Err(Error::new(Kind::Decode, message));
        }
        self.held.extend_from_slice(rest);
        Ok(out.into())
    }

    /// What the last line becomes, which may lack its end.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Error> {
        let mut out = Vec::new();
        let line = std::mem::take(&mut self.held);
        self.rewrite(&line, &mut out)?;
        Ok(out.into())
    }

    pub(crate) fn consumed(&self) -> &[(String, Usage)] {
        self.rewriter.consumed()
    }

    fn rewrite(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if let Some(rewritten) = self.rewriter.line(line)? {
            out.extend_from_slice(&rewritten);
            out.push(b'\n');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Loud;

    impl Rewriter for Loud {
        fn line(&mut self, line: &[u8]) -> Result<Option<Bytes>, Error> {
            Ok((line != b"skip").then(|| line.to_ascii_uppercase().into()))
        }

        fn consumed(&self) -> &[(String, Usage)] {
            &[]
        }
    }

    #[test]
    fn lines_are_the_same_wherever_they_are_cut() {
        let text = b"one\n\nskip\r\ntwo\nthree";
        for at in 0..=text.len() {
            let mut lines = Lines::new(Box::new(Loud));
            let mut all = lines.push(&text[..at]).expect("lines").to_vec();
            all.extend(lines.push(&text[at..]).expect("lines"));
            all.extend(lines.finish().expect("the last"));
            assert_eq!(all, b"ONE\nTWO\nTHREE\n", "{at}");
        }
    }
}
