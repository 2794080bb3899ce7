//! Deployments beside the models: search tools, and the accounts that keep files and train models. They have groups of
//! their own in a router, so that they are tried, rested and limited as models are.

use llm_providers::Error;
use llm_router::Router;
use llm_types::{JsonError, JsonObject, Map, Op};
use serde_json::Value;

use crate::Request;

/// What a deployment is that is no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// An engine that searches the web, by the name of a tool.
    SearchTool,
    /// An account that keeps files and batches, by the name of its vendor.
    Files,
    /// An account that trains models, by the name of its vendor.
    FineTuning,
}

/// An entry of such a list, as a deployment is made of it.
#[derive(Debug)]
pub struct BesideEntry {
    /// The group in the router.
    pub group: String,
    /// The parameters, as those of a model.
    pub params: JsonObject,
    /// What else is said of it.
    pub info: Map,
}

impl Beside {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SearchTool, Self::Files, Self::FineTuning];

    /// The list's key in a configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::SearchTool => "search_tools",
            Self::Files => "files_settings",
            Self::FineTuning => "finetune_settings",
        }
    }

    /// What the group of a deployment says that it is; `None`: it is a model.
    pub fn of(group: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name(group).is_some())
    }

    /// The group of `name`.
    pub fn group(self, name: &str) -> String {
        format!("{}/{name}", self.key())
    }

    /// The name in a group of this kind.
    pub fn name(self, group: &str) -> Option<&str> {
        group.strip_prefix(self.key())?.strip_prefix('/')
    }

    /// The names of this kind in a router, in their order.
    pub fn names(self, router: &Router) -> impl Iterator<Item = &str> {
        router
            .groups()
            .filter_map(move |(group, _)| self.name(group))
    }

    /// The kind whose accounts do `op`.
    pub(crate) fn doing(op: Op) -> Option<Self> {
        match op {
            Op::File | Op::Batch => Some(Self::Files),
            Op::FineTuning => Some(Self::FineTuning),
            _ => None,
        }
    }

    /// Reads an entry of such a list; the error names the key that is wrong.
    pub fn entry(self, item: &Map) -> Result<BesideEntry, Error> {
        match self {
            Self::SearchTool => tool(item),
            Self::Files | Self::FineTuning => self.account(item),
        }
    }

    /// An account's parameters, with some model: what is kept belongs to no model.
    fn account(self, item: &Map) -> Result<BesideEntry, Error> {
        let vendor = text(item, "custom_llm_provider", "an account")?.to_owned();
        let mut params = item.clone();
        params.insert("model".into(), "any".into());
        Ok(BesideEntry {
            group: self.group(&vendor),
            params: JsonObject::from_serialize(&params)?,
            info: Map::new(),
        })
    }
}

/// A tool's engine: `search_provider` is its vendor, the other parameters are those of models.
fn tool(item: &Map) -> Result<BesideEntry, Error> {
    let name = text(item, "search_tool_name", "a search tool")?;
    let mut params = match item.get("litellm_params") {
        Some(Value::Object(params)) => params.clone(),
        _ => {
            let message = format!("the search tool '{name}' has no 'litellm_params'");
            return Err(Error::bad_request("litellm_params", message));
        }
    };
    params.retain(|_, value| !value.is_null());
    let vendor = text(&params, "search_provider", "a search tool")?;
    let model = format!("{vendor}/search");
    params.shift_remove("search_provider");
    params.insert("model".into(), model.into());
    if let Some(retries) = params.shift_remove("max_retries") {
        params.entry("num_retries").or_insert(retries);
    }
    let info = match item.get("search_tool_info") {
        Some(Value::Object(info)) => info.clone(),
        _ => Map::new(),
    };
    Ok(BesideEntry {
        group: Beside::SearchTool.group(name),
        params: JsonObject::from_serialize(&params)?,
        info,
    })
}

fn text<'a>(item: &'a Map, key: &str, whose: &str) -> Result<&'a str, Error> {
    let value = item.get(key).and_then(Value::as_str);
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::bad_request(key, format!("{whose} needs a '{key}'")))
}

/// The tool that a search asks for, or else its vendor's model: taken out of `body`.
pub(crate) fn searched(body: &mut JsonObject) -> Result<(String, Option<String>), JsonError> {
    let tool: Option<String> = body.take("search_tool_name")?;
    let vendor: Option<String> = body.take("search_provider")?;
    if let Some(tool) = tool {
        let group = Beside::SearchTool.group(&tool);
        return Ok((tool, Some(group)));
    }
    match vendor {
        Some(vendor) => Ok((format!("{vendor}/search"), None)),
        None => Err(JsonError::new(
            "search_tool_name",
            "is missing: name a search tool, a 'search_provider' or a 'model'",
        )),
    }
}

/// Refuses a tool that there is not, as a pattern of models must not answer for it; and a model's name that is the group
/// of something else.
pub(crate) fn refuse(request: &Request, router: Option<&Router>) -> Result<(), Error> {
    let group = request.route_as.as_deref();
    let Some(tool) = group.and_then(|group| Beside::SearchTool.name(group)) else {
        return match Beside::of(&request.model) {
            Some(_) => Err(Error::bad_request(
                "model",
                format!("there is no model '{}'", request.model),
            )),
            None => Ok(()),
        };
    };
    let known: Vec<&str> = match router {
        Some(router) => Beside::SearchTool.names(router).collect(),
        None => Vec::new(),
    };
    if known.contains(&tool) {
        return Ok(());
    }
    let hint = match known.is_empty() {
        true => "none is configured".to_owned(),
        false => format!("there are {}", known.join(", ")),
    };
    let message = format!("there is no search tool '{tool}': {hint}");
    Err(Error::bad_request("search_tool_name", message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_tool_is_a_deployment_of_its_engine() {
        let entry = Beside::SearchTool.entry(&map(json!({
            "search_tool_name": "web",
            "litellm_params": {"search_provider": "tavily", "api_key": "k", "timeout": 5, "max_retries": 2, "api_base": null},
            "search_tool_info": {"description": "The web"},
        })));
        let entry = entry.expect("a tool");
        assert_eq!(entry.group, "search_tools/web");
        assert_eq!(
            entry.params.to_bytes(),
            r#"{"api_key":"k","timeout":5,"model":"tavily/search","num_retries":2}"#
        );
        assert_eq!(entry.info["description"], "The web");
        assert_eq!(Beside::of(&entry.group), Some(Beside::SearchTool));
        assert_eq!(Beside::of("search_tools"), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (kind, item, key) in [
            (Beside::SearchTool, json!({}), "search_tool_name"),
            (
                Beside::SearchTool,
                json!({"search_tool_name": "web"}),
                "litellm_params",
            ),
            (
                Beside::SearchTool,
                json!({"search_tool_name": "web", "litellm_params": {}}),
                "search_provider",
            ),
            (
                Beside::Files,
                json!({"api_key": "k"}),
                "custom_llm_provider",
            ),
        ] {
            let error = kind.entry(&map(item)).expect_err("incomplete");
            assert_eq!(error.param.as_deref(), Some(key));
        }
    }

    #[test]
    fn a_search_names_a_tool_or_a_vendor() {
        let asked = |body: Value| {
            let mut body = JsonObject::from_serialize(&body).expect("an object");
            searched(&mut body).map(|found| (found, body.len()))
        };
        let tool = asked(json!({"search_tool_name": "web", "query": "q"})).expect("a tool");
        assert_eq!(tool, (("web".into(), Some("search_tools/web".into())), 1));
        let vendor = asked(json!({"search_provider": "exa_ai", "query": "q"})).expect("a vendor");
        assert_eq!(vendor, (("exa_ai/search".into(), None), 1));
        let error = asked(json!({"query": "q"})).expect_err("neither");
        assert!(error.to_string().contains("search_tool_name"), "{error}");
    }
}
