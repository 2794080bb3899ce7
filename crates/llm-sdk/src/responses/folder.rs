//! Responses that are kept in a folder, one file each: a restart, and another instance on the same disk, knows them.

use std::{
    collections::HashMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use llm_providers::{Error, Kind};
use sha2::{Digest, Sha256};

use super::ResponseStore;

/// As long as OpenAI keeps its own.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// After so many new ones the folder is looked through.
const SWEEP_EVERY: usize = 1000;

/// Keeps responses in a folder.
#[derive(Debug)]
pub struct FolderStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    most: u64,
    /// On their way to the disk, by file name.
    pending: Mutex<HashMap<String, Bytes>>,
    written: Mutex<usize>,
}

impl FolderStore {
    /// A store of at most `most` bytes in `folder`, which is made if it is not there. Blocks.
    pub fn open(folder: impl Into<PathBuf>, most: u64) -> io::Result<Self> {
        let folder = folder.into();
        private_folder(&folder)?;
        let inner = Inner {
            folder,
            most,
            pending: Mutex::default(),
            written: Mutex::default(),
        };
        inner.sweep(SystemTime::now());
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// A folder that no other user of the machine reads: conversations are in it.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// An id is a client's word: its hash is a file name whatever is in it.
fn name(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}

impl Inner {
    fn pending(&self) -> std::sync::MutexGuard<'_, HashMap<String, Bytes>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        match fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(broken("a kept response cannot be read").because(error)),
        }
    }

    fn remove(&self, name: &str) -> Result<bool, Error> {
        let mut pending = self.pending();
        let was_pending = pending.remove(name).is_some();
        match fs::remove_file(self.folder.join(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(was_pending),
            Err(error) => Err(broken("a kept response cannot be removed").because(error)),
        }
    }

    /// Writes one. A crash leaves the old file or the new one, never a half.
    fn write(&self, name: &str) {
        let Some(bytes) = self.pending().get(name).cloned() else {
            return;
        };
        let made = self
            .folder
            .join(format!("{name}.{}", uuid::Uuid::new_v4().simple()));
        let written = fs::write(&made, &bytes).and_then(|()| {
            // Under the lock, or one that was forgotten in between would come back.
            let mut pending = self.pending();
            match pending.remove(name) {
                Some(_) => fs::rename(&made, self.folder.join(name)),
                None => fs::remove_file(&made),
            }
        });
        if let Err(error) = written {
            tracing::error!(%error, "a response cannot be kept");
            self.pending().remove(name);
            let _ = fs::remove_file(&made);
        }
        let mut count = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        if *count >= SWEEP_EVERY {
            *count = 0;
            drop(count);
            self.sweep(SystemTime::now());
        }
    }

    /// Forgets what is too old, and the oldest of what is too much.
    fn sweep(&self, now: SystemTime) {
        let Ok(files) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut all: Vec<_> = files
            .filter_map(|file| {
                let file = file.ok()?;
                let facts = file.metadata().ok()?;
                facts.is_file().then_some(())?;
                Some((facts.modified().ok()?, facts.len(), file.path()))
            })
            .collect();
        all.sort_unstable_by_key(|(modified, _, _)| std::cmp::Reverse(*modified));
        let mut sum = 0u64;
        for (modified, len, path) in all {
            sum = sum.saturating_add(len);
            let age = now.duration_since(modified).unwrap_or_default();
            if age > KEPT_FOR || sum > self.most {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl ResponseStore for FolderStore {
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let (name, inner) = (name(id), Arc::clone(&self.inner));
        Box::pin(async move {
            if let Some(pending) = inner.pending().get(&name) {
                return Ok(Some(pending.clone()));
            }
            let read = tokio::task::spawn_blocking(move || inner.read(&name));
            read.await.unwrap_or_else(|defect| {
                Err(broken("a kept response cannot be read").because(defect))
            })
        })
    }

    fn put(&self, id: &str, kept: Bytes) {
        let (name, inner) = (name(id), Arc::clone(&self.inner));
        // A slice of something longer would hold all of it.
        let kept = Bytes::copy_from_slice(&kept);
        inner.pending().insert(name.clone(), kept);
        tokio::task::spawn_blocking(move || inner.write(&name));
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        let (name, inner) = (name(id), Arc::clone(&self.inner));
        Box::pin(async move {
            let gone = tokio::task::spawn_blocking(move || inner.remove(&name));
            gone.await.unwrap_or_else(|defect| {
                Err(broken("a kept response cannot be removed").because(defect))
            })
        })
    }
}

fn broken(what: &str) -> Error {
    Error::new(Kind::Upstream, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_restart_knows_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(folder.path().join("responses"), 1 << 20).unwrap();
        store.put("../../a", Bytes::from_static(b"{}"));
        let kept = store.get("../../a").await.unwrap();
        assert_eq!(kept.as_deref(), Some(&b"{}"[..]));
        while !store.inner.pending().is_empty() {
            tokio::task::yield_now().await;
        }
        let again = FolderStore::open(folder.path().join("responses"), 1 << 20).unwrap();
        let kept = again.get("../../a").await.unwrap();
        assert_eq!(kept.as_deref(), Some(&b"{}"[..]));
        assert!(again.remove("../../a").await.unwrap());
        assert!(!again.remove("../../a").await.unwrap());
        assert_eq!(again.get("../../a").await.unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_old_and_the_many_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(folder.path().join(name), [0; 10]).unwrap();
        }
        let store = FolderStore::open(folder.path(), 20).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        store.inner.sweep(SystemTime::now() + KEPT_FOR * 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
