//! Files and batches in a folder that one process at a time uses.

mod batches;
mod files;

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use llm_providers::{Error, Kind};

pub use batches::FolderBatches;
pub use files::FolderFiles;

fn broken(what: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::new(Kind::Upstream, what.to_owned()).because(error)
}

/// Writes a small file. A crash leaves the old one or the new one, never a half.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let made = path.with_extension("new");
    let mut file = fs::File::create(&made)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(made, path)
}

/// Does what blocks where it may.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(defect) => Err(Error::new(Kind::Upstream, "what is kept met a defect").because(defect)),
    }
}
