//! The lines of a file that is kept, as a stream, and what is wrong with them.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use llm_providers::Error;
use memchr::memchr;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{FileStore, KeptFile, not_found};

/// As many problems of an input are named.
const MOST_PROBLEMS: usize = 20;
/// The longest line: requests with pictures in them are long.
const LONGEST: usize = 32 << 20;

/// A line of an input.
#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) custom_id: String,
    pub(super) url: Option<String>,
    pub(super) body: Box<RawValue>,
}

/// What is next in a file of lines.
pub(super) enum Next {
    /// A line that is not empty, and its number.
    Line(u64, Bytes),
    /// A line that is too long to be read, and its number.
    TooLong(u64),
    /// The end.
    End,
}

/// Reads a file line by line; a piece of it and one line are in memory.
pub(super) struct Lines {
    files: Arc<dyn FileStore>,
    id: String,
    left: u64,
    piece: u64,
    number: u64,
    rest: BytesMut,
    /// So many bytes of `rest` have no end of a line in them.
    searched: usize,
}

impl Lines {
    pub(super) fn of(files: &Arc<dyn FileStore>, file: &KeptFile) -> Self {
        Self {
            files: Arc::clone(files),
            id: file.id.clone(),
            left: file.bytes,
            piece: 0,
            number: 0,
            rest: BytesMut::new(),
            searched: 0,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Next, Error> {
        loop {
            let line = match memchr(b'\n', &self.rest[self.searched..]) {
                Some(at) => self.rest.split_to(self.searched + at + 1),
                None if self.left > 0 => {
                    self.searched = self.rest.len();
                    if self.searched > LONGEST {
                        return Ok(Next::TooLong(self.number + 1));
                    }
                    self.more().await?;
                    continue;
                }
                None if self.rest.is_empty() => return Ok(Next::End),
                None => self.rest.split(),
            };
            self.searched = 0;
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                return Ok(Next::Line(self.number, line.freeze()));
            }
        }
    }

    /// Reads another piece. A file that ends before its end was removed.
    async fn more(&mut self) -> Result<(), Error> {
        let piece = self.files.read(&self.id, self.piece).await?;
        let piece = piece.filter(|piece| !piece.is_empty());
        let piece = piece.ok_or_else(|| not_found(&self.id))?;
        self.piece += 1;
        self.left = self.left.saturating_sub(piece.len() as u64);
        self.rest.extend_from_slice(&piece);
        Ok(())
    }
}

/// How many lines an input has, and what is wrong with them.
pub(super) async fn checked(mut lines: Lines, endpoint: &str) -> Result<(u64, Vec<Value>), Error> {
    let mut check = Check::default();
    while check.problems.len() < MOST_PROBLEMS {
        match lines.next().await? {
            Next::Line(number, text) => check.line(number, &text, endpoint),
            Next::TooLong(number) => {
                check.problem(number, "line_too_long", "", "is too long");
                return Ok((check.total, check.problems));
            }
            Next::End => break,
        }
    }
    if check.total == 0 {
        let message = "The input file has no lines.";
        check.problems.push(json!({"code": "empty_file", "line": null, "param": "input_file_id", "message": message}));
    }
    Ok((check.total, check.problems))
}

#[derive(Default)]
struct Check {
    total: u64,
    problems: Vec<Value>,
    /// Two hashes for each id, whose seeds nobody knows: the ids themselves may be long.
    seen: HashSet<(u64, u64)>,
    seeds: (RandomState, RandomState),
}

impl Check {
    fn problem(&mut self, number: u64, code: &str, param: &str, message: &str) {
        self.problems
            .push(json!({"code": code, "line": number, "param": param, "message": message}));
    }

    fn line(&mut self, number: u64, text: &[u8], endpoint: &str) {
        self.total += 1;
        let line = match serde_json::from_slice::<Line>(text) {
            Ok(line) => line,
            Err(error) => return self.problem(number, "invalid_json_line", "", &error.to_string()),
        };
        if line.url.as_deref().is_some_and(|url| url != endpoint) {
            return self.problem(
                number,
                "mismatched_endpoint",
                "url",
                "is not the batch's endpoint",
            );
        }
        if !line.body.get().starts_with('{') {
            self.problem(number, "invalid_request", "body", "is no object");
        }
        let id = &line.custom_id;
        let hashes = (self.seeds.0.hash_one(id), self.seeds.1.hash_one(id));
        if !self.seen.insert(hashes) {
            self.problem(
                number,
                "duplicate_custom_id",
                "custom_id",
                "is another line's, too",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{FolderFiles, PIECE, fresh};

    async fn lines(folder: &tempfile::TempDir, text: &[u8]) -> Lines {
        let files: Arc<dyn FileStore> =
            Arc::new(FolderFiles::open(folder.path(), u64::MAX).unwrap());
        let file = KeptFile {
            id: fresh("file-"),
            bytes: text.len() as u64,
            ..KeptFile::default()
        };
        files.begin(&file).await.unwrap();
        for (number, piece) in (0..).zip(text.chunks(PIECE)) {
            let piece = Bytes::copy_from_slice(piece);
            files.write(&file.id, number, piece).await.unwrap();
        }
        files.show(&file).await.unwrap();
        Lines::of(&files, &file)
    }

    #[tokio::test]
    async fn an_input_s_mistakes_are_named_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let good = r#"{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}"#;
        let check = async |text: &str| {
            let lines = lines(&folder, text.as_bytes()).await;
            let (total, problems) = checked(lines, "/v1/embeddings").await.unwrap();
            let said: Vec<_> = problems
                .iter()
                .map(|p| (p["code"].as_str().unwrap().to_owned(), p["line"].as_u64()))
                .collect();
            (total, said)
        };
        assert_eq!(check(&format!("{good}\n\n")).await, (1, vec![]));
        assert_eq!(check("").await, (0, vec![("empty_file".into(), None)]));
        let (_, said) = check(&format!(
            "{good}\n{good}\nx\n\n{}",
            good.replace("embeddings", "x")
        ))
        .await;
        let codes: Vec<_> = said
            .iter()
            .map(|(code, line)| (code.as_str(), line.unwrap()))
            .collect();
        assert_eq!(
            codes,
            [
                ("duplicate_custom_id", 2),
                ("invalid_json_line", 3),
                ("mismatched_endpoint", 5)
            ]
        );
    }

    #[tokio::test]
    async fn lines_go_over_the_ends_of_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(PIECE + 7);
        let text = format!("a\n{long}\n\n{long}\nlast");
        let mut lines = lines(&folder, text.as_bytes()).await;
        let mut read = Vec::new();
        while let Next::Line(number, line) = lines.next().await.unwrap() {
            read.push((number, line.trim_ascii().len()));
        }
        assert_eq!(read, [(1, 1), (2, PIECE + 7), (4, PIECE + 7), (5, 4)]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = lines(&folder, &vec![b'x'; LONGEST + 2 * PIECE]).await;
        assert!(matches!(lines.next().await.unwrap(), Next::TooLong(1)));
    }

    #[tokio::test]
    async fn a_file_that_goes_while_it_is_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = lines(&folder, b"a\nb\n").await;
        lines.files.remove(&lines.id).await.unwrap();
        assert!(lines.next().await.is_err());
    }
}
