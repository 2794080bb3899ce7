//! The price list: found by name, read row by row as rows are asked for.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{ModelInfo, keys, rows::Rows, rules, vendors};

/// The list that the build carries: nothing is fetched, so every node of one version prices alike.
static EMBEDDED: &str = include_str!("../data/prices.json");

/// Prices and capabilities of models, with entries of one's own laid over the list. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    rows: Option<Arc<Rows>>,
    /// By lower-case name.
    own: BTreeMap<String, Arc<ModelInfo>>,
}

/// An entry, and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The entry.
    pub row: Arc<ModelInfo>,
    /// How closely its name fits.
    pub how: Match,
}

/// How closely an entry's name fits the model that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The entry is of this model.
    Named,
    /// The entry is of all models of this size at this vendor.
    SizeClass,
    /// Only capabilities are known, from the form of the name; there are no prices.
    NameOnly,
}

/// Why a text is not a price list.
#[derive(Debug, Error)]
#[error("not a price list: {0}")]
pub struct TableError(pub(crate) Cow<'static, str>);

impl PriceTable {
    /// The list that this build carries.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<PriceTable> = OnceLock::new();
        // The embedded text is checked by a test and by the generator; without it nothing would have a price.
        TABLE.get_or_init(|| Self::from_json(Cow::Borrowed(EMBEDDED)).unwrap_or_default())
    }

    /// Reads a list: our own format, or a JSON object of model names and their fields in LiteLLM's.
    pub fn from_json(text: impl Into<Cow<'static, str>>) -> Result<Self, TableError> {
        let text = text.into();
        if text.starts_with("{\"format\":") {
            return Ok(Self {
                rows: Some(Arc::new(Rows::read(text)?)),
                own: BTreeMap::new(),
            });
        }
        let models: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| TableError(error.to_string().into()))?;
        let mut table = Self::default();
        for (name, fields) in models {
            match fields {
                Value::Object(fields) if !vendors::is_special_entry(&name) => {
                    table.register(&name, &fields);
                }
                _ => {}
            }
        }
        Ok(table)
    }

    /// SHA-256 of the list's content in hex: two nodes with the same digest price alike. Entries of one's own are not
    /// part of it.
    pub fn digest(&self) -> &str {
        self.rows.as_ref().map_or("", |rows| &rows.header.digest)
    }

    /// The day of the list, `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        self.rows.as_ref().map_or("", |rows| &rows.header.date)
    }

    /// Finds the entry of a model as `provider` serves it: `{provider}/{model}`, then the name alone, then without
    /// regions, versions and dates, in any case of letters; then by the model's size where the vendor prices sizes;
    /// then what the name's form tells. An empty provider finds the name at any vendor.
    pub fn get(&self, provider: &str, model: &str) -> Option<Found> {
        self.find(provider, None, model)
    }

    /// The same for one region of a vendor whose prices differ between regions.
    pub fn get_in_region(&self, provider: &str, region: &str, model: &str) -> Option<Found> {
        self.find(provider, Some(region), model)
    }

    /// The price of an image of one quality and size, for models that the list splits by them. `size` is `1024x1024`.
    pub fn get_image(
        &self,
        provider: &str,
        model: &str,
        quality: Option<&str>,
        size: Option<&str>,
    ) -> Option<Found> {
        let size = size.map(|size| size.replace('x', "-x-"));
        let names = keys::image_names(provider, model, quality, size.as_deref());
        names
            .iter()
            .find_map(|name| self.entry(name))
            .map(|row| Found {
                row,
                how: Match::Named,
            })
            .or_else(|| self.get(provider, model))
    }

    /// The entry of a router that chooses between models and bills for that, if `model` names one. Its bill comes on top
    /// of the chosen model's: see [`Cost::plus`](crate::Cost::plus).
    pub fn router_fee(&self, provider: &str, model: &str) -> Option<Arc<ModelInfo>> {
        let bare = model
            .strip_prefix(provider)
            .map_or(model, |rest| rest.trim_start_matches('/'));
        let router = ["model_router", "model-router"]
            .into_iter()
            .find(|name| bare.starts_with(name))?;
        self.entry(&format!("{provider}/{router}"))
    }

    /// The entry with exactly this name, in any case of letters.
    pub fn entry(&self, key: &str) -> Option<Arc<ModelInfo>> {
        let own = || self.own.get(&key.to_ascii_lowercase()).cloned();
        let listed = || self.rows.as_ref()?.get(key);
        match self.own.is_empty() {
            true => listed(),
            false => own().or_else(listed),
        }
    }

    /// The provider that a bare model name belongs to.
    pub fn provider_of(&self, model: &str) -> Option<&str> {
        vendors::of_bare_name(self, model).or_else(|| rules::provider_of(self.rules(), model))
    }

    /// All names: one's own first, then the list's in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.own.values().map(|row| row.key());
        let listed = self.rows.iter().flat_map(|rows| rows.names());
        own.chain(listed.filter(|name| {
            self.own.is_empty() || !self.own.contains_key(&name.to_ascii_lowercase())
        }))
    }

    /// Lays an entry over the list. Fields of an entry with the same name stay where `fields` does not replace them.
    pub fn register(&mut self, name: &str, fields: &Map<String, Value>) {
        let row = match self.entry(name) {
            Some(known) => known.merged(name, fields),
            None => ModelInfo::new(name, fields.clone()),
        };
        self.own.insert(name.to_ascii_lowercase(), Arc::new(row));
    }

    /// Whether a model can do `what`: `vision`, `function_calling`, ... Unknown models can do nothing.
    pub fn supports(&self, model: &str, provider: &str, what: &str) -> bool {
        self.get(provider, model)
            .is_some_and(|found| found.row.supports(what))
    }

    fn find(&self, provider: &str, region: Option<&str>, model: &str) -> Option<Found> {
        let named = |row| Found {
            row,
            how: Match::Named,
        };
        let names = keys::candidates(provider, model);
        if let Some(region) = region {
            let family = keys::family(provider);
            let regional = names
                .iter()
                .filter(|name| !name.contains('/'))
                .find_map(|name| self.entry(&format!("{family}/{region}/{name}")));
            if let Some(row) = regional {
                return Some(named(row));
            }
        }
        let own_name = |name: &str, row: &ModelInfo| {
            let prefix = name.split_once('/').map_or("", |(prefix, _)| prefix);
            prefix == provider || keys::same_vendor(row.provider(), provider)
        };
        for name in &names {
            if let Some(row) = self.entry(name)
                && (own_name(name, &row) || row.provider().is_empty())
            {
                return Some(named(row));
            }
        }
        let class = keys::size_class(keys::family(provider), model);
        if let Some(row) = class.and_then(|key| self.entry(key)) {
            return Some(Found {
                row,
                how: Match::SizeClass,
            });
        }
        let mut fields = rules::capabilities(self.rules(), model)?;
        fields.insert("litellm_provider".into(), provider.into());
        Some(Found {
            row: Arc::new(ModelInfo::new(model, fields)),
            how: Match::NameOnly,
        })
    }

    fn rules(&self) -> &[rules::Rule] {
        self.rows.as_ref().map_or(&[], |rows| rows.rules())
    }
}

impl Found {
    /// The name under which the list has it.
    pub fn key(&self) -> &str {
        self.row.key()
    }
}
