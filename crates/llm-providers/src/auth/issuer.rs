//! What all who hand out credentials have in common: tokens that stand for us, and how they are asked.

use std::fmt;

use super::Secret;

/// A secret text, or the file that holds it now: projected tokens change under our feet.
#[derive(Clone, PartialEq, Hash)]
pub(crate) enum Text {
    /// The text itself.
    Value(Secret),
    /// The file that holds it.
    File(String),
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("***"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

#[cfg(feature = "client")]
pub(crate) use over_the_network::ask;

#[cfg(feature = "client")]
mod over_the_network {
    use std::time::Duration;

    use http::Request;

    use super::Text;
    use crate::{
        Error, Kind, Outgoing, Reply,
        transport::{Transport, read_all},
    };

    const LONGEST: usize = 1 << 20;

    /// Sends `request` and reads the whole answer, of any status.
    pub(crate) async fn ask(
        transport: &dyn Transport,
        request: Request<Outgoing>,
        wait: Duration,
    ) -> Result<Reply, Error> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let work = async {
            let (parts, body) = transport.send(request).await?.into_parts();
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                body: read_all(body, LONGEST).await?,
            })
        };
        tokio::time::timeout(wait, work).await.unwrap_or_else(|_| {
            let message = format!("no credentials from {host} in time");
            Err(Error::new(Kind::Auth, message))
        })
    }

    impl Text {
        /// The text as it is now.
        pub(crate) async fn read(&self) -> Result<String, Error> {
            let path = match self {
                Self::Value(secret) => return Ok(secret.expose().to_owned()),
                Self::File(path) => path,
            };
            let failed = || Error::new(Kind::Auth, format!("the token in {path} cannot be read"));
            let name = path.clone();
            let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(name)).await;
            read.map_err(|e| failed().because(e))?
                .map_err(|e| failed().because(e))
        }
    }
}
