//! Work with the disk, where it holds up nobody.

use std::io;

use http::StatusCode;

use crate::error::Refusal;

/// Does `work` on a thread that may wait.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(io::Error::other).and_then(|result| result);
    done.map_err(|error| {
        tracing::error!(%error, "an upload cannot be kept on disk");
        Refusal {
            status: StatusCode::INSUFFICIENT_STORAGE,
            ..Refusal::internal()
        }
    })
}
