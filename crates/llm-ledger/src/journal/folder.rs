//! The journal's folder: numbered files, a name of its own, and a lock.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use llm_store::Position;
use uuid::Uuid;

use crate::Error;

use super::frame;

/// How much of a file is read at a time.
const PART: u64 = 1 << 20;

/// A folder that belongs to this process until the value is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// What the database knows the journal by.
    pub(crate) name: String,
    /// The process that wrote here last.
    pub(crate) previous_owner: Option<String>,
    _lock: File,
}

/// Records and where the next one begins.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) next: Position,
    /// Bytes that were read.
    pub(crate) bytes: u64,
}

impl Folder {
    /// Opens the folder, or makes it; `owner` is the process that will write.
    pub(crate) fn open(path: &Path, owner: &str) -> Result<Self, Error> {
        fs::create_dir_all(path)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::JournalInUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let name = match read_text(&path.join("name"))? {
            Some(name) => name,
            None => {
                let name = Uuid::now_v7().to_string();
                write_text(path, "name", &name)?;
                name
            }
        };
        let previous_owner = read_text(&path.join("owner"))?;
        write_text(path, "owner", owner)?;
        Ok(Self {
            path: path.to_owned(),
            name,
            previous_owner,
            _lock: lock,
        })
    }

    /// Begins a new file.
    pub(crate) fn create(&self, segment: i64) -> io::Result<File> {
        let file = File::options()
            .create_new(true)
            .write(true)
            .open(self.segment(segment))?;
        // The file's name has to last as well as its bytes.
        File::open(&self.path)?.sync_all()?;
        Ok(file)
    }

    /// The numbers of the files there are, in order.
    pub(crate) fn segments(&self) -> io::Result<Vec<i64>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".journal"));
            segments.extend(number.and_then(|number| number.parse::<i64>().ok()));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// How many bytes lie behind `position`.
    pub(crate) fn backlog(&self, position: Position) -> io::Result<u64> {
        let mut bytes = 0;
        for segment in self.segments()? {
            let length = fs::metadata(self.segment(segment))?.len();
            bytes += match segment.cmp(&position.segment) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Equal => length.saturating_sub(offset(position)),
                std::cmp::Ordering::Greater => length,
            };
        }
        Ok(bytes)
    }

    /// At most `most` records from `from`, none behind `end`. A file's damaged rest is left out, and said so.
    pub(crate) fn read(&self, from: Position, end: Position, most: usize) -> io::Result<Batch> {
        let mut batch = Batch {
            records: Vec::new(),
            next: from,
            bytes: 0,
        };
        for segment in self.segments()? {
            if segment < from.segment || segment > end.segment {
                continue;
            }
            let start = if segment == from.segment {
                offset(from)
            } else {
                0
            };
            let limit = if segment == end.segment {
                offset(end)
            } else {
                u64::MAX
            };
            let length = fs::metadata(self.segment(segment))?.len().min(limit);
            let used = self.read_segment(segment, start..length, most, &mut batch)?;
            batch.bytes += used;
            if start + used < length {
                if !batch.records.is_empty() {
                    batch.next = position(segment, start + used);
                    return Ok(batch);
                }
                let bytes = length - start - used;
                tracing::warn!(
                    segment,
                    bytes,
                    "the journal's file ends with a record that was never acknowledged"
                );
                batch.bytes += bytes;
            }
        }
        batch.next = end;
        Ok(batch)
    }

    /// Adds records of one file; answers how many of its bytes they are.
    fn read_segment(
        &self,
        segment: i64,
        range: Range<u64>,
        most: usize,
        batch: &mut Batch,
    ) -> io::Result<u64> {
        let mut file = File::open(self.segment(segment))?;
        let available = range.end.saturating_sub(range.start);
        // A part is enough, unless a single record is longer than that.
        for window in [PART.min(available), available] {
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.by_ref().take(window).read_to_end(&mut bytes)?;
            let mut used = 0;
            while batch.records.len() < most
                && let Some((record, length)) = frame::first(bytes.get(used..).unwrap_or_default())
            {
                batch.records.push(record.to_vec());
                used += length;
            }
            if used > 0 || batch.records.len() >= most {
                return Ok(used as u64);
            }
        }
        Ok(0)
    }

    /// Removes the files before this one: the database has them.
    pub(crate) fn remove_before(&self, segment: i64) -> io::Result<()> {
        for old in self.segments()? {
            if old < segment {
                fs::remove_file(self.segment(old))?;
            }
        }
        Ok(())
    }

    /// Puts aside a record that the database will never take.
    pub(crate) fn reject(&self, record: &[u8]) -> io::Result<()> {
        use std::io::Write;
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.path.join("rejected"))?;
        file.write_all(record)?;
        file.write_all(b"\n")?;
        file.sync_data()
    }

    fn segment(&self, number: i64) -> PathBuf {
        self.path.join(format!("{number:012}.journal"))
    }
}

fn offset(position: Position) -> u64 {
    u64::try_from(position.offset).unwrap_or(0)
}

fn position(segment: i64, offset: u64) -> Position {
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    Position { segment, offset }
}

fn read_text(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A kill leaves the old text or the new one.
fn write_text(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, text)?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    File::open(folder)?.sync_all()
}
