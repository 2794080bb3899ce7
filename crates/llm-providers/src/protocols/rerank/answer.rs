//! What rerankers answer, in Cohere's shape.

use llm_types::{
    Map, RerankDocument, RerankMeta, RerankRequest, RerankResponse, RerankResult, Usage,
};
use serde_json::{Number, Value, json};

use crate::{Answer, Call, Error, Reply, Step, error_table};

/// What a reranker said, to be written in Cohere's shape.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    /// The answer's id, where it has one.
    pub(crate) id: Option<String>,
    /// The documents' places, in any order.
    pub(crate) results: Vec<RerankResult>,
    /// What it consumed.
    pub(crate) consumed: Consumed,
    /// Every other key.
    pub(crate) extra: Map,
}

/// What a reranker counted.
#[derive(Debug, Default)]
pub(crate) struct Consumed {
    /// Tokens of query and documents.
    pub(crate) tokens: Option<u64>,
    /// What Cohere and others bill.
    pub(crate) search_units: Option<u64>,
    /// The vendor's own account.
    pub(crate) usage: Option<Usage>,
    /// The vendor's own account in Cohere's shape.
    pub(crate) meta: Option<RerankMeta>,
}

/// How many searches a request with this many documents counts as, where a hundred are one.
pub(crate) fn billed_in_hundreds(documents: usize) -> u64 {
    documents.div_ceil(100).max(1) as u64
}

/// Reads an answer in Cohere's shape or near to it: a list of places, at one of the keys that vendors use.
pub(crate) fn flat(call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
    let provider = call.target.provider.name;
    if let Some(error) = error_table::in_answer(provider, &reply) {
        return Err(error);
    }
    let request = RerankRequest::from_object(call.fields())?;
    if let Ok(answer) = serde_json::from_slice::<RerankResponse>(&reply.body)
        && is_whole(&answer, &request)
    {
        let consumed = Consumed::of(answer.meta, None);
        return Ok(Answer::raw(reply.body, Some(consumed.usage())).into());
    }
    let body: Value = serde_json::from_slice(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    let map = match body {
        Value::Object(map) => map,
        list @ Value::Array(_) => Map::from_iter([("results".to_owned(), list)]),
        _ => return Err(Error::decode(provider, "expected an object")),
    };
    places(call, &request, map, &reply)
}

/// The same of an answer that was taken apart already.
pub(super) fn places(
    call: &Call<'_>,
    request: &RerankRequest,
    mut map: Map,
    reply: &Reply,
) -> Result<Step, Error> {
    let provider = call.target.provider.name;
    let list = ["results", "data", "rankings"]
        .iter()
        .find_map(|key| map.shift_remove(*key));
    let Some(Value::Array(list)) = list else {
        return Err(Error::decode(provider, "there are no results in it"));
    };
    let results = list.into_iter().map(|item| place(provider, item));
    let results = results.collect::<Result<Vec<_>, _>>()?;
    let read = |value: Value| serde_json::from_value(value).map_err(|e| Error::decode(provider, e));
    let meta = match map.shift_remove("meta") {
        None | Some(Value::Null) => None,
        Some(meta) => Some(serde_json::from_value(meta).map_err(|e| Error::decode(provider, e))?),
    };
    let usage: Option<Usage> = match map.get("usage") {
        None | Some(Value::Null) => None,
        Some(usage) => Some(read(usage.clone())?),
    };
    let mut consumed = Consumed::of(meta, usage);
    consumed.tokens = consumed
        .tokens
        .or_else(|| map.get("input_token_count")?.as_u64());
    let ranking = Ranking {
        id: text(&mut map, "id"),
        results,
        consumed,
        extra: map,
    };
    ranking.answer(call, request, reply)
}

/// Whether an answer is what our client expects, as it stands.
fn is_whole(answer: &RerankResponse, request: &RerankRequest) -> bool {
    let shows = |result: &RerankResult| match (&result.document, request.return_documents) {
        (None, Some(true)) | (Some(_), Some(false)) => false,
        (None, _) => true,
        (Some(document), _) => document.as_object().is_some_and(|map| !map.is_empty()),
    };
    let most = request.top_n.unwrap_or(u64::MAX);
    !answer.id.is_empty()
        && answer.meta.is_some()
        && !answer.results.is_empty()
        && answer.results.len() as u64 <= most
        && answer.results.iter().all(shows)
}

/// One place, whatever the vendor calls its parts.
fn place(provider: &'static str, item: Value) -> Result<RerankResult, Error> {
    let Value::Object(mut map) = item else {
        return Err(Error::decode(provider, "a result is no object"));
    };
    let index = map.shift_remove("index").and_then(|index| index.as_u64());
    let score = ["relevance_score", "relevanceScore", "score", "logit"]
        .iter()
        .find_map(|key| map.shift_remove(*key));
    let (Some(index), Some(Value::Number(relevance_score))) = (index, score) else {
        return Err(Error::decode(provider, "a result has no index or no score"));
    };
    let document = ["document", "text", "input"]
        .iter()
        .find_map(|key| map.shift_remove(*key));
    Ok(RerankResult {
        index,
        relevance_score,
        document: document.and_then(shown),
        extra: map,
    })
}

/// A document as an object with a `text`; nothing where there is nothing in it.
fn shown(document: Value) -> Option<Value> {
    match document {
        Value::Null => None,
        Value::Object(map) if map.is_empty() => None,
        Value::String(text) => Some(json!({ "text": text })),
        other => Some(other),
    }
}

fn text(map: &mut Map, key: &str) -> Option<String> {
    match map.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

impl Ranking {
    /// The answer in Cohere's shape: the best first, no more than were asked for, with their documents if they were
    /// asked for.
    pub(crate) fn answer(
        mut self,
        call: &Call<'_>,
        request: &RerankRequest,
        reply: &Reply,
    ) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let score = |result: &RerankResult| result.relevance_score.as_f64().unwrap_or(f64::MIN);
        self.results.sort_by(|a, b| score(b).total_cmp(&score(a)));
        if let Some(most) = request.top_n {
            self.results
                .truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        for result in &mut self.results {
            match request.return_documents {
                Some(false) => result.document = None,
                Some(true) if result.document.is_none() => {
                    result.document = document(request, result.index);
                }
                _ => {}
            }
        }
        let header = |name| reply.header(name).map(str::to_owned);
        let id = self
            .id
            .or_else(|| header("x-request-id"))
            .or_else(|| header("x-amzn-requestid"))
            .unwrap_or_else(|| format!("rerank-{}", uuid::Uuid::new_v4()));
        let usage = self.consumed.usage();
        let answer = RerankResponse {
            id,
            results: self.results,
            meta: Some(self.consumed.meta()),
            extra: self.extra,
        };
        let bytes = serde_json::to_vec(&answer).map_err(|e| Error::decode(provider, e))?;
        Ok(Answer::raw(bytes.into(), Some(usage)).into())
    }
}

/// The request's own document.
fn document(request: &RerankRequest, index: u64) -> Option<Value> {
    let document = request.documents.get(usize::try_from(index).ok()?)?;
    Some(match document {
        RerankDocument::Text(text) => json!({ "text": text }),
        RerankDocument::Object(map) => map.clone().into(),
    })
}

impl Consumed {
    /// What the vendor's own accounts say.
    pub(crate) fn of(meta: Option<RerankMeta>, usage: Option<Usage>) -> Self {
        let count = |map: Option<&Map>, keys: &[&str]| {
            keys.iter()
                .find_map(|key| map?.get(*key)?.as_f64())
                .map(|count| count as u64)
        };
        let billed = meta.as_ref().and_then(|meta| meta.billed_units.as_ref());
        let tokens = meta.as_ref().and_then(|meta| meta.tokens.as_ref());
        let extra = usage.as_ref().map(|usage| &usage.extra);
        let total = |usage: &Usage| usage.prompt_tokens.max(usage.total_tokens);
        Self {
            tokens: usage
                .as_ref()
                .map(total)
                .filter(|total| *total > 0)
                .or_else(|| count(tokens, &["input_tokens"]))
                .or_else(|| count(billed, &["input_tokens", "total_tokens"])),
            search_units: count(billed, &["search_units"])
                .or_else(|| count(extra.map(|extra| &**extra), &["search_units"])),
            usage,
            meta,
        }
    }

    fn usage(&self) -> Usage {
        let mut usage = self.usage.clone().unwrap_or_default();
        if usage.prompt_tokens == 0 {
            usage.prompt_tokens = self.tokens.unwrap_or_default();
        }
        if usage.total_tokens == 0 {
            usage.total_tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
        }
        usage.units.queries = self.search_units;
        usage
    }

    /// The vendor's own, filled up with what is known besides.
    fn meta(self) -> RerankMeta {
        let mut meta = self.meta.unwrap_or_default();
        let billed = meta.billed_units.get_or_insert_default();
        let number = |count: u64| Value::from(Number::from(count));
        if let Some(units) = self.search_units {
            billed
                .entry("search_units")
                .or_insert_with(|| number(units));
        } else if let Some(tokens) = self.tokens {
            billed
                .entry("total_tokens")
                .or_insert_with(|| number(tokens));
        }
        if let Some(count) = self.tokens {
            let tokens = meta.tokens.get_or_insert_default();
            tokens
                .entry("input_tokens")
                .or_insert_with(|| number(count));
            tokens.entry("output_tokens").or_insert_with(|| number(0));
        }
        meta
    }
}
