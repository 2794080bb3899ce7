//! Files in the database.

use async_trait::async_trait;
use bytes::Bytes;
use llm_providers::{Error, Kind};
use llm_sdk::{FileStore, KeptFile, Listing, full};
use llm_store::{
    Moment, Store,
    kept::{File, Page},
};

use super::{moment, refused, seconds, signed, unsigned};

/// Keeps at most so many bytes of files.
#[derive(Debug)]
pub(super) struct KeptFiles {
    store: Store,
    most: u64,
}

impl KeptFiles {
    pub(super) fn new(store: Store, most: u64) -> Self {
        Self { store, most }
    }
}

fn row(file: &KeptFile) -> File {
    File {
        id: file.id.clone(),
        filename: file.filename.clone(),
        purpose: file.purpose.clone(),
        bytes: signed(file.bytes),
        created_at: moment(file.created_at),
        expires_at: file.expires_at.map(moment),
        owner: file.owner.clone(),
    }
}

fn known(row: File) -> KeptFile {
    KeptFile {
        id: row.id,
        filename: row.filename,
        purpose: row.purpose,
        bytes: unsigned(row.bytes),
        created_at: seconds(row.created_at),
        expires_at: row.expires_at.map(seconds),
        owner: row.owner,
    }
}

#[async_trait]
impl FileStore for KeptFiles {
    async fn begin(&self, file: &KeptFile) -> Result<(), Error> {
        let begun = row(file);
        let begun = self
            .store
            .begin_file(&begun, Moment::now(), signed(self.most));
        match begun.await.map_err(refused)? {
            true => Ok(()),
            false => Err(full(file.bytes, self.most)),
        }
    }

    async fn write(&self, id: &str, number: u64, piece: Bytes) -> Result<(), Error> {
        let written = self.store.put_piece(id, signed(number), piece.into());
        written.await.map_err(refused)
    }

    async fn show(&self, file: &KeptFile) -> Result<(), Error> {
        match self.store.show_file(&row(file)).await.map_err(refused)? {
            true => Ok(()),
            false => Err(Error::new(
                Kind::Upstream,
                "the file took so long that it was given up",
            )),
        }
    }

    async fn read(&self, id: &str, number: u64) -> Result<Option<Bytes>, Error> {
        let piece = self.store.piece(id, signed(number)).await;
        Ok(piece.map_err(refused)?.map(Bytes::from))
    }

    async fn get(&self, id: &str) -> Result<Option<KeptFile>, Error> {
        Ok(self.store.file(id).await.map_err(refused)?.map(known))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<KeptFile>, Error> {
        let page = page(listing);
        let files = self.store.files(&page, moment(listing.now)).await;
        Ok(files.map_err(refused)?.into_iter().map(known).collect())
    }

    async fn remove(&self, id: &str) -> Result<bool, Error> {
        self.store.remove_file(id).await.map_err(refused)
    }

    async fn sweep(&self, now: u64) -> Result<(), Error> {
        self.store.sweep_files(moment(now)).await.map_err(refused)
    }
}

pub(super) fn page(listing: &Listing) -> Page<'_> {
    Page {
        purpose: listing.purpose.as_deref(),
        owner: listing.owner.as_deref(),
        after: listing.after.as_deref(),
        oldest_first: listing.oldest_first,
        limit: i64::try_from(listing.limit).unwrap_or(i64::MAX),
    }
}
