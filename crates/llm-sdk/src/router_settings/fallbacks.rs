//! Which groups answer for which, and other names of groups.

use llm_router::Fallback;
use serde_json::Value;

use super::{
    Mention, Place, Role, RouterSettings,
    place::kind,
    read::{Reader, items, mapping},
};

impl RouterSettings {
    pub(super) fn fallbacks(&mut self, reader: &mut Reader<'_>) {
        if let Some(most) = reader.take("max_fallbacks") {
            self.router.max_fallbacks = most;
        }
        for key in [
            "fallbacks",
            "context_window_fallbacks",
            "content_policy_fallbacks",
        ] {
            let Some(lists) = reader.value(key) else {
                continue;
            };
            let place = Place::of(key);
            for (i, item) in items(key, &lists, &place, reader).iter().enumerate() {
                let place = place.item(i);
                for (group, list) in mapping(key, item, &place, reader) {
                    let place = place.key(group);
                    self.mention(key, group, place.clone().itself(), Role::Condition);
                    let targets = self.targets(key, group, list, &place, reader);
                    let all = &mut self.router.fallbacks;
                    let all = match key {
                        "fallbacks" => &mut all.general,
                        "context_window_fallbacks" => &mut all.context_window,
                        _ => &mut all.content_policy,
                    };
                    all.insert(group.clone(), targets);
                }
            }
        }
        if let Some(list) = reader.value("default_fallbacks") {
            let key = "default_fallbacks";
            let targets = self.targets(key, "*", &list, &Place::of(key), reader);
            let general = &mut self.router.fallbacks.general;
            general.insert("*".to_owned(), targets);
        }
    }

    fn targets(
        &mut self,
        key: &'static str,
        from: &str,
        list: &Value,
        place: &Place,
        reader: &mut Reader<'_>,
    ) -> Vec<Fallback> {
        let mut all = Vec::new();
        for (i, item) in items(key, list, place, reader).iter().enumerate() {
            let place = place.item(i);
            let Some(fallback) = fallback(item) else {
                let kind = kind(item);
                reader.mistake(
                    place,
                    format!(
                        "{key}: expected a model's name or a mapping with 'model', and found {kind}"
                    ),
                );
                continue;
            };
            let place = if item.is_object() {
                place.key("model")
            } else {
                place
            };
            let from = from.to_owned();
            self.mention(key, &fallback.group, place, Role::Fallback { from });
            all.push(fallback);
        }
        all
    }

    /// Other names of models: texts, or mappings that also say whether lists show them.
    pub(super) fn aliases(&mut self, key: &'static str, reader: &mut Reader<'_>) {
        let Some(all) = reader.value(key) else {
            return;
        };
        let place = Place::of(key);
        for (alias, target) in mapping(key, &all, &place, reader) {
            let mut place = place.key(alias);
            let named = match target.get("model") {
                Some(model) => {
                    place = place.key("model");
                    model
                }
                None => target,
            };
            let Some(group) = named.as_str() else {
                let kind = kind(named);
                reader.mistake(
                    place,
                    format!("{key}: expected a model's name, and found {kind}"),
                );
                continue;
            };
            if target.get("hidden") == Some(&Value::Bool(true)) {
                self.hidden.insert(alias.clone());
            }
            self.mention(key, group, place, Role::Alias);
            let aliases = &mut self.router.aliases;
            aliases.insert(alias.clone(), group.to_owned());
        }
    }

    pub(super) fn mention(&mut self, key: &'static str, name: &str, place: Place, role: Role) {
        self.mentions.push(Mention {
            key,
            name: name.to_owned(),
            place,
            role,
        });
    }
}

/// A name, or a mapping with a `model` and what else changes of the request.
fn fallback(value: &Value) -> Option<Fallback> {
    match value {
        Value::String(group) => Some(Fallback::to(group)),
        Value::Object(map) => {
            let mut overrides = map.clone();
            let Some(Value::String(group)) = overrides.remove("model") else {
                return None;
            };
            Some(Fallback { group, overrides })
        }
        _ => None,
    }
}
