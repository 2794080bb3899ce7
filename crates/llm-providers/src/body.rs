//! Bodies of requests: what a caller gave, and what goes out.

use std::{fmt, fs::File, io, ops::Range, sync::Arc};

use bytes::Bytes;
use llm_types::JsonObject;
use serde::Deserialize;

use crate::{Error, Kind};

/// A request's body as the caller gave it: a JSON object, or a form.
///
/// A form's fields are an object's keys in the form's order, its texts are strings, and a field that comes more than
/// once is a list. Where a file belongs stands `{"$file": N}`: the number of one of [`files`](Self::files).
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// The object, or the form's fields.
    pub fields: JsonObject,
    /// The form's files.
    pub files: Vec<Upload>,
}

/// A file that a caller uploads.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its name, if it has one.
    pub filename: Option<String>,
    /// Its type, if it says one.
    pub content_type: Option<String>,
    /// What is in it.
    pub data: Data,
}

/// Bytes in memory, or in a file on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Data {
    /// In memory.
    Memory(Bytes),
    /// On disk.
    Disk(Stored),
}

/// A file on disk that is only read. It may be one without a name, which ends with its last clone.
#[derive(Clone)]
pub struct Stored {
    file: Arc<File>,
    start: u64,
    len: u64,
}

/// What goes out: bytes, or pieces that are sent one after the other without ever being in memory as a whole.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// In memory.
    Bytes(Bytes),
    /// One after the other.
    Pieces(Vec<Data>),
}

/// What stands in a form's fields for a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    #[serde(rename = "$file")]
    file: usize,
}

impl Body {
    /// The files of the field `name`, or of `name[]`, in their order.
    pub fn files_of(&self, name: &str) -> Vec<&Upload> {
        let mut found = Vec::new();
        for (key, raw) in self.fields.iter() {
            if key.strip_suffix("[]").unwrap_or(key) == name {
                found.extend(self.referred(raw));
            }
        }
        found
    }

    /// The file of the field `name`; an error where there is none.
    pub fn file(&self, name: &str) -> Result<&Upload, Error> {
        let first = self.files_of(name).into_iter().next();
        first.ok_or_else(|| Error::bad_request(name, format!("'{name}' must be a file")))
    }

    /// Adds a file under `name`.
    pub fn attach(&mut self, name: impl Into<String>, upload: Upload) {
        let number = self.files.len();
        self.files.push(upload);
        self.fields
            .set_raw(name.into(), format!(r#"{{"$file":{number}}}"#));
    }

    /// The files that a field's value refers to.
    pub(crate) fn referred(&self, raw: &[u8]) -> Vec<&Upload> {
        let one = |raw: &[u8]| {
            let reference: Reference = serde_json::from_slice(raw).ok()?;
            self.files.get(reference.file)
        };
        if raw.starts_with(b"[") {
            let items: Vec<&serde_json::value::RawValue> =
                serde_json::from_slice(raw).unwrap_or_default();
            let found = items.iter().filter_map(|item| one(item.get().as_bytes()));
            return found.collect();
        }
        one(raw).into_iter().collect()
    }
}

impl From<JsonObject> for Body {
    fn from(fields: JsonObject) -> Self {
        Self {
            fields,
            files: Vec::new(),
        }
    }
}

impl Upload {
    /// A file in memory.
    pub fn new(filename: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            filename: Some(filename.into()),
            content_type: None,
            data: Data::Memory(data.into()),
        }
    }

    /// Its bytes. An error where they are on disk: a wire that needs them whole says so (see
    /// [`Protocol::streams_files`](crate::Protocol::streams_files)), and has them in memory.
    pub fn bytes(&self) -> Result<&Bytes, Error> {
        match &self.data {
            Data::Memory(bytes) => Ok(bytes),
            Data::Disk(_) => Err(Error::new(Kind::BadRequest, "a file was not read")),
        }
    }
}

impl Data {
    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(stored) => stored.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, as far as there are any.
    fn part(&self, range: Range<u64>) -> Self {
        match self {
            Self::Memory(bytes) => {
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let (from, end) = (place(range.start), place(range.end));
                Self::Memory(bytes.slice(from.min(end)..end))
            }
            Self::Disk(stored) => Self::Disk(stored.part(range)),
        }
    }
}

impl Stored {
    /// Takes a file as it is now. Blocks.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            start: 0,
            len,
        })
    }

    /// A part of it: the bytes of `range`, as far as there are any.
    fn part(&self, range: Range<u64>) -> Self {
        let end = range.end.min(self.len);
        let from = range.start.min(end);
        Self {
            file: Arc::clone(&self.file),
            start: self.start + from,
            len: end - from,
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Up to `most` bytes from `at` on; fewer only at the end. Blocks.
    pub fn read(&self, at: u64, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; left.min(most)];
        read_exact_at(&self.file, &mut buffer, self.start + at)?;
        Ok(buffer.into())
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("len", &self.len).finish()
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while done < buffer.len() {
        match file.seek_read(&mut buffer[done..], at + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

impl Outgoing {
    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.iter().map(Data::len).sum(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, where they are all in memory and in one piece.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Pieces(_) => None,
        }
    }

    /// The same with `other` in the place of the bytes of `range`.
    pub fn with(&self, range: Range<u64>, other: impl Into<Bytes>) -> Self {
        let own = match self {
            Self::Bytes(bytes) => &[Data::Memory(bytes.clone())],
            Self::Pieces(pieces) => pieces.as_slice(),
        };
        let (mut before, mut after, mut at) = (Vec::new(), Vec::new(), 0_u64);
        for piece in own {
            let inside = |place: u64| place.saturating_sub(at);
            before.push(piece.part(0..inside(range.start)));
            after.push(piece.part(inside(range.end)..u64::MAX));
            at += piece.len();
        }
        before.push(Data::Memory(other.into()));
        before.append(&mut after);
        before.retain(|piece| !piece.is_empty());
        Self::Pieces(before)
    }

    /// All bytes in one piece. Blocks while it reads what is on disk.
    pub fn read(&self) -> io::Result<Bytes> {
        let pieces = match self {
            Self::Bytes(bytes) => return Ok(bytes.clone()),
            Self::Pieces(pieces) => pieces,
        };
        let mut all = Vec::new();
        for piece in pieces {
            match piece {
                Data::Memory(bytes) => all.extend_from_slice(bytes),
                Data::Disk(stored) => all.extend_from_slice(&stored.read(0, usize::MAX)?),
            }
        }
        Ok(all.into())
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for Outgoing {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn stored(bytes: &[u8]) -> Stored {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        Stored::new(file).expect("a length")
    }

    #[test]
    fn files_are_found_under_their_field() {
        let mut body = Body::default();
        body.fields.set_str("model", "m");
        body.attach("image[]", Upload::new("a.png", "a"));
        body.attach("mask", Upload::new("m.png", "m"));
        body.files.push(Upload::new("b.png", "b"));
        body.fields.set_raw("image", r#"[{"$file":2},{"$file":9}]"#);
        let names = |field: &str| -> Vec<_> {
            let found = body.files_of(field);
            found.iter().filter_map(|f| f.filename.clone()).collect()
        };
        assert_eq!(names("image"), ["a.png", "b.png"]);
        assert_eq!(names("mask"), ["m.png"]);
        assert!(names("model").is_empty());
        assert_eq!(
            body.file("file").unwrap_err().param.as_deref(),
            Some("file")
        );
    }

    #[test]
    fn a_file_on_disk_is_read_from_any_place() {
        let stored = stored(b"0123456789");
        assert_eq!(&stored.read(0, 4).expect("read")[..], b"0123");
        assert_eq!(&stored.read(8, 4).expect("read")[..], b"89");
        assert_eq!(&stored.read(20, 4).expect("read")[..], b"");
        let content = Outgoing::Pieces(vec![
            Data::Memory(Bytes::from_static(b"<")),
            Data::Disk(stored),
        ]);
        assert_eq!(content.len(), 11);
        for (range, expected) in [
            (0..1, &b"ab0123456789"[..]),
            (3..5, b"<01ab456789"),
            (0..11, b"ab"),
            (11..11, b"<0123456789ab"),
            (0..99, b"ab"),
        ] {
            let other = content.with(range.clone(), "ab");
            assert_eq!(&other.read().expect("read")[..], expected, "{range:?}");
            assert_eq!(other.len(), expected.len() as u64);
        }
        let whole = Outgoing::from("0123").with(1..2, "x");
        assert_eq!(&whole.read().expect("read")[..], b"0x23");
        assert_eq!(&content.read().expect("read")[..], b"<0123456789");
        assert_eq!(content.bytes(), None);
    }
}
