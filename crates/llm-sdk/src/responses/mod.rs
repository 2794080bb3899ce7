//! What the Responses API remembers from one request to the next, where the vendor that answers does not.

mod folder;
pub(crate) mod kept;
mod store;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use llm_providers::{
    Error,
    bridges::{BridgeStream, Event},
};
use llm_router::Router;
use llm_types::{ChatChunk, JsonObject};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Owner, ids::Ids};

pub use folder::FolderStore;
pub(crate) use folder::private_folder;
pub use store::{MemoryStore, ResponseStore};

/// The longest conversation that is put together from its responses.
const MOST_TURNS: usize = 1000;
const MOST_BYTES: usize = 64 << 20;

/// One response that is kept, and how it came to it.
#[derive(Serialize, Deserialize)]
struct Kept {
    previous: Option<String>,
    input: Vec<Box<RawValue>>,
    response: Box<RawValue>,
    /// The name that it is kept under; `None`: it is everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

/// What a request builds on.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    /// The response before, and all items up to it, where they are kept here.
    before: Option<(String, Vec<Box<RawValue>>)>,
    /// The deployment that keeps the response before.
    pub(crate) pin: Option<String>,
    /// The name that the answer is kept under.
    owner: Option<String>,
}

/// Finds what `body` of `owner` builds on. A vendor's response goes by the vendor's own id from here on.
pub(crate) async fn recall(
    store: &dyn ResponseStore,
    ids: &Ids,
    router: &Router,
    group: &str,
    body: &mut JsonObject,
    owner: &Owner,
) -> Result<Recalled, Error> {
    let alone = Recalled {
        owner: owner.name.clone(),
        ..Recalled::default()
    };
    let Some(previous) = body.get::<String>("previous_response_id")? else {
        return Ok(alone);
    };
    let (id, deployment) = match ids.read(&previous)? {
        Some(handed) => (handed.id, Some(handed.deployment)),
        None => (previous, None),
    };
    if let Some(items) = conversation(store, &id, owner).await? {
        return Ok(Recalled {
            before: Some((id, items)),
            ..alone
        });
    }
    let Some(deployment) = deployment else {
        return Ok(alone);
    };
    body.set_str("previous_response_id", &id);
    // An id may name any deployment; only one of the group that was asked for will do.
    let known = router.deployments(group);
    let pin = known.iter().any(|known| known.id == deployment);
    Ok(Recalled {
        pin: pin.then_some(deployment),
        ..alone
    })
}

/// All items up to and including a response; `None` if it is not kept here, or not for `owner`.
async fn conversation(
    store: &dyn ResponseStore,
    id: &str,
    owner: &Owner,
) -> Result<Option<Vec<Box<RawValue>>>, Error> {
    let (mut turns, mut next, mut bytes) = (Vec::new(), Some(id.to_owned()), 0);
    while let Some(id) = next.take() {
        let Some(kept) = store.get(&id).await? else {
            if turns.is_empty() {
                return Ok(None);
            }
            return Err(lost("a response further back is no longer kept"));
        };
        bytes += kept.len();
        if turns.len() == MOST_TURNS || bytes > MOST_BYTES {
            return Err(lost("the conversation is too long"));
        }
        let kept: Kept = serde_json::from_slice(&kept).map_err(|e| lost(&e.to_string()))?;
        if turns.is_empty() && !owner.sees(kept.owner.as_deref()) {
            return Ok(None);
        }
        next.clone_from(&kept.previous);
        turns.push(kept);
    }
    let mut items = Vec::new();
    for turn in turns.into_iter().rev() {
        items.extend(turn.input);
        let response = Bytes::copy_from_slice(turn.response.get().as_bytes());
        let response = JsonObject::parse(&response)?;
        items.extend(
            response
                .get::<Vec<Box<RawValue>>>("output")?
                .unwrap_or_default(),
        );
    }
    Ok(Some(items))
}

fn lost(why: &str) -> Error {
    Error::bad_request("previous_response_id", why)
}

impl Recalled {
    /// The request with the whole conversation in it; `None` where it stands for itself.
    pub(crate) fn whole(
        &self,
        body: &JsonObject,
        bridged: bool,
    ) -> Result<Option<JsonObject>, Error> {
        let Some((_, before)) = &self.before else {
            return Ok(None);
        };
        let now = items(body)?;
        // A vendor that speaks the dialect takes back only thoughts that it sealed itself.
        let fits = |item: &RawValue| bridged || kind(item).as_deref() != Some("reasoning");
        let before = before.iter().filter(|item| fits(item));
        let all = before.chain(&now);
        let mut input = BytesMut::new();
        for item in all {
            input.put_u8(if input.is_empty() { b'[' } else { b',' });
            input.put_slice(item.get().as_bytes());
        }
        input.put_slice(if input.is_empty() { b"[]" } else { b"]" });
        let mut whole = body.clone();
        whole.remove("previous_response_id");
        whole.set_raw("input", input.freeze());
        Ok(Some(whole))
    }

    /// What keeps the answer to `body` under `id`, unless its client does not want that.
    pub(crate) fn keeper(
        &self,
        store: &Arc<dyn ResponseStore>,
        id: String,
        body: &JsonObject,
    ) -> Option<Keeper> {
        if body.raw("store").is_some_and(|raw| &raw[..] == b"false") {
            return None;
        }
        // What a vendor keeps of the conversation cannot be put before it here.
        if self.before.is_none() && body.str("previous_response_id").is_some() {
            return None;
        }
        Some(Keeper {
            store: Arc::clone(store),
            id,
            previous: self.before.as_ref().map(|(id, _)| id.clone()),
            input: items(body).ok()?,
            owner: self.owner.clone(),
        })
    }
}

fn kind(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    serde_json::from_str::<Kind>(item.get()).ok()?.kind
}

/// The items of a body's `input`.
fn items(body: &JsonObject) -> Result<Vec<Box<RawValue>>, Error> {
    match body.raw("input") {
        None => Ok(Vec::new()),
        Some(raw) if raw.starts_with(b"\"") => {
            let text = String::from_utf8_lossy(raw);
            let item = format!(r#"{{"type":"message","role":"user","content":{text}}}"#);
            let item = RawValue::from_string(item).map_err(|e| Error::decode("", e))?;
            Ok(vec![item])
        }
        Some(_) => Ok(body.get("input")?.unwrap_or_default()),
    }
}

/// Keeps one answer.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Arc<dyn ResponseStore>,
    id: String,
    previous: Option<String>,
    input: Vec<Box<RawValue>>,
    owner: Option<String>,
}

impl Keeper {
    /// Keeps `response`.
    pub(crate) fn keep(self, response: &[u8]) {
        let Ok(response) = serde_json::from_slice(response) else {
            return;
        };
        let kept = Kept {
            previous: self.previous,
            input: self.input,
            response,
            owner: self.owner,
        };
        if let Ok(kept) = serde_json::to_vec(&kept) {
            self.store.put(&self.id, kept.into());
        }
    }

    /// A stream whose answer is kept when it is whole.
    pub(crate) fn over(self, stream: Box<dyn BridgeStream>) -> Box<dyn BridgeStream> {
        Box::new(Keeping {
            stream,
            keeper: Some(self),
        })
    }
}

struct Keeping {
    stream: Box<dyn BridgeStream>,
    keeper: Option<Keeper>,
}

impl BridgeStream for Keeping {
    fn push(&mut self, chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        self.stream.push(chunk, out)
    }

    fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        self.stream.finish(out)?;
        let last = out
            .last()
            .and_then(|event| JsonObject::parse(&event.data).ok());
        let response = last.as_ref().and_then(|event| event.raw("response"));
        if let (Some(keeper), Some(response)) = (self.keeper.take(), response) {
            keeper.keep(response);
        }
        Ok(())
    }
}
