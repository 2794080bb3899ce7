//! Files: each is its bytes, and beside them what is known of it.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use bytes::Bytes;
use llm_providers::{Body, Data, Error};
use serde_json::{Value, json};

use super::{broken, fresh, is_local, not_found, now};
use crate::{Request, responses::private_folder};

/// Files in a folder.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Where the bytes of `id` are.
    pub(super) fn path(&self, id: &str) -> Result<PathBuf, Error> {
        match is_local(id) {
            true => Ok(self.folder.join(id)),
            false => Err(not_found(id)),
        }
    }

    /// Keeps what a client uploads.
    pub(super) fn keep(&self, request: &Request) -> Result<Value, Error> {
        let body = Body {
            fields: request.body.clone(),
            files: request.files.clone(),
        };
        let upload = body.file("file")?;
        let purpose = request.body.str("purpose").unwrap_or_default();
        let id = fresh("file-");
        let write = || {
            let mut file = fs::File::create(self.folder.join(&id))?;
            copy(&upload.data, &mut file)?;
            file.sync_all()
        };
        write().map_err(broken("the file cannot be kept"))?;
        let name = upload.filename.as_deref().unwrap_or("file");
        self.describe(&id, name, &purpose)
    }

    /// Makes a file out of bytes that are there already.
    pub(super) fn describe(&self, id: &str, name: &str, purpose: &str) -> Result<Value, Error> {
        let path = self.path(id)?;
        let facts = fs::metadata(&path).map_err(broken("the file cannot be read"))?;
        let known = json!({
            "id": id,
            "object": "file",
            "bytes": facts.len(),
            "created_at": now(),
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        });
        replace(&path.with_extension("json"), known.to_string().as_bytes())
            .map_err(broken("the file cannot be kept"))?;
        Ok(known)
    }

    /// What is known of one.
    pub(super) fn get(&self, id: &str) -> Result<Value, Error> {
        let text = fs::read(self.path(id)?.with_extension("json")).map_err(|_| not_found(id))?;
        serde_json::from_slice(&text).map_err(|_| not_found(id))
    }

    /// All that there are.
    pub(super) fn all(&self) -> Vec<Value> {
        let Ok(files) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let known = files.filter_map(|file| {
            let path = file.ok()?.path();
            let is_known = path.extension().is_some_and(|ending| ending == "json");
            let text = is_known.then(|| fs::read(path).ok()).flatten()?;
            serde_json::from_slice(&text).ok()
        });
        known.collect()
    }

    /// One's bytes.
    pub(super) fn contents(&self, id: &str) -> Result<Bytes, Error> {
        self.get(id)?;
        let bytes = fs::read(self.path(id)?).map_err(|_| not_found(id))?;
        Ok(bytes.into())
    }

    /// Removes one.
    pub(super) fn remove(&self, id: &str) -> Result<Value, Error> {
        self.get(id)?;
        let path = self.path(id)?;
        fs::remove_file(path.with_extension("json"))
            .and_then(|()| fs::remove_file(&path))
            .map_err(broken("the file cannot be removed"))?;
        Ok(json!({"id": id, "object": "file", "deleted": true}))
    }
}

fn copy(data: &Data, to: &mut fs::File) -> io::Result<()> {
    const PIECE: usize = 1 << 20;
    let stored = match data {
        Data::Memory(bytes) => return to.write_all(bytes),
        Data::Disk(stored) => stored,
    };
    let mut at = 0;
    while at < stored.len() {
        let piece = stored.read(at, PIECE)?;
        to.write_all(&piece)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// Writes a small file. A crash leaves the old one or the new one, never a half.
pub(super) fn replace(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let made = path.with_extension("new");
    let mut file = fs::File::create(&made)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(made, path)
}
