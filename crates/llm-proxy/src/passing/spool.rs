//! Bodies that are only handed on: JSON stays in memory, all else goes through it to the disk.

use std::{fs::File, io::Write};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_TYPE};
use hyper::body::Incoming;
use llm_providers::{Data, Outgoing, Stored};

use super::form::{Form, Odd, Reader};
use crate::{body, disk::aside, error::Refusal, settings::Limits};

/// A body up to this long stays in memory, and of a longer one so much is written at a time.
const PIECE: usize = 256 << 10;

/// A body, and what is in it where it is a form.
pub(super) struct Spooled {
    pub(super) body: Outgoing,
    pub(super) form: Option<Result<Form, Odd>>,
}

/// Reads a body of any kind.
pub(super) async fn read(
    incoming: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Spooled, Refusal> {
    let mut reader = Reader::new(headers);
    let body = all(incoming, headers, limits, &mut reader).await?;
    let form = reader.map(Reader::finish);
    Ok(Spooled { body, form })
}

async fn all(
    mut incoming: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
    form: &mut Option<Reader>,
) -> Result<Outgoing, Refusal> {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    if kind.is_some_and(|kind| kind.starts_with(b"application/json")) {
        return body::read(incoming, headers, limits)
            .await
            .map(Outgoing::from);
    }
    if body::announced(headers).is_some_and(|length| length > limits.upload) {
        Box::pin(body::discard(incoming, headers, limits)).await;
        return Err(body::too_large(limits.upload));
    }
    let (mut held, mut file, mut length) = (BytesMut::new(), None, 0_u64);
    while let Some(piece) = body::next(&mut incoming, limits).await? {
        length += piece.len() as u64;
        if length > limits.upload {
            drop(file);
            Box::pin(body::discard(incoming, headers, limits)).await;
            return Err(body::too_large(limits.upload));
        }
        if let Some(form) = form {
            form.push(&piece);
        }
        held.extend_from_slice(&piece);
        // What it asks for must be read, whatever type it claims to have.
        if file.is_none() && form.is_none() && held.trim_ascii_start().starts_with(b"{") {
            if held.len() > limits.body {
                drop(held);
                Box::pin(body::discard(incoming, headers, limits)).await;
                return Err(body::too_large(limits.body as u64));
            }
            continue;
        }
        if held.len() > PIECE {
            file = Some(written(file, held.split().freeze()).await?);
        }
    }
    let Some(file) = file else {
        return Ok(Outgoing::from(held.freeze()));
    };
    let file = written(Some(file), held.freeze()).await?;
    let stored = aside(move || Stored::new(file)).await?;
    Ok(Outgoing::Pieces(vec![Data::Disk(stored)]))
}

async fn written(file: Option<File>, bytes: Bytes) -> Result<File, Refusal> {
    aside(move || {
        let mut file = match file {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        file.write_all(&bytes)?;
        Ok(file)
    })
    .await
}
