//! Where one deployment's requests go, and what is known of its model.

use std::collections::BTreeMap;

use llm_types::{Op, Verb};

use crate::{Credential, Provider};

/// One model at one vendor, with everything that a request needs besides its body.
#[derive(Debug, Clone)]
pub struct Target {
    /// The vendor.
    pub provider: &'static Provider,
    /// The model's name as the vendor knows it.
    pub model: String,
    /// Where to send, without a slash at the end.
    pub base_url: String,
    /// What proves who we are.
    pub credential: Credential,
    /// The vendor's own settings by LiteLLM's names: `api_version`, `organization`, `project`, `vertex_project`,
    /// `vertex_location`, `aws_region_name`, `project_id`, ... Never secrets.
    pub settings: BTreeMap<String, String>,
    /// Headers on every request of this deployment, over the provider's own.
    pub headers: Vec<(String, String)>,
    /// What is known of the model.
    pub facts: ModelFacts,
}

/// What is known of a model, from a price table or from the user. The caller fills it in; codecs only read it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelFacts {
    /// `chat`, `embedding`, `responses`, ...
    pub mode: Option<String>,
    /// The longest prompt, in tokens.
    pub max_input_tokens: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// Capabilities by the price table's names without `supports_`: `vision`, `function_calling`, `reasoning`,
    /// `adaptive_thinking`, `native_structured_output`, `prompt_caching`, ...
    pub supports: BTreeMap<String, bool>,
}

impl ModelFacts {
    /// Whether the model can do `what`; `None` where nobody knows.
    pub fn supports(&self, what: &str) -> Option<bool> {
        self.supports.get(what).copied()
    }
}

impl Target {
    /// `model` at `provider`'s own address, nothing known of it.
    pub fn new(
        provider: &'static Provider,
        model: impl Into<String>,
        credential: Credential,
    ) -> Self {
        Self {
            provider,
            model: model.into(),
            base_url: provider.base_url.to_owned(),
            credential,
            settings: BTreeMap::new(),
            headers: Vec::new(),
            facts: ModelFacts::default(),
        }
    }

    /// The same target at another address.
    pub fn at(mut self, base_url: &str) -> Self {
        self.base_url = base_url.trim_end_matches('/').to_owned();
        self
    }

    /// The same target with a vendor's setting.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Whether `op` is spoken natively, by the vendor and by this model.
    pub fn speaks(&self, op: Op) -> bool {
        let provider = self.provider;
        provider.speaks(op) && provider.model_speaks.is_none_or(|speaks| speaks(self, op))
    }

    /// Whether `verb` can be done with what `op` makes.
    pub fn does(&self, op: Op, verb: Verb) -> bool {
        self.speaks(op) && self.provider.does(op, verb)
    }

    /// A vendor's setting, if it is there and not empty.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}
