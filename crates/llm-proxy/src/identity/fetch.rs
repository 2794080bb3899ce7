//! Short questions to services that the operator named: bounded in time and size.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{Request, StatusCode, header::ACCEPT};
use llm_providers::{Outgoing, transport::Transport};
use serde_json::{Map, Value};

/// The longest answer.
const LONGEST: usize = 1 << 20;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Asks, and waits for the whole answer, at most this long. What went wrong is said in words for the log.
pub(crate) async fn ask(
    net: &dyn Transport,
    request: Request<Outgoing>,
    patience: Duration,
) -> Result<Fetched, String> {
    let whole = async {
        let reply = net
            .send(request)
            .await
            .map_err(|error| error.message.clone())?;
        let status = reply.status();
        let mut stream = reply.into_body();
        let mut body = BytesMut::new();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| error.message.clone())?;
            if body.len() + piece.len() > LONGEST {
                return Err(format!("the answer is longer than {LONGEST} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Fetched {
            status,
            body: body.freeze(),
        })
    };
    match tokio::time::timeout(patience, whole).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

/// A JSON object that stands at an address.
pub(crate) async fn object(
    net: &dyn Transport,
    url: &str,
    patience: Duration,
) -> Result<Map<String, Value>, String> {
    let request = Request::get(url)
        .header(ACCEPT, "application/json")
        .body(Outgoing::Bytes(Bytes::new()))
        .map_err(|_| "the address cannot be used".to_owned())?;
    let answer = ask(net, request, patience).await?;
    if !answer.status.is_success() {
        return Err(format!("status {}", answer.status.as_u16()));
    }
    serde_json::from_slice(&answer.body).map_err(|_| "the answer is no JSON object".to_owned())
}
