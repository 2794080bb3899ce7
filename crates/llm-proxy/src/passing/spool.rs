//! Bodies that are only handed on: JSON stays in memory, all else goes through it to the disk.

use std::{
    fs::File,
    io::{self, Write},
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use hyper::body::Incoming;
use llm_providers::{Data, Outgoing, Stored};

use crate::{body, error::Refusal, settings::Limits};

/// A body up to this long stays in memory, and of a longer one so much is written at a time.
const PIECE: usize = 256 << 10;

/// Reads a body of any kind.
pub(super) async fn read(
    mut incoming: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Outgoing, Refusal> {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    if kind.is_some_and(|kind| kind.starts_with(b"application/json")) {
        return body::read(incoming, headers, limits)
            .await
            .map(Outgoing::from);
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced: Option<u64> = announced.and_then(|length| length.parse().ok());
    if announced.is_some_and(|length| length > limits.upload) {
        Box::pin(body::discard(incoming, headers, limits)).await;
        return Err(too_large(limits));
    }
    let (mut held, mut file, mut length) = (BytesMut::new(), None, 0_u64);
    while let Some(piece) = body::next(&mut incoming, limits).await? {
        length += piece.len() as u64;
        if length > limits.upload {
            drop(file);
            Box::pin(body::discard(incoming, headers, limits)).await;
            return Err(too_large(limits));
        }
        held.extend_from_slice(&piece);
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

/// Does what waits for the disk where that holds up nobody.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    match done.map_err(io::Error::other).and_then(|result| result) {
        Ok(value) => Ok(value),
        Err(error) => {
            tracing::error!(%error, "an upload could not be kept");
            Err(Refusal::internal())
        }
    }
}

fn too_large(limits: &Limits) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "invalid_request_error",
        format!(
            "Request size is too large. Max size is {} MB",
            limits.upload as f64 / f64::from(1 << 20)
        ),
    )
}
