//! The only thing that touches the network.

mod connector;
mod direct;
mod link;
mod pool;
mod proxied;
mod sending;
mod settings;
pub(crate) mod socket;
pub(crate) mod tls;

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};

use crate::{Error, Kind, Outgoing};

pub use direct::HyperTransport;
pub use proxied::ReqwestTransport;
pub use settings::{Proxies, TransportSettings};
pub use socket::{Socket, limits as socket_limits};

/// A body as it arrives.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A future with its type erased.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one request. In production hyper, or reqwest where there are forward proxies; recorded replies in tests.
pub trait Transport: Send + Sync {
    /// Sends `request` and returns as soon as the reply's headers are there.
    fn send(
        &self,
        request: Request<Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>>;
}

/// What went wrong with a connection.
fn connection(e: &(dyn std::error::Error + 'static), connecting: bool) -> Error {
    broken(connecting, e.source())
}

fn broken(connecting: bool, mut cause: Option<&(dyn std::error::Error + 'static)>) -> Error {
    let mut text = if connecting {
        "the connection could not be made".to_owned()
    } else {
        "the connection broke".to_owned()
    };
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    Error::new(Kind::Connection, text)
}

/// Reads a body to its end, refusing more than `most` bytes.
pub async fn read_all(mut body: ByteStream, most: usize) -> Result<Bytes, Error> {
    use futures_util::StreamExt;
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let Some(second) = body.next().await.transpose()? else {
        return Ok(first);
    };
    let mut all = Vec::with_capacity((first.len() + second.len()) * 2);
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    while let Some(more) = body.next().await.transpose()? {
        if all.len() + more.len() > most {
            return Err(Error::new(
                Kind::Decode,
                format!("the answer is longer than {most} bytes"),
            ));
        }
        all.extend_from_slice(&more);
    }
    Ok(all.into())
}
