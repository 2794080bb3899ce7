//! Our own format of a price list: one model a line, sorted, so that a lookup reads one line.
//!
//! ```text
//! {"format":1,"source":"...","source_sha256":"...","date":"2026-11-21","digest":"...",
//! "fields":["input_cost_per_token",...],
//! "rules":[...],
//! "traits":[
//! {"litellm_provider":"openai","mode":"chat",...},
//! ...
//! ],
//! "models":[
//! ["gpt-4o",0,[0,25e-7,1,1e-5]],
//! ...
//! ]}
//! ```
//!
//! A model line has its name, the number of its traits (what many models share), and pairs of a field's number and its
//! value. Prices are dollars per unit as exact decimals. The digest is the SHA-256 of everything after the first line.

use std::{
    borrow::Cow,
    cmp::Ordering,
    ops::Range,
    sync::{Arc, OnceLock},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{ModelInfo, rules::Rule, table::TableError};

const FORMAT: u32 = 1;

/// The list's text, and where its lines are.
#[derive(Debug)]
pub(crate) struct Rows {
    text: Cow<'static, str>,
    pub(crate) header: Header,
    fields: Vec<String>,
    rules: Range<usize>,
    read_rules: OnceLock<Vec<Rule>>,
    traits: Vec<Range<usize>>,
    models: Vec<Line>,
}

/// The first line.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    format: u32,
    pub(crate) date: String,
    pub(crate) digest: String,
}

#[derive(Debug)]
struct Line {
    span: Range<usize>,
    row: OnceLock<Option<Arc<ModelInfo>>>,
}

impl Rows {
    pub(crate) fn read(text: Cow<'static, str>) -> Result<Self, TableError> {
        let mut lines = Lines { text: &text, at: 0 };
        let header = lines.next("header")?;
        let header: Header = json(&format!("{}}}", body(&text, header)), "header")?;
        if header.format != FORMAT {
            return Err(wrong("unknown format"));
        }
        let fields = lines.value("\"fields\":")?;
        let fields = json(body(&text, fields), "fields")?;
        let rules = lines.value("\"rules\":")?;
        let traits = lines.list("\"traits\":[")?;
        let models = lines.list("\"models\":[")?;
        let rows = Self {
            header,
            fields,
            rules,
            read_rules: OnceLock::new(),
            traits,
            models: models
                .into_iter()
                .map(|span| Line {
                    span,
                    row: OnceLock::new(),
                })
                .collect(),
            text,
        };
        let ordered = rows.models.windows(2).all(|pair| match pair {
            [a, b] => compare(rows.name(a), rows.name(b)) == Ordering::Less,
            _ => true,
        });
        if ordered {
            Ok(rows)
        } else {
            Err(wrong("the models are not in order"))
        }
    }

    /// The entry with this name, in any case of letters.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<ModelInfo>> {
        let found = self
            .models
            .binary_search_by(|line| compare(self.name(line), key))
            .ok()?;
        let line = self.models.get(found)?;
        line.row
            .get_or_init(|| self.parse(line).map(Arc::new))
            .clone()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|line| self.name(line))
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        self.read_rules
            .get_or_init(|| json(body(&self.text, self.rules.clone()), "rules").unwrap_or_default())
    }

    /// The name that a line begins with; the generator lets no name through that JSON would escape.
    fn name(&self, line: &Line) -> &str {
        let text = body(&self.text, line.span.clone());
        let name = text.strip_prefix("[\"").unwrap_or("");
        name.split('"').next().unwrap_or("")
    }

    fn parse(&self, line: &Line) -> Option<ModelInfo> {
        let text = body(&self.text, line.span.clone());
        let (name, number, own): (Cow<'_, str>, usize, Vec<Value>) =
            serde_json::from_str(text).ok()?;
        let shared = body(&self.text, self.traits.get(number)?.clone());
        let mut fields: Map<String, Value> = serde_json::from_str(shared).ok()?;
        let mut own = own.into_iter();
        while let (Some(field), Some(value)) = (own.next(), own.next()) {
            let field = self.fields.get(usize::try_from(field.as_u64()?).ok()?)?;
            fields.insert(field.clone(), value);
        }
        Some(ModelInfo::new(&name, fields))
    }
}

/// Order of names: by their lower-case letters.
fn compare(a: &str, b: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl Lines<'_> {
    /// The next line without the comma that joins it to the following one.
    fn next(&mut self, what: &'static str) -> Result<Range<usize>, TableError> {
        let rest = self
            .text
            .as_bytes()
            .get(self.at..)
            .filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| wrong(what))?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let start = self.at;
        self.at = start + length + 1;
        let comma = length > 0 && rest.get(length - 1) == Some(&b',');
        Ok(start..start + length - usize::from(comma))
    }

    /// A line with a name and its value: where the value is.
    fn value(&mut self, name: &'static str) -> Result<Range<usize>, TableError> {
        let line = self.next(name)?;
        match body(self.text, line.clone()).starts_with(name) {
            true => Ok(line.start + name.len()..line.end),
            false => Err(wrong(name)),
        }
    }

    /// The lines of a list, up to the line that closes it.
    fn list(&mut self, name: &'static str) -> Result<Vec<Range<usize>>, TableError> {
        self.value(name)?;
        let mut spans = Vec::new();
        loop {
            let span = self.next(name)?;
            if body(self.text, span.clone()).starts_with(']') {
                return Ok(spans);
            }
            spans.push(span);
        }
    }
}

fn body(text: &str, span: Range<usize>) -> &str {
    text.get(span).unwrap_or("")
}

fn json<'a, T: Deserialize<'a>>(text: &'a str, what: &'static str) -> Result<T, TableError> {
    serde_json::from_str(text).map_err(|error| TableError(format!("{what}: {error}").into()))
}

fn wrong(what: &'static str) -> TableError {
    TableError(Cow::Borrowed(what))
}
