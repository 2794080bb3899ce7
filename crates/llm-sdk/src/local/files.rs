//! Files: taken in and given out piece by piece.

use std::{io::Write, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::stream::try_unfold;
use llm_providers::{Body, Data, Download, Error, Kind, Stored};
use serde_json::{Value, json};

use super::{FileStore, KeptFile, Listing, LocalBatches, PIECE, fresh, not_found, now, page};
use crate::{Owner, Request};

/// How long a file may be asked to stay, in seconds: as with OpenAI.
const STAYS: std::ops::RangeInclusive<u64> = 3600..=30 * 24 * 3600;

impl LocalBatches {
    /// Keeps what a client uploads.
    pub(super) async fn keep(&self, request: &Request) -> Result<Value, Error> {
        let body = Body {
            fields: request.body.clone(),
            files: request.files.clone(),
        };
        let upload = body.file("file")?;
        let mut file = KeptFile {
            id: fresh("file-"),
            filename: upload.filename.clone().unwrap_or_else(|| "file".to_owned()),
            purpose: request.body.str("purpose").unwrap_or_default().into_owned(),
            bytes: upload.data.len(),
            owner: request.route.whose.name.clone(),
            ..KeptFile::default()
        };
        let stays = stays(request, "expires_after")?;
        self.files.begin(&file).await?;
        let kept = async {
            write(&self.files, &file.id, &upload.data).await?;
            file.created_at = now();
            file.expires_at = stays.map(|seconds| file.created_at + seconds);
            self.files.show(&file).await
        };
        if let Err(error) = kept.await {
            // What cannot be removed now goes with the next sweep.
            let _ = self.files.remove(&file.id).await;
            return Err(error);
        }
        Ok(shown(&file))
    }

    /// What is known of a file that is there, and that `owner` may see.
    pub(super) async fn file(&self, id: &str, owner: &Owner) -> Result<KeptFile, Error> {
        let found = match super::is_local(id) {
            true => self.files.get(id).await?,
            false => None,
        };
        let there = found.filter(|file| !file.is_gone(now()) && owner.sees(file.owner.as_deref()));
        there.ok_or_else(|| not_found(id))
    }

    /// The bytes of a file, as they are read.
    pub(super) async fn content(&self, id: &str, owner: &Owner) -> Result<Download, Error> {
        let file = self.file(id, owner).await?;
        let state = (Arc::clone(&self.files), file.id, 0_u64);
        let pieces = try_unfold(state, |(files, id, number)| async move {
            let piece = files.read(&id, number).await?;
            Ok(piece.map(|piece| (piece, (files, id, number + 1))))
        });
        // One that is removed meanwhile is cut short, which the download says.
        Ok(Download::kept(Box::pin(pieces), file.bytes))
    }

    /// A copy of a file in one without a name, which a request can carry.
    pub(super) async fn copied(&self, id: &str, owner: &Owner) -> Result<Stored, Error> {
        let (file, mut number, mut left) = (self.file(id, owner).await?, 0, 0);
        let mut copy = aside(tempfile::tempfile).await?;
        while left < file.bytes {
            let piece = self.files.read(id, number).await?;
            let piece = piece.ok_or_else(|| not_found(id))?;
            left += (piece.len() as u64).max(1);
            copy = aside(move || copy.write_all(&piece).map(|()| copy)).await?;
            number += 1;
        }
        aside(move || Stored::new(copy)).await
    }

    pub(super) async fn list_files(&self, request: &Request) -> Result<Value, Error> {
        let listing = listing(request, 10_000, 10_000);
        let wanted = Listing {
            limit: listing.limit + 1,
            ..listing.clone()
        };
        let files = self.files.list(&wanted).await?;
        Ok(page(files.iter().map(shown).collect(), listing.limit))
    }

    pub(super) async fn remove(&self, id: &str, owner: &Owner) -> Result<Value, Error> {
        self.file(id, owner).await?;
        match self.files.remove(id).await? {
            true => Ok(json!({"id": id, "object": "file", "deleted": true})),
            false => Err(not_found(id)),
        }
    }
}

/// As OpenAI shows a file.
pub(super) fn shown(file: &KeptFile) -> Value {
    let mut shown = json!({
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    });
    if let Some(end) = file.expires_at {
        shown["expires_at"] = end.into();
    }
    shown
}

/// What a list is asked for.
pub(super) fn listing(request: &Request, usual: usize, most: usize) -> Listing {
    let said = |name: &str| {
        let found = request.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    let limit = said("limit").and_then(|limit| limit.parse().ok());
    Listing {
        purpose: said("purpose").filter(|purpose| !purpose.is_empty()),
        owner: request.route.whose.only().map(str::to_owned),
        after: said("after"),
        oldest_first: said("order").as_deref() == Some("asc"),
        limit: limit.unwrap_or(usual).clamp(1, most),
        now: now(),
    }
}

/// How long a file is asked to stay, in seconds: an object, or the two fields of a form that stand for one.
pub(super) fn stays(request: &Request, key: &str) -> Result<Option<u64>, Error> {
    let body = &request.body;
    let mut asked: Value = body.get(key)?.unwrap_or_default();
    for part in ["anchor", "seconds"] {
        if let Some(said) = body.get::<Value>(&format!("{key}[{part}]"))? {
            asked[part] = said;
        }
    }
    if asked.is_null() {
        return Ok(None);
    }
    let wrong = |part: &str, what: &str| {
        let message = format!("'{key}.{part}' must be {what}");
        Err(Error::bad_request(format!("{key}.{part}"), message))
    };
    if asked["anchor"] != "created_at" {
        return wrong("anchor", "'created_at'");
    }
    let seconds = match &asked["seconds"] {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    match seconds.filter(|seconds| STAYS.contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => wrong("seconds", "a number from 3600 to 2592000"),
    }
}

async fn write(files: &Arc<dyn FileStore>, id: &str, data: &Data) -> Result<(), Error> {
    let mut number = 0;
    loop {
        let at = number * PIECE as u64;
        if at >= data.len() {
            return Ok(());
        }
        let piece = match data {
            Data::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                bytes.slice(at..bytes.len().min(at + PIECE))
            }
            Data::Disk(stored) => {
                let stored = stored.clone();
                aside(move || stored.read(at, PIECE)).await?
            }
        };
        files.write(id, number, piece).await?;
        number += 1;
    }
}

/// A file that is written as its lines come.
pub(super) struct Writer {
    files: Arc<dyn FileStore>,
    file: KeptFile,
    piece: u64,
    rest: BytesMut,
}

impl Writer {
    pub(super) async fn begin(files: &Arc<dyn FileStore>, file: KeptFile) -> Result<Self, Error> {
        files.begin(&file).await?;
        Ok(Self {
            files: Arc::clone(files),
            file,
            piece: 0,
            rest: BytesMut::new(),
        })
    }

    pub(super) async fn line(&mut self, text: &str) -> Result<(), Error> {
        self.rest.extend_from_slice(text.as_bytes());
        self.rest.extend_from_slice(b"\n");
        while self.rest.len() >= PIECE {
            let piece = self.rest.split_to(PIECE).freeze();
            self.write(piece).await?;
        }
        Ok(())
    }

    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.file.bytes += piece.len() as u64;
        let number = self.piece;
        self.piece += 1;
        self.files.write(&self.file.id, number, piece).await
    }

    pub(super) async fn show(mut self) -> Result<(), Error> {
        let last = self.rest.split().freeze();
        if !last.is_empty() {
            self.write(last).await?;
        }
        self.files.show(&self.file).await
    }
}

/// Does what blocks where it may.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(Kind::Upstream, "a kept file cannot be read or written").because(error)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(broken(error.into())),
        Err(defect) => Err(broken(defect.into())),
    }
}
