//! Responses that are kept here, by their ids: shown, listed, forgotten.

use bytes::{BufMut, Bytes, BytesMut};
use llm_providers::{Error, Kind, protocols::openai};
use llm_types::{JsonObject, Op, Verb};
use serde_json::{json, value::RawValue};

use super::{Kept, ResponseStore, conversation, lost};
use crate::{Owner, request::streams_again};

/// The most items on one page.
const MOST: usize = 100;

/// What is asked of a response.
pub(crate) struct Asked<'a> {
    pub(crate) verb: Verb,
    /// As it is kept.
    pub(crate) id: &'a str,
    /// As the client knows it.
    pub(crate) shown: &'a str,
    pub(crate) query: &'a [(String, String)],
    pub(crate) owner: &'a Owner,
}

/// The answer; `None` if the response is not kept here.
pub(crate) async fn answer(
    store: &dyn ResponseStore,
    asked: &Asked<'_>,
) -> Result<Option<Bytes>, Error> {
    let Some(kept) = store.get(asked.id).await? else {
        return Ok(None);
    };
    let kept: Kept = serde_json::from_slice(&kept).map_err(|e| lost(&e.to_string()))?;
    if !asked.owner.sees(kept.owner.as_deref()) {
        return Ok(None);
    }
    let answer = match asked.verb {
        Verb::Get if asked.is_stream() => retold(asked, &kept.response)?,
        Verb::Get => Bytes::copy_from_slice(kept.response.get().as_bytes()),
        Verb::Delete => {
            store.remove(asked.id).await?;
            let gone = json!({"id": asked.shown, "object": "response", "deleted": true});
            gone.to_string().into()
        }
        Verb::InputItems => items(store, asked, kept).await?,
        Verb::Cancel => {
            let message = "only a response in the background can be cancelled: this one is whole";
            return Err(Error::bad_request("response_id", message));
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

impl Asked<'_> {
    /// Whether the answer is to be told as events.
    pub(crate) fn is_stream(&self) -> bool {
        streams_again(Op::Responses, self.verb, self.query)
    }
}

/// The response as the events of a stream.
fn retold(asked: &Asked<'_>, response: &RawValue) -> Result<Bytes, Error> {
    if asked.query.iter().any(|(name, _)| name == "starting_after") {
        let message = "this response is kept as a whole: its events have no numbers to start after";
        return Err(Error::bad_request("starting_after", message));
    }
    let response = JsonObject::parse(&Bytes::copy_from_slice(response.get().as_bytes()))?;
    let mut told = BytesMut::new();
    for (kind, data) in openai::retold(&response)? {
        told.put_slice(format!("event: {kind}\ndata: ").as_bytes());
        told.put_slice(&data);
        told.put_slice(b"\n\n");
    }
    Ok(told.freeze())
}

/// A page of what the response was made of: all that was said before it.
async fn items(store: &dyn ResponseStore, asked: &Asked<'_>, kept: Kept) -> Result<Bytes, Error> {
    let mut all = match &kept.previous {
        Some(previous) => conversation(store, previous, asked.owner)
            .await?
            .unwrap_or_default(),
        None => Vec::new(),
    };
    all.extend(kept.input);
    let mut named = Vec::with_capacity(all.len());
    for (number, item) in all.iter().enumerate() {
        named.push(with_id(item, asked.id, number)?);
    }
    let page = Page::of(asked.query)?;
    let (items, has_more) = page.cut(named);
    let end = |item: Option<&(String, Box<RawValue>)>| item.map(|(id, _)| id.clone());
    let (first, last) = (end(items.first()), end(items.last()));
    let data: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
    let mut object = JsonObject::new();
    object.set_str("object", "list");
    object.set("data", &data);
    object.set("first_id", &first);
    object.set("last_id", &last);
    object.set("has_more", &has_more);
    Ok(object.to_bytes())
}

/// An item with an id; clients need not give them one.
fn with_id(
    item: &RawValue,
    response: &str,
    number: usize,
) -> Result<(String, Box<RawValue>), Error> {
    let mut object = JsonObject::parse(&Bytes::copy_from_slice(item.get().as_bytes()))?;
    let id = match object.str("id") {
        Some(id) => id.into_owned(),
        None => {
            let of = response.strip_prefix("resp_").unwrap_or(response);
            let id = format!("msg_{of}_{number}");
            object.set_str("id", &id);
            id
        }
    };
    let text = String::from_utf8_lossy(&object.to_bytes()).into_owned();
    let raw = RawValue::from_string(text).map_err(|e| Error::decode("", e))?;
    Ok((id, raw))
}

/// Which items are asked for.
struct Page<'a> {
    limit: usize,
    newest_first: bool,
    after: Option<&'a str>,
    before: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn of(query: &'a [(String, String)]) -> Result<Self, Error> {
        let said = |name: &str| {
            let found = query.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        let limit = match said("limit").map(str::parse) {
            None => 20,
            Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
            Some(_) => {
                let message = format!("'limit' must be a number from 1 to {MOST}");
                return Err(Error::bad_request("limit", message));
            }
        };
        Ok(Self {
            limit,
            newest_first: said("order") != Some("asc"),
            after: said("after"),
            before: said("before"),
        })
    }

    /// The items of this page, and whether more follow.
    fn cut<T>(&self, mut items: Vec<(String, T)>) -> (Vec<(String, T)>, bool) {
        if self.newest_first {
            items.reverse();
        }
        let place = |id: &str, items: &[(String, T)]| items.iter().position(|(at, _)| at == id);
        if let Some(at) = self.before.and_then(|id| place(id, &items)) {
            items.truncate(at);
        }
        if let Some(at) = self.after.and_then(|id| place(id, &items)) {
            items.drain(..=at);
        }
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        (items, has_more)
    }
}

/// The answer where neither we nor a vendor keeps the response.
pub(crate) fn unknown(shown: &str) -> Error {
    let message = format!("Response with id '{shown}' not found.");
    Error::new(Kind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::responses::MemoryStore;

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        let first = r#"{"previous":null,"input":[{"role":"user","content":"1"}],"response":{"id":"a","output":[{"id":"o1"}]}}"#;
        let second = r#"{"previous":"resp_a","input":[{"id":"own","content":"2"}],"response":{"id":"b","output":[]}}"#;
        store.put("resp_a", Bytes::from_static(first.as_bytes()));
        store.put("resp_b", Bytes::from_static(second.as_bytes()));
        store
    }

    fn ask(store: &MemoryStore, verb: Verb, query: &[(&str, &str)]) -> Result<String, Error> {
        let query: Vec<_> = query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let asked = Asked {
            verb,
            id: "resp_b",
            shown: "resp_shown",
            query: &query,
            owner: &Owner::default(),
        };
        let answer = answer(store, &asked).now_or_never().expect("at once")?;
        let answer = answer.unwrap_or_default();
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[test]
    fn a_response_is_shown_and_forgotten() {
        let store = store();
        let shown = ask(&store, Verb::Get, &[]).unwrap();
        assert_eq!(shown, r#"{"id":"b","output":[]}"#);
        let cancelled = ask(&store, Verb::Cancel, &[]).unwrap_err();
        assert_eq!(cancelled.kind, Kind::BadRequest);
        let gone = ask(&store, Verb::Delete, &[]).unwrap();
        assert!(
            gone.contains("resp_shown") && gone.contains("true"),
            "{gone}"
        );
        assert_eq!(ask(&store, Verb::Get, &[]).unwrap(), "");
    }

    #[test]
    fn items_come_page_by_page() {
        let store = store();
        let ids = |query: &[(&str, &str)]| {
            let page = ask(&store, Verb::InputItems, query).unwrap();
            let page: serde_json::Value = serde_json::from_str(&page).unwrap();
            let ids: Vec<_> = page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(page["first_id"].as_str(), ids.first().map(String::as_str));
            assert_eq!(page["last_id"].as_str(), ids.last().map(String::as_str));
            (ids, page["has_more"].as_bool().unwrap())
        };
        let all = ["own", "o1", "msg_b_0"].map(str::to_owned);
        assert_eq!(ids(&[]), (all.to_vec(), false));
        assert_eq!(ids(&[("limit", "1")]), (all[..1].to_vec(), true));
        let rest = ids(&[("limit", "2"), ("after", "own")]);
        assert_eq!(rest, (all[1..].to_vec(), false));
        let first = ids(&[("order", "asc"), ("before", "o1")]);
        assert_eq!(first, (all[2..].to_vec(), false));
        for wrong in ["0", "101", "x"] {
            let error = ask(&store, Verb::InputItems, &[("limit", wrong)]).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("limit"));
        }
    }
}
