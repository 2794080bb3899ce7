//! What keys and teams say of the requests that are made with them.

use serde_json::Value;

use crate::{Caller, Refusal};

/// Fields that requests must have (`enforced_params`), in metadata of keys and teams.
const ENFORCED: &str = "enforced_params";

impl Caller {
    /// Whether its key or its team says yes to this in its metadata.
    pub fn says(&self, name: &str) -> bool {
        self.said(name).any(|said| *said == Value::Bool(true))
    }

    /// Whether requests of it may have to have certain fields. Of a token it is known once its team is.
    pub fn may_be_held_to_fields(&self) -> bool {
        self.grant.is_some() || self.asks_for_fields()
    }

    /// Whether its key or its team asks for fields.
    pub fn asks_for_fields(&self) -> bool {
        let mut lists = self.said(ENFORCED).filter_map(Value::as_array);
        lists.any(|list| !list.is_empty())
    }

    /// Refuses a request that lacks fields which `everybody` has to send, or which its key or its team asks for.
    /// `has` finds a field by its path (`metadata.generation_name`).
    pub fn held_to_fields(
        &self,
        everybody: &[String],
        has: impl Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        let own = self.said(ENFORCED).filter_map(Value::as_array).flatten();
        let all = everybody.iter().map(String::as_str);
        let mut missing: Vec<&str> = Vec::new();
        for field in all.chain(own.filter_map(Value::as_str)) {
            if !missing.contains(&field) && !has(field) {
                missing.push(field);
            }
        }
        let Some(first) = missing.first() else {
            return Ok(());
        };
        let message = format!(
            "Missing required parameters: '{}'. Requests with this key have to send them (enforced_params).",
            missing.join("', '")
        );
        Err(Refusal::bad((*first).to_owned(), message))
    }

    /// The models that its key goes to when there is no money left for the asked one (`budget_fallbacks`): `asked` is
    /// the name that the client knows, `model` the one that it stands for.
    pub fn budget_fallbacks<'a>(
        &'a self,
        asked: &'a str,
        model: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let lists = self.key.as_ref().map(|key| &key.row.budget_fallbacks);
        let bare = model.split_once('/').map(|(_, bare)| bare);
        let names = [Some(asked), Some(model), bare].into_iter().flatten();
        let found = lists.and_then(|lists| names.into_iter().find_map(|name| lists.get(name)));
        let models = found.and_then(Value::as_array).into_iter().flatten();
        let models = models.filter_map(Value::as_str);
        models.filter(move |other| *other != asked && *other != model)
    }

    /// A request's tags, and those of its key, its team and its project.
    pub fn tags(&self, own: &[String]) -> Vec<String> {
        let of_key = self.key.as_ref().map(|key| &key.row.metadata);
        let of_team = self.team.as_ref().map(|team| &team.row.metadata);
        let of_project = self.project.as_ref().map(|project| &project.row.metadata);
        let inherited = of_key.into_iter().chain(of_team).chain(of_project);
        let inherited = inherited
            .filter_map(|metadata| metadata.get("tags")?.as_array())
            .flatten()
            .filter_map(|tag| tag.as_str());
        let mut tags = own.to_vec();
        for tag in inherited {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    /// What its key says of routing, and behind that its team (`router_settings`).
    pub fn router_settings(&self) -> impl Iterator<Item = &llm_store::rows::Object> {
        let of_key = self.key.as_ref().map(|key| &key.row.router_settings);
        let of_team = self.team.as_ref().map(|team| &team.row.router_settings);
        let said = [of_key, of_team].into_iter().flatten().flatten();
        said.filter_map(Value::as_object)
    }

    /// Refuses a path that its key or its team does not pass requests through. Lists of what is allowed are about the paths
    /// that the operator `added`; what is denied goes before.
    pub fn may_pass(&self, path: &str, added: bool) -> Result<(), Refusal> {
        let lists = |name| self.said(name).filter_map(Value::as_array);
        let names = |list: &Vec<Value>| {
            let mut patterns = list.iter().filter_map(Value::as_str);
            patterns.any(|pattern| covers(pattern, path))
        };
        let mut allowed = lists("allowed_passthrough_routes")
            .filter(|list| added && !list.is_empty())
            .peekable();
        let is_open = allowed.peek().is_none() || allowed.any(names);
        if is_open && !lists("denied_passthrough_routes").any(names) {
            return Ok(());
        }
        let message = format!("Key/team not allowed to access passthrough route {path}");
        Err(Refusal {
            detail: Some(Value::String(message.clone())),
            ..Refusal::forbidden(message)
        })
    }

    /// What its key and its team have under this name in their metadata.
    fn said<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        let of_key = self.key.as_ref().map(|key| &key.row.metadata);
        let of_team = self.team.as_ref().map(|team| &team.row.metadata);
        let both = [of_key, of_team].into_iter().flatten();
        both.filter_map(move |metadata| metadata.get(name))
    }
}

/// Whether a path is `pattern` or lies below it; a star at the end stands for whatever follows.
fn covers(pattern: &str, path: &str) -> bool {
    if let Some(start) = pattern.strip_suffix('*') {
        return path.starts_with(start);
    }
    let pattern = pattern.trim_end_matches('/');
    let rest = path.strip_prefix(pattern);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_ledger::Calendar;
    use llm_store::rows::{Key, Team};
    use serde_json::json;

    use super::*;
    use crate::{Entry, Governed, Role};

    fn entry<R: Governed>(row: R) -> Option<Arc<Entry<R>>> {
        Some(Arc::new(Entry::new(row, None, &Calendar::utc())))
    }

    fn object(value: Value) -> llm_store::rows::Object {
        value.as_object().cloned().unwrap_or_default()
    }

    fn caller(key: Key, team: Team) -> Caller {
        Caller {
            key: entry(key),
            team: entry(team),
            ..Caller::plain(Role::InternalUser)
        }
    }

    #[test]
    fn fields_of_everybody_the_key_and_the_team_are_all_named() {
        let key = Key {
            metadata: object(json!({"enforced_params": ["user", "metadata.run"]})),
            ..Key::default()
        };
        let team = Team {
            metadata: object(json!({"enforced_params": ["user", "seed"]})),
            ..Team::default()
        };
        let caller = caller(key, team);
        let everybody = ["model".to_owned(), "n".to_owned()];
        let refusal = caller
            .held_to_fields(&everybody, |field| field == "model")
            .unwrap_err();
        assert_eq!(
            (refusal.status.as_u16(), refusal.param.as_deref()),
            (400, Some("n"))
        );
        assert!(
            refusal
                .message
                .contains("'n', 'user', 'metadata.run', 'seed'"),
            "{}",
            refusal.message
        );
        assert_eq!(caller.held_to_fields(&everybody, |_| true), Ok(()));
        assert!(caller.may_be_held_to_fields());
        assert!(!Caller::master().may_be_held_to_fields());
    }

    #[test]
    fn fallbacks_are_found_by_each_name_of_a_model() {
        let key = Key {
            budget_fallbacks: object(json!({"gpt": ["mini", "gpt", 7], "big": ["small"]})),
            ..Key::default()
        };
        let caller = caller(key, Team::default());
        let of = |asked, model| -> Vec<&str> { caller.budget_fallbacks(asked, model).collect() };
        assert_eq!(of("gpt", "gpt"), ["mini"]);
        assert_eq!(of("alias", "openai/gpt"), ["mini", "gpt"]);
        assert_eq!(of("big", "x"), ["small"]);
        assert_eq!(of("other", "other"), [""; 0]);
    }

    #[test]
    fn paths_are_passed_where_the_lists_say_so() {
        let lists = |allowed: Value, denied: Value| {
            object(
                json!({"allowed_passthrough_routes": allowed, "denied_passthrough_routes": denied}),
            )
        };
        let with = |of_key, of_team| {
            let key = Key {
                metadata: of_key,
                ..Key::default()
            };
            let team = Team {
                metadata: of_team,
                ..Team::default()
            };
            caller(key, team)
        };
        let open = |caller: &Caller, path: &str, added| caller.may_pass(path, added).is_ok();
        let silent = with(lists(json!([]), json!([])), object(json!({})));
        assert!(open(&silent, "/a", true));
        let one = with(
            lists(json!(["/a"]), json!([])),
            lists(json!(["/b/*"]), json!(["/a/secret"])),
        );
        for path in ["/a", "/a/x", "/b/x"] {
            assert!(open(&one, path, true), "{path}");
        }
        for path in ["/ab", "/b", "/c", "/a/secret", "/a/secret/x"] {
            assert!(!open(&one, path, true), "{path}");
        }
        // Vendors' own paths are for everybody who has a key, unless they are denied.
        assert!(open(&one, "/anthropic/v1/messages", false));
        assert!(!open(&one, "/a/secret", false));
        let refusal = one.may_pass("/c", true).unwrap_err();
        assert_eq!(
            (refusal.status.as_u16(), refusal.detail.is_some()),
            (403, true)
        );
    }

    #[test]
    fn a_keys_word_on_routing_goes_before_its_teams() {
        let key = Key {
            router_settings: Some(json!({"num_retries": 1})),
            ..Key::default()
        };
        let team = Team {
            router_settings: Some(json!({"num_retries": 2})),
            metadata: object(json!({"allow_client_mock_response": true})),
            ..Team::default()
        };
        let caller = caller(key, team);
        let retries: Vec<_> = caller
            .router_settings()
            .map(|said| &said["num_retries"])
            .collect();
        assert_eq!(retries, [1, 2]);
        assert!(caller.says("allow_client_mock_response") && !caller.says("other"));
    }
}
