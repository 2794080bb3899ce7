//! The search engines, as data.

use llm_types::Map;
use serde_json::{Value, json};

use super::{Engine, Query, Reading, Sites, Spelling};
use crate::{Call, Error};

/// Names that most of them share.
const READING: Reading = Reading {
    lists: &["/results"],
    only: None,
    title: &["title"],
    url: &["url", "link"],
    snippet: &["content", "snippet", "description"],
    date: &["date", "published_date"],
    cost: "",
    fault: |_| None,
};

/// A body of JSON, sites in the query, everything else under the name it most often has.
const ENGINE: Engine = Engine {
    get: false,
    path: "/search",
    query: Query::Text("query"),
    count: "max_results",
    sites: Sites::Words,
    country: ("", Spelling::Upper),
    length: "",
    always: &[],
    shape: |_, _| Ok(()),
    listed: false,
    answer: READING,
};

/// Tavily: <https://docs.tavily.com/documentation/api-reference/endpoint/search>
pub(crate) const TAVILY: Engine = Engine {
    sites: Sites::Lists("include_domains", "exclude_domains"),
    country: ("country", Spelling::LowerName),
    ..ENGINE
};

/// Exa: <https://docs.exa.ai/reference/search>
pub(crate) const EXA: Engine = Engine {
    count: "numResults",
    sites: Sites::Lists("includeDomains", "excludeDomains"),
    country: ("userLocation", Spelling::Upper),
    length: "maxCharacters",
    shape: exa,
    answer: Reading {
        snippet: &["text", "highlights", "summary"],
        date: &["publishedDate"],
        cost: "/costDollars/total",
        ..READING
    },
    ..ENGINE
};

/// Without `contents` there is nothing but addresses.
fn exa(body: &mut Map, _: &Call<'_>) -> Result<(), Error> {
    let length = body.shift_remove("maxCharacters");
    let contents = match length {
        Some(length) => json!({"text": {"maxCharacters": length}}),
        None => json!({"text": true}),
    };
    body.entry("contents").or_insert(contents);
    Ok(())
}

/// Brave: <https://api-dashboard.search.brave.com/app/documentation/web-search/query>
pub(crate) const BRAVE: Engine = Engine {
    get: true,
    path: "/web/search",
    query: Query::Text("q"),
    count: "count",
    country: ("country", Spelling::Upper),
    answer: Reading {
        lists: &["/web/results"],
        snippet: &["description", "extra_snippets"],
        date: &["page_age", "age"],
        ..READING
    },
    ..ENGINE
};

/// Serper: <https://serper.dev/>
pub(crate) const SERPER: Engine = Engine {
    query: Query::Text("q"),
    count: "num",
    country: ("gl", Spelling::Lower),
    answer: Reading {
        lists: &["/organic"],
        ..READING
    },
    ..ENGINE
};

/// SearXNG: <https://docs.searxng.org/dev/search_api.html>
pub(crate) const SEARXNG: Engine = Engine {
    get: true,
    query: Query::Text("q"),
    count: "",
    always: &[("format", "\"json\"")],
    answer: Reading {
        date: &["publishedDate"],
        ..READING
    },
    ..ENGINE
};

/// Google's Programmable Search Engine: <https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list>
pub(crate) const GOOGLE: Engine = Engine {
    get: true,
    path: "/customsearch/v1",
    query: Query::Text("q"),
    count: "num",
    country: ("gl", Spelling::Lower),
    shape: google,
    answer: Reading {
        lists: &["/items"],
        ..READING
    },
    ..ENGINE
};

/// Which of the account's engines searches.
fn google(body: &mut Map, call: &Call<'_>) -> Result<(), Error> {
    if body.contains_key("cx") {
        return Ok(());
    }
    let engine = call.target.setting("google_pse_engine_id").ok_or_else(|| {
        Error::bad_request(
            "google_pse_engine_id",
            "no search engine: set google_pse_engine_id or GOOGLE_PSE_ENGINE_ID",
        )
    })?;
    body.insert("cx".into(), engine.into());
    Ok(())
}

/// Parallel: <https://docs.parallel.ai/api-reference/search/search>
pub(crate) const PARALLEL: Engine = Engine {
    path: "/v1/search",
    query: Query::List("search_queries"),
    sites: Sites::Lists("include_domains", "exclude_domains"),
    country: ("location", Spelling::Lower),
    length: "max_chars_per_result",
    shape: parallel,
    answer: Reading {
        snippet: &["excerpts"],
        date: &["publish_date"],
        ..READING
    },
    ..ENGINE
};

/// All but the queries is among the advanced settings.
fn parallel(body: &mut Map, _: &Call<'_>) -> Result<(), Error> {
    let mut take = |names: &[&str]| -> Map {
        let found = names
            .iter()
            .filter_map(|name| body.shift_remove_entry(*name));
        found.collect()
    };
    let mut settings = take(&["max_results", "location"]);
    let groups = [
        (
            "source_policy",
            take(&["include_domains", "exclude_domains"]),
        ),
        ("excerpt_settings", take(&["max_chars_per_result"])),
    ];
    for (name, group) in groups {
        if !group.is_empty() {
            settings.insert(name.into(), group.into());
        }
    }
    if settings.is_empty() {
        return Ok(());
    }
    match body.get_mut("advanced_settings") {
        Some(Value::Object(own)) => settings.extend(std::mem::take(own)),
        Some(_) => {
            return Err(Error::bad_request(
                "advanced_settings",
                "'advanced_settings' must be an object",
            ));
        }
        None => {}
    }
    body.insert("advanced_settings".into(), settings.into());
    Ok(())
}

/// Firecrawl: <https://docs.firecrawl.dev/api-reference/endpoint/search>
pub(crate) const FIRECRAWL: Engine = Engine {
    path: "/v2/search",
    count: "limit",
    country: ("country", Spelling::Upper),
    answer: Reading {
        lists: &["/data/web", "/data/news", "/data"],
        snippet: &["description", "snippet", "markdown"],
        ..READING
    },
    ..ENGINE
};

/// Linkup: <https://docs.linkup.so/pages/documentation/api-reference/endpoint/post-search>
pub(crate) const LINKUP: Engine = Engine {
    path: "/v1/search",
    query: Query::Text("q"),
    count: "maxResults",
    sites: Sites::Lists("includeDomains", "excludeDomains"),
    always: &[
        ("depth", "\"standard\""),
        ("outputType", "\"searchResults\""),
    ],
    answer: Reading {
        title: &["name", "title"],
        ..READING
    },
    ..ENGINE
};

/// You.com: <https://documentation.you.com/api-reference/search>
pub(crate) const YOU: Engine = Engine {
    get: true,
    path: "/v1/search",
    count: "count",
    country: ("country", Spelling::Upper),
    answer: Reading {
        lists: &["/results/web", "/results/news"],
        snippet: &["snippets", "description"],
        date: &["page_age"],
        ..READING
    },
    ..ENGINE
};

/// SearchApi: <https://www.searchapi.io/docs/google>
pub(crate) const SEARCHAPI: Engine = Engine {
    get: true,
    path: "/api/v1/search",
    query: Query::Text("q"),
    count: "num",
    country: ("gl", Spelling::Lower),
    always: &[("engine", "\"google\"")],
    answer: Reading {
        lists: &["/organic_results"],
        url: &["link"],
        ..READING
    },
    ..ENGINE
};

/// DataForSEO: <https://docs.dataforseo.com/v3/serp/google/organic/live/advanced/>
pub(crate) const DATAFORSEO: Engine = Engine {
    path: "/v3/serp/google/organic/live/advanced",
    query: Query::Text("keyword"),
    count: "depth",
    country: ("location_name", Spelling::Name),
    always: &[("language_code", "\"en\"")],
    shape: |body, _| {
        if !body.contains_key("location_name") && !body.contains_key("location_code") {
            // It must be searched from somewhere: the United States.
            body.insert("location_code".into(), 2840.into());
        }
        Ok(())
    },
    listed: true,
    answer: Reading {
        lists: &["/tasks/0/result/0/items"],
        only: Some(("type", "organic")),
        date: &["timestamp"],
        cost: "/cost",
        fault: dataforseo_fault,
        ..READING
    },
    ..ENGINE
};

/// Its errors come with a good status, and codes of their own: those from 40000 on.
fn dataforseo_fault(body: &Value) -> Option<String> {
    let task = body.pointer("/tasks/0").unwrap_or(body);
    let bad = task["status_code"]
        .as_u64()
        .filter(|code| *code >= 40_000)?;
    let message = task["status_message"].as_str().unwrap_or("it failed");
    Some(format!("{message} ({bad})"))
}
