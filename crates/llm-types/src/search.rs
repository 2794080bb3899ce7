//! Web search. Perplexity's shape, as LiteLLM has it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JsonError, JsonObject, Map};

/// A search request, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// What is looked for.
    pub query: SearchQuery,
    /// How many results at most.
    pub max_results: Option<u64>,
    /// Only these sites; without those that begin with `-`.
    pub search_domain_filter: Vec<String>,
    /// How much of each page is wanted.
    pub max_tokens_per_page: Option<u64>,
    /// The two letters of the country to search from.
    pub country: Option<String>,
    /// Every other key of the body.
    pub extra: Map,
}

/// One query, or several that are searched together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub enum SearchQuery {
    /// One query.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// Always `search`.
    #[serde(default)]
    pub object: String,
    /// The best first.
    #[serde(default)]
    pub results: Vec<SearchResult>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One page that was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Its address.
    #[serde(default)]
    pub url: String,
    /// What it says about the query.
    #[serde(default)]
    pub snippet: String,
    /// When it was published, as the vendor writes it.
    #[serde(default)]
    pub date: Option<String>,
    /// When it was last changed, as the vendor writes it.
    #[serde(default)]
    pub last_updated: Option<String>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

impl SearchRequest {
    const FIELDS: &'static [&'static str] = &[
        "model",
        "query",
        "max_results",
        "search_domain_filter",
        "max_tokens_per_page",
        "country",
    ];

    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            query: object.require("query")?,
            max_results: object.get("max_results")?,
            search_domain_filter: object.get("search_domain_filter")?.unwrap_or_default(),
            max_tokens_per_page: object.get("max_tokens_per_page")?,
            country: object.get("country")?,
            extra: object.rest(Self::FIELDS)?,
        })
    }

    /// The sites to search in, and those to leave out.
    pub fn domains(&self) -> (Vec<&str>, Vec<&str>) {
        let mut sites = (Vec::new(), Vec::new());
        for domain in &self.search_domain_filter {
            match domain.strip_prefix('-') {
                Some(without) => sites.1.push(without),
                None => sites.0.push(domain.as_str()),
            }
        }
        sites
    }
}

impl SearchQuery {
    /// All of it as one query.
    pub fn text(&self) -> String {
        match self {
            Self::One(query) => query.clone(),
            Self::Many(queries) => queries.join(" "),
        }
    }

    /// Each query.
    pub fn all(&self) -> Vec<&str> {
        match self {
            Self::One(query) => vec![query],
            Self::Many(queries) => queries.iter().map(String::as_str).collect(),
        }
    }
}

impl SearchResult {
    /// A page of which nothing else is known.
    pub fn new(title: &str, url: &str, snippet: &str) -> Self {
        Self {
            title: title.to_owned(),
            url: url.to_owned(),
            snippet: snippet.to_owned(),
            ..Self::default()
        }
    }

    /// The same with what the vendor calls it.
    pub fn with(mut self, extra: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.extra.extend(extra);
        self
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn sites_are_sought_or_avoided() {
        let body = Bytes::from_static(
            br#"{"query":["a","b"],"search_domain_filter":["x.org","-y.com"],"topic":"news"}"#,
        );
        let object = JsonObject::parse(&body).expect("an object");
        let request = SearchRequest::from_object(&object).expect("a request");
        assert_eq!(request.domains(), (vec!["x.org"], vec!["y.com"]));
        assert_eq!(
            (request.query.text(), request.query.all().len()),
            ("a b".into(), 2)
        );
        assert_eq!(request.extra["topic"], "news");
    }
}
