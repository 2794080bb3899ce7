//! Files: each is its bytes, and beside them what is known of it.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use llm_providers::Error;

use super::{aside, broken, replace};
use crate::{
    local::{FileStore, KeptFile, Listing, PIECE, full, is_local, not_found},
    responses::private_folder,
};

/// What was begun and is not shown after so long never will be.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// As much is removed at a time.
const MOST_SWEPT: usize = 100;

/// Keeps files in a folder.
#[derive(Debug)]
pub struct FolderFiles {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    most: u64,
}

impl FolderFiles {
    /// Keeps at most `most` bytes in `folder`, which is made if it is not there. Blocks.
    pub fn open(folder: impl Into<PathBuf>, most: u64) -> io::Result<Self> {
        let folder = folder.into();
        private_folder(&folder)?;
        Ok(Self {
            inner: Arc::new(Inner { folder, most }),
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

impl Inner {
    /// Where the bytes of `id` are.
    fn path(&self, id: &str) -> Result<PathBuf, Error> {
        match is_local(id) {
            true => Ok(self.folder.join(id)),
            false => Err(not_found(id)),
        }
    }

    fn begin(&self, file: &KeptFile) -> Result<(), Error> {
        let path = self.path(&file.id)?;
        let unusable = broken("the file cannot be kept");
        if file.bytes > 0 && self.most < u64::MAX {
            let used = self.used().map_err(&unusable)?;
            if used.saturating_add(file.bytes) > self.most {
                return Err(full(file.bytes, self.most));
            }
        }
        let options = &mut File::options();
        let made = options.create(true).append(true).open(path);
        made.map(drop).map_err(unusable)
    }

    /// How many bytes there are.
    fn used(&self) -> io::Result<u64> {
        let sizes = fs::read_dir(&self.folder)?.map(|file| Ok(file?.metadata()?.len()));
        sizes.sum()
    }

    fn write(&self, id: &str, number: u64, piece: &[u8]) -> Result<(), Error> {
        let path = self.path(id)?;
        let write = || {
            let mut file = File::options().write(true).open(path)?;
            file.seek(SeekFrom::Start(number * PIECE as u64))?;
            file.write_all(piece)
        };
        write().map_err(broken("the file cannot be kept"))
    }

    fn show(&self, file: &KeptFile) -> Result<(), Error> {
        let path = self.path(&file.id)?;
        let text = serde_json::to_vec(file).map_err(|e| Error::decode("", e))?;
        let last = || {
            File::open(&path)?.sync_all()?;
            replace(&path.with_extension("json"), &text)
        };
        last().map_err(broken("the file cannot be kept"))
    }

    fn read(&self, id: &str, number: u64) -> Result<Option<Bytes>, Error> {
        let path = self.path(id)?;
        let read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(number * PIECE as u64))?;
            let mut piece = Vec::new();
            file.take(PIECE as u64).read_to_end(&mut piece)?;
            Ok(piece)
        };
        match read() {
            Ok(piece) if piece.is_empty() => Ok(None),
            Ok(piece) => Ok(Some(piece.into())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(broken("the file cannot be read")(error)),
        }
    }

    fn get(&self, id: &str) -> Result<Option<KeptFile>, Error> {
        match fs::read(self.path(id)?.with_extension("json")) {
            Ok(text) => {
                let known = serde_json::from_slice(&text);
                known.map(Some).map_err(|e| Error::decode("", e))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(broken("the file cannot be read")(error)),
        }
    }

    fn all(&self) -> io::Result<Vec<KeptFile>> {
        let known = fs::read_dir(&self.folder)?.filter_map(|file| {
            let path = file.ok()?.path();
            let is_known = path.extension().is_some_and(|ending| ending == "json");
            let text = is_known.then(|| fs::read(path).ok()).flatten()?;
            serde_json::from_slice(&text).ok()
        });
        Ok(known.collect())
    }

    fn list(&self, listing: &Listing) -> Result<Vec<KeptFile>, Error> {
        let mut all = self.all().map_err(broken("the files cannot be listed"))?;
        all.retain(|file| {
            let wanted = listing.purpose.as_ref();
            !file.is_gone(listing.now) && wanted.is_none_or(|purpose| *purpose == file.purpose)
        });
        Ok(listing.cut(
            all,
            |file| (file.created_at, file.id.as_str()),
            |file| file.owner.as_deref(),
        ))
    }

    fn remove(&self, id: &str) -> Result<bool, Error> {
        let path = self.path(id)?;
        let gone = |path: &Path| match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(broken("the file cannot be removed")(error)),
        };
        let was_shown = gone(&path.with_extension("json"))?;
        gone(&path)?;
        Ok(was_shown)
    }

    fn sweep(&self, now: u64) -> Result<(), Error> {
        let unreadable = broken("the files cannot be listed");
        let is_old = |path: &Path| {
            let modified = fs::metadata(path).and_then(|facts| facts.modified()).ok();
            let now = UNIX_EPOCH + Duration::from_secs(now);
            let age = |since: SystemTime| now.duration_since(since).unwrap_or_default();
            modified.is_some_and(|since| age(since) > ABANDONED)
        };
        let known = self.all().map_err(&unreadable)?;
        let expired = known.iter().filter(|file| file.is_gone(now));
        for file in expired.take(MOST_SWEPT) {
            self.remove(&file.id)?;
        }
        let files = fs::read_dir(&self.folder).map_err(unreadable)?;
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        let abandoned = paths.filter(|path| {
            let is_shown = path.extension().is_some() || path.with_extension("json").exists();
            !is_shown && is_old(path)
        });
        for path in abandoned.take(MOST_SWEPT) {
            fs::remove_file(path).map_err(broken("the file cannot be removed"))?;
        }
        Ok(())
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[async_trait]
impl FileStore for FolderFiles {
    async fn begin(&self, file: &KeptFile) -> Result<(), Error> {
        let file = file.clone();
        self.aside(move |inner| inner.begin(&file)).await
    }

    async fn write(&self, id: &str, number: u64, piece: Bytes) -> Result<(), Error> {
        let id = id.to_owned();
        self.aside(move |inner| inner.write(&id, number, &piece))
            .await
    }

    async fn show(&self, file: &KeptFile) -> Result<(), Error> {
        let file = file.clone();
        self.aside(move |inner| inner.show(&file)).await
    }

    async fn read(&self, id: &str, number: u64) -> Result<Option<Bytes>, Error> {
        let id = id.to_owned();
        self.aside(move |inner| inner.read(&id, number)).await
    }

    async fn get(&self, id: &str) -> Result<Option<KeptFile>, Error> {
        let id = id.to_owned();
        self.aside(move |inner| inner.get(&id)).await
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<KeptFile>, Error> {
        let listing = listing.clone();
        self.aside(move |inner| inner.list(&listing)).await
    }

    async fn remove(&self, id: &str) -> Result<bool, Error> {
        let id = id.to_owned();
        self.aside(move |inner| inner.remove(&id)).await
    }

    async fn sweep(&self, now: u64) -> Result<(), Error> {
        self.aside(move |inner| inner.sweep(now)).await
    }
}
