//! Web search. The client speaks Perplexity's shape; the engines differ in names, which are data.

mod country;
mod engines;

use http::{Method, Request};
use llm_types::{JsonObject, Map, SearchRequest, SearchResponse, SearchResult, Usage};
use serde_json::{Value, json};

use super::openai;
use crate::{Answer, Call, Error, Kind, Outgoing, Protocol, Reply, Step, error_table, path};

pub(crate) use engines::{
    BRAVE, DATAFORSEO, EXA, FIRECRAWL, GOOGLE, LINKUP, PARALLEL, SEARCHAPI, SEARXNG, SERPER,
    TAVILY, YOU,
};

/// Perplexity, whose shape is the client's.
#[derive(Debug)]
pub struct Perplexity;

/// A search engine with names of its own.
#[derive(Debug)]
pub struct Engine {
    /// Whether the request is in the query string.
    get: bool,
    /// Under the base URL.
    path: &'static str,
    /// What the query is called.
    query: Query,
    /// What the number of results is called; empty: they are cut off here.
    count: &'static str,
    /// How sites are named.
    sites: Sites,
    /// What the country is called, and how it is written.
    country: (&'static str, Spelling),
    /// What the length of a page in characters is called.
    length: &'static str,
    /// What always goes with it, as JSON text, unless the caller says otherwise.
    always: &'static [(&'static str, &'static str)],
    /// What names alone cannot say.
    shape: fn(&mut Map, &Call<'_>) -> Result<(), Error>,
    /// Whether the body is a list of such requests.
    listed: bool,
    /// How the answer is read.
    answer: Reading,
}

#[derive(Debug, Clone, Copy)]
enum Query {
    /// One text, several queries in one.
    Text(&'static str),
    /// A list.
    List(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum Sites {
    /// Lists of sites to search in and to leave out.
    Lists(&'static str, &'static str),
    /// Words in the query, as search engines for people have them.
    Words,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// `US`
    Upper,
    /// `us`
    Lower,
    /// `United States`
    Name,
    /// `united states`
    LowerName,
}

/// Where in an answer is what.
#[derive(Debug)]
struct Reading {
    /// The lists of results.
    lists: &'static [&'static str],
    /// Only results with this key and value.
    only: Option<(&'static str, &'static str)>,
    title: &'static [&'static str],
    url: &'static [&'static str],
    snippet: &'static [&'static str],
    date: &'static [&'static str],
    /// What the vendor says it costs, in dollars.
    cost: &'static str,
    /// What went wrong, in an answer that looks good.
    fault: fn(&Value) -> Option<String>,
}

/// Tokens are counted as characters, for engines that know no tokens.
const CHARACTERS: u64 = 4;

impl Protocol for Perplexity {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut body = call.fields().clone();
        SearchRequest::from_object(&body)?;
        body.remove("model");
        openai::request(&openai::address(call), body.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        if let Some(error) = error_table::in_answer(provider, &reply) {
            return Err(error);
        }
        let mut object = JsonObject::parse(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        if object.raw("results").is_none() {
            return Err(Error::decode(provider, "there are no results in it"));
        }
        if object.str("object").as_deref() != Some("search") {
            object.set_str("object", "search");
        }
        Ok(Answer::raw(object.to_bytes(), Some(searched())).into())
    }
}

impl Protocol for Engine {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = SearchRequest::from_object(call.fields())?;
        let body = self.body(call, request)?;
        let base = call.base_url();
        let uri = match base.ends_with(self.path) {
            true => base.to_owned(),
            false => path::join(base, self.path),
        };
        if !self.get {
            let body = if self.listed {
                json!([body])
            } else {
                json!(body)
            };
            return openai::request(&uri, body.to_string().into());
        }
        Request::builder()
            .method(Method::GET)
            .uri(format!("{uri}?{}", pairs(&body)))
            .header("accept", "application/json")
            .body(Outgoing::default())
            .map_err(|e| Error::new(Kind::BadRequest, format!("the address is not valid: {e}")))
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        if let Some(error) = error_table::in_answer(provider, &reply) {
            return Err(error);
        }
        let mut body: Value = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        if !body.is_object() {
            return Err(Error::decode(provider, "expected an object"));
        }
        if let Some(fault) = (self.answer.fault)(&body) {
            return Err(Error::new(Kind::Upstream, fault).of(provider));
        }
        let request = SearchRequest::from_object(call.fields())?;
        let most = request.max_results.unwrap_or(u64::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut usage = searched();
        if let Some(cost) = body
            .pointer(self.answer.cost)
            .filter(|_| !self.answer.cost.is_empty())
        {
            usage.extra.insert("cost".into(), cost.clone());
        }
        let mut results = self.answer.results(&mut body);
        results.truncate(most);
        let response = SearchResponse {
            object: "search".into(),
            results,
            extra: self.answer.rest(body),
        };
        let bytes = serde_json::to_vec(&response).map_err(|e| Error::decode(provider, e))?;
        Ok(Answer::raw(bytes.into(), Some(usage)).into())
    }
}

impl Engine {
    fn body(&self, call: &Call<'_>, request: SearchRequest) -> Result<Map, Error> {
        let mut body = Map::new();
        let (within, without) = request.domains();
        match self.query {
            Query::Text(name) => {
                let mut query = request.query.text();
                if matches!(self.sites, Sites::Words) {
                    query.push_str(&words(&within, &without));
                }
                body.insert(name.into(), query.into());
            }
            Query::List(name) => {
                body.insert(name.into(), request.query.all().into());
            }
        }
        if let (Some(most), false) = (request.max_results, self.count.is_empty()) {
            body.insert(self.count.into(), most.into());
        }
        if let Sites::Lists(include, exclude) = self.sites {
            for (name, sites) in [(include, within), (exclude, without)] {
                if !sites.is_empty() {
                    body.insert(name.into(), sites.into());
                }
            }
        }
        if let (Some(country), (name, spelling)) = (&request.country, self.country)
            && !name.is_empty()
        {
            body.insert(name.into(), spelled(country, spelling)?.into());
        }
        if let (Some(tokens), false) = (request.max_tokens_per_page, self.length.is_empty()) {
            let characters = tokens.saturating_mul(CHARACTERS);
            body.insert(self.length.into(), characters.into());
        }
        body.extend(request.extra);
        for (key, json) in self.always {
            if !body.contains_key(*key) {
                let value = serde_json::from_str(json).unwrap_or(Value::Null);
                body.insert((*key).into(), value);
            }
        }
        (self.shape)(&mut body, call)?;
        Ok(body)
    }
}

/// ` (site:a OR site:b) -site:c`
fn words(within: &[&str], without: &[&str]) -> String {
    let mut words = String::new();
    let sites: Vec<String> = within.iter().map(|site| format!("site:{site}")).collect();
    match sites.as_slice() {
        [] => {}
        [one] => words.push_str(&format!(" {one}")),
        many => words.push_str(&format!(" ({})", many.join(" OR "))),
    }
    for site in without {
        words.push_str(&format!(" -site:{site}"));
    }
    words
}

fn spelled(country: &str, spelling: Spelling) -> Result<String, Error> {
    let name = || {
        // A longer word is a name already.
        match country.len() {
            2 => country::name(country).ok_or_else(|| {
                Error::bad_request(
                    "country",
                    format!("this engine wants a country's English name, and '{country}' is unknown here"),
                )
            }),
            _ => Ok(country),
        }
    };
    Ok(match spelling {
        Spelling::Upper => country.to_ascii_uppercase(),
        Spelling::Lower => country.to_ascii_lowercase(),
        Spelling::Name => name()?.to_owned(),
        Spelling::LowerName => name()?.to_lowercase(),
    })
}

/// A query string.
fn pairs(body: &Map) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let texts = list.iter().map(|item| match item {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            texts.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    };
    let pair = |(key, value): (&String, &Value)| {
        format!("{}={}", path::query(key), path::query(&text(value)))
    };
    body.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// One search.
fn searched() -> Usage {
    let mut usage = Usage::default();
    usage.units.queries = Some(1);
    usage
}

/// For quirks: no engine gives more results than it has on a page.
pub(crate) fn at_most(call: &mut Call<'_>, most: u64) -> Result<(), Error> {
    if call
        .fields()
        .get::<u64>("max_results")?
        .is_some_and(|asked| asked > most)
    {
        call.fields_mut().set("max_results", &most);
        call.notice(
            "max_results",
            format!("lowered to {most}, the most there is"),
        );
    }
    Ok(())
}

impl Reading {
    fn results(&self, body: &mut Value) -> Vec<SearchResult> {
        let mut results = Vec::new();
        for place in self.lists {
            let Some(Value::Array(list)) = body.pointer_mut(place).map(Value::take) else {
                continue;
            };
            for item in list {
                if let Value::Object(map) = item
                    && self.wants(&map)
                {
                    results.push(self.result(map));
                }
            }
        }
        results
    }

    fn wants(&self, map: &Map) -> bool {
        self.only
            .is_none_or(|(key, value)| map.get(key).and_then(Value::as_str) == Some(value))
    }

    fn result(&self, mut map: Map) -> SearchResult {
        let mut text = |names: &[&str]| {
            let found = names.iter().find(|name| is_text(map.get(**name)))?;
            match map.shift_remove(*found)? {
                Value::String(text) => Some(text),
                Value::Array(list) => {
                    let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                    Some(texts.join("\n"))
                }
                _ => None,
            }
        };
        SearchResult {
            title: text(self.title).unwrap_or_default(),
            url: text(self.url).unwrap_or_default(),
            snippet: text(self.snippet).unwrap_or_default(),
            date: text(self.date),
            last_updated: text(&["last_updated"]),
            extra: map,
        }
    }

    /// What the answer says besides its results.
    fn rest(&self, body: Value) -> Map {
        let Value::Object(mut map) = body else {
            return Map::new();
        };
        for place in self.lists {
            // The results were taken out of it.
            if let Some(key) = place.split('/').nth(1) {
                map.shift_remove(key);
            }
        }
        map.shift_remove("object");
        map
    }
}

/// A text, or texts.
fn is_text(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => list.iter().any(Value::is_string),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_become_words() {
        assert_eq!(words(&[], &[]), "");
        assert_eq!(words(&["a.org"], &["b.com"]), " site:a.org -site:b.com");
        assert_eq!(
            words(&["a.org", "c.net"], &[]),
            " (site:a.org OR site:c.net)"
        );
    }

    #[test]
    fn a_query_string_is_escaped() {
        let body = json!({"q": "a&b=c#d", "n": 3, "list": ["x", "y"]});
        let body = body.as_object().cloned().unwrap_or_default();
        assert_eq!(pairs(&body), "q=a%26b%3Dc%23d&n=3&list=x%2Cy");
    }

    #[test]
    fn countries_are_spelled_as_the_engine_wants() {
        assert_eq!(spelled("us", Spelling::Upper).ok().as_deref(), Some("US"));
        let names = spelled("gb", Spelling::LowerName).ok();
        assert_eq!(names.as_deref(), Some("united kingdom"));
        assert_eq!(
            spelled("France", Spelling::Name).ok().as_deref(),
            Some("France")
        );
        assert!(spelled("xx", Spelling::Name).is_err());
    }
}
