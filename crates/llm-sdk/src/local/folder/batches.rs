//! Batches: each is a small file of what is known of it and, until it is over, a file of answers that grows line by line.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use llm_providers::Error;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{aside, broken, replace};
use crate::{
    local::{ANSWERS, Batch, BatchStore, LineAnswer, Listing, Tenure, not_found},
    responses::private_folder,
};

/// As many are removed at a time.
const MOST_SWEPT: usize = 1000;

/// Keeps batches in a folder.
#[derive(Debug)]
pub struct FolderBatches {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    known: Mutex<HashMap<String, Known>>,
}

/// A batch, and what counts until it is over.
#[derive(Debug)]
struct Known {
    batch: Batch,
    /// Who works on it, and until when. Not written down: a process that ends works on nothing.
    tenure: Option<(String, u64)>,
    answers: Option<Journal>,
}

/// The answers of a batch.
#[derive(Debug)]
struct Journal {
    file: File,
    lines: HashSet<u64>,
}

/// An answer as it is written down.
#[derive(Deserialize)]
struct Written {
    line: u64,
    good: bool,
    answer: Box<RawValue>,
}

impl FolderBatches {
    /// Keeps batches in `folder`, which is made if it is not there. Blocks.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        private_folder(&folder)?;
        let mut known = HashMap::new();
        for file in fs::read_dir(&folder)? {
            let path = file?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            match serde_json::from_slice::<Batch>(&fs::read(&path)?) {
                Ok(batch) => {
                    let one = Known::restored(&path, batch)?;
                    known.insert(one.batch.id.clone(), one);
                }
                Err(error) => {
                    tracing::error!(%error, file = %path.display(), "a batch is unreadable");
                }
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                folder,
                known: Mutex::new(known),
            }),
        })
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        aside(move || work(&inner)).await
    }
}

impl Known {
    fn restored(path: &Path, mut batch: Batch) -> io::Result<Self> {
        let mut answers = None;
        if !batch.is_over() {
            let (journal, good) = Journal::open(&path.with_extension("answers"))?;
            batch.completed = good;
            batch.failed = journal.lines.len() as u64 - good;
            answers = Some(journal);
        }
        Ok(Self {
            batch,
            tenure: None,
            answers,
        })
    }

    fn is_of(&self, runner: &str) -> bool {
        let holder = self.tenure.as_ref().map(|(holder, _)| holder.as_str());
        holder == Some(runner) && !self.batch.is_over()
    }
}

impl Journal {
    /// Opens a file of answers; says how many are good, too. A line that a crash tore is cut off.
    fn open(path: &Path) -> io::Result<(Self, u64)> {
        let file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)?;
        let mut reader = BufReader::new(&file);
        let (mut line, mut whole, mut lines, mut good) = (Vec::new(), 0, HashSet::new(), 0);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                break;
            }
            whole += read as u64;
            if let Ok(answer) = serde_json::from_slice::<Written>(&line)
                && lines.insert(answer.line)
            {
                good += u64::from(answer.good);
            }
        }
        file.set_len(whole)?;
        Ok((Self { file, lines }, good))
    }

    /// Adds an answer; says whether it is new. One line, one write: a crash leaves a torn line at most.
    fn add(&mut self, answer: &LineAnswer) -> io::Result<bool> {
        if self.lines.contains(&answer.line) {
            return Ok(false);
        }
        let LineAnswer { line, good, text } = answer;
        let before = self.file.metadata()?.len();
        let text = format!("{{\"line\":{line},\"good\":{good},\"answer\":{text}}}\n");
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            // A full disk took a part of it, which the next line would be glued to.
            self.file.set_len(before)?;
            return Err(error);
        }
        self.lines.insert(answer.line);
        Ok(true)
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    fn write(&self, batch: &Batch) -> Result<(), Error> {
        let text = serde_json::to_vec(batch).map_err(|e| Error::decode("", e))?;
        replace(&self.path(&batch.id), &text).map_err(broken("the batch cannot be kept"))
    }

    fn make(&self, batch: Batch) -> Result<(), Error> {
        self.write(&batch)?;
        let path = self.path(&batch.id);
        let unusable = broken("the batch cannot be kept");
        let one = Known::restored(&path, batch).map_err(unusable)?;
        self.known().insert(one.batch.id.clone(), one);
        Ok(())
    }

    fn cancel(&self, id: &str, now: u64) -> Result<(), Error> {
        let mut known = self.known();
        let one = known.get_mut(id).ok_or_else(|| not_found(id))?;
        if one.batch.is_over() || one.batch.cancelling_at.is_some() {
            return Ok(());
        }
        let mut next = one.batch.clone();
        next.cancelling_at = Some(now);
        self.write(&next)?;
        one.batch = next;
        Ok(())
    }

    fn claim(&self, runner: &str, now: u64, until: u64) -> Option<Batch> {
        let mut known = self.known();
        let is_free = |one: &&mut Known| {
            let held = one.tenure.as_ref().is_some_and(|(_, end)| *end > now);
            !held && !one.batch.is_over()
        };
        let free = known.values_mut().filter(is_free);
        let oldest = free.min_by_key(|one| (one.batch.created_at, one.batch.id.clone()))?;
        oldest.tenure = Some((runner.to_owned(), until));
        Some(oldest.batch.clone())
    }

    fn save(&self, mut batch: Batch, runner: &str) -> Result<bool, Error> {
        let mut known = self.known();
        let Some(one) = known.get_mut(&batch.id).filter(|one| one.is_of(runner)) else {
            return Ok(false);
        };
        batch.cancelling_at = one.batch.cancelling_at;
        self.write(&batch)?;
        if batch.is_over() {
            one.answers = None;
            let _ = fs::remove_file(self.path(&batch.id).with_extension("answers"));
        } else {
            batch.completed = one.batch.completed;
            batch.failed = one.batch.failed;
        }
        one.batch = batch;
        Ok(true)
    }

    fn answer(&self, id: &str, runner: &str, answer: &LineAnswer) -> Result<bool, Error> {
        let mut known = self.known();
        let Some(one) = known.get_mut(id).filter(|one| one.is_of(runner)) else {
            return Ok(false);
        };
        let Some(journal) = &mut one.answers else {
            return Ok(false);
        };
        let unusable = broken("an answer of a batch cannot be kept");
        if !journal.add(answer).map_err(unusable)? {
            return Ok(false);
        }
        match answer.good {
            true => one.batch.completed += 1,
            false => one.batch.failed += 1,
        }
        Ok(true)
    }

    fn answers(&self, id: &str, from: u64) -> Result<(Vec<LineAnswer>, Option<u64>), Error> {
        let path = self.path(id).with_extension("answers");
        let read = || {
            let mut file = BufReader::new(File::open(path)?);
            file.seek(SeekFrom::Start(from))?;
            let (mut all, mut line, mut read) = (Vec::new(), Vec::new(), 0);
            while read < ANSWERS {
                line.clear();
                read += file.read_until(b'\n', &mut line)?;
                if line.is_empty() {
                    return Ok((all, None));
                }
                if let Ok(written) = serde_json::from_slice::<Written>(&line) {
                    all.push(LineAnswer {
                        line: written.line,
                        good: written.good,
                        text: written.answer.get().to_owned(),
                    });
                }
            }
            Ok((all, Some(from + read as u64)))
        };
        read().map_err(broken("the answers of a batch cannot be read"))
    }
}

impl Inner {
    /// Removes the answers of batches that were over when the process ended, and some of the batches that were by `ended`.
    fn sweep(&self, ended: u64) -> Result<(), Error> {
        let mut known = self.known();
        let is_old = |one: &&Known| one.batch.ended_at().is_some_and(|end| end <= ended);
        let old = known.values().filter(is_old).take(MOST_SWEPT);
        let old: Vec<String> = old.map(|one| one.batch.id.clone()).collect();
        for id in old {
            remove(&self.path(&id).with_extension("answers"))?;
            remove(&self.path(&id))?;
            known.remove(&id);
        }
        for one in known.values().filter(|one| one.batch.is_over()) {
            remove(&self.path(&one.batch.id).with_extension("answers"))?;
        }
        Ok(())
    }
}

/// Removes a file that may be gone already.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(broken("what is kept of a batch cannot be removed")(error))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl BatchStore for FolderBatches {
    async fn make(&self, batch: &Batch) -> Result<(), Error> {
        let batch = batch.clone();
        self.aside(move |inner| inner.make(batch)).await
    }

    async fn get(&self, id: &str) -> Result<Option<Batch>, Error> {
        Ok(self.inner.known().get(id).map(|one| one.batch.clone()))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Batch>, Error> {
        let known = self.inner.known();
        let all = known.values().map(|one| one.batch.clone()).collect();
        Ok(listing.cut(
            all,
            |batch: &Batch| (batch.created_at, batch.id.as_str()),
            |batch| batch.whose.as_deref(),
        ))
    }

    async fn cancel(&self, id: &str, now: u64) -> Result<(), Error> {
        let id = id.to_owned();
        self.aside(move |inner| inner.cancel(&id, now)).await
    }

    async fn claim(&self, tenure: Tenure<'_>) -> Result<Option<Batch>, Error> {
        Ok(self.inner.claim(tenure.runner, tenure.now, tenure.until))
    }

    async fn renew(&self, id: &str, tenure: Tenure<'_>) -> Result<Option<bool>, Error> {
        let mut known = self.inner.known();
        let one = known.get_mut(id).filter(|one| one.is_of(tenure.runner));
        Ok(one.map(|one| {
            one.tenure = Some((tenure.runner.to_owned(), tenure.until));
            one.batch.cancelling_at.is_some()
        }))
    }

    async fn save(&self, batch: &Batch, runner: &str) -> Result<bool, Error> {
        let (batch, runner) = (batch.clone(), runner.to_owned());
        self.aside(move |inner| inner.save(batch, &runner)).await
    }

    async fn answer(&self, id: &str, runner: &str, answer: &LineAnswer) -> Result<bool, Error> {
        let (id, runner, answer) = (id.to_owned(), runner.to_owned(), answer.clone());
        self.aside(move |inner| inner.answer(&id, &runner, &answer))
            .await
    }

    async fn lines(&self, id: &str) -> Result<Vec<u64>, Error> {
        let known = self.inner.known();
        let journal = known.get(id).and_then(|one| one.answers.as_ref());
        Ok(journal.map_or_else(Vec::new, |journal| journal.lines.iter().copied().collect()))
    }

    async fn answers(&self, id: &str, from: u64) -> Result<(Vec<LineAnswer>, Option<u64>), Error> {
        let id = id.to_owned();
        self.aside(move |inner| inner.answers(&id, from)).await
    }

    async fn sweep(&self, ended: u64) -> Result<(), Error> {
        self.aside(move |inner| inner.sweep(ended)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.answers");
        let whole =
            "{\"line\":1,\"good\":true,\"answer\":{}}\n{\"line\":7,\"good\":false,\"answer\":{}}\n";
        fs::write(&path, format!("{whole}{{\"line\":8,\"go")).unwrap();
        let (mut journal, good) = Journal::open(&path).unwrap();
        assert_eq!((journal.lines.len(), good), (2, 1));
        let mut answer = LineAnswer {
            line: 7,
            good: true,
            text: "{}".into(),
        };
        assert!(!journal.add(&answer).unwrap(), "it is answered");
        answer.line = 9;
        assert!(journal.add(&answer).unwrap());
        let (journal, good) = Journal::open(&path).unwrap();
        assert_eq!((journal.lines, good), (HashSet::from([1, 7, 9]), 2));
    }
}
