//! Which groups are tried, in which order, by the cause of the failure.

use std::collections::BTreeMap;

use llm_providers::Kind;
use llm_types::Map;

use crate::{Ask, Journey, Router, SettingsError};

/// Which groups answer for which, by the cause of the failure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fallbacks {
    /// For any cause that has no list of its own. The key `*` answers for every group.
    pub general: BTreeMap<String, Vec<Fallback>>,
    /// Where the prompt was too long.
    pub context_window: BTreeMap<String, Vec<Fallback>>,
    /// Where the content was refused.
    pub content_policy: BTreeMap<String, Vec<Fallback>>,
}

/// One group to fall back to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fallback {
    /// The group.
    pub group: String,
    /// Parameters of the request that change with it.
    pub overrides: Map,
}

impl Fallback {
    /// A fallback that changes nothing but the group.
    pub fn to(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            overrides: Map::new(),
        }
    }
}

impl Fallbacks {
    /// Where a failure of `kind` in `group` leads. A refused content or a too long prompt goes around only where a list
    /// of its own, or for a too long prompt the general one, says so.
    pub(crate) fn after(&self, group: &str, kind: Kind) -> &[Fallback] {
        match kind {
            Kind::ContextWindow if !self.context_window.is_empty() => {
                find(&self.context_window, group)
            }
            Kind::ContentPolicy => find(&self.content_policy, group),
            _ => find(&self.general, group),
        }
    }

    /// All lists, by their names.
    fn lists(&self) -> [(&'static str, &BTreeMap<String, Vec<Fallback>>); 3] {
        [
            ("fallbacks", &self.general),
            ("context_window_fallbacks", &self.context_window),
            ("content_policy_fallbacks", &self.content_policy),
        ]
    }

    /// The first fallback to a group that is `wanted`: in which list, and to which group.
    pub(crate) fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<(String, &str)> {
        self.lists().into_iter().find_map(|(name, list)| {
            list.iter().find_map(|(from, all)| {
                let to = all.iter().find(|to| wanted(&to.group))?;
                Some((format!("{name} of '{from}'"), to.group.as_str()))
            })
        })
    }

    /// Refuses lists that lead back to where they began.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        for (name, list) in self.lists() {
            for group in list.keys() {
                if let Some(way) = cycle(list, group) {
                    return Err(SettingsError(format!(
                        "{name}: '{group}' falls back to itself: {}",
                        way.join(" -> ")
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Router {
    pub(crate) fn fallbacks(&self, ask: &Ask, group: &str, kind: Kind) -> Vec<Fallback> {
        if ask.disable_fallbacks {
            return Vec::new();
        }
        let own = match kind {
            Kind::ContextWindow => ask
                .context_window_fallbacks
                .as_ref()
                .or(ask.fallbacks.as_ref()),
            Kind::ContentPolicy => ask.content_policy_fallbacks.as_ref(),
            _ => ask.fallbacks.as_ref(),
        };
        match own {
            Some(own) => own.clone(),
            None => self
                .settings
                .fallbacks
                .after(self.alias(group), kind)
                .to_vec(),
        }
    }

    /// The groups that a request may end at besides its own, each once, with what changes of it on the way there.
    pub fn beyond(&self, ask: &Ask) -> Vec<Fallback> {
        let kinds = [Kind::Upstream, Kind::ContextWindow, Kind::ContentPolicy];
        let after = |group: &str| kinds.map(|kind| self.fallbacks(ask, group, kind)).concat();
        let mut all: Vec<Fallback> = Vec::new();
        let mut queue = after(&ask.model);
        while let Some(next) = queue.pop() {
            if next.group == ask.model || all.contains(&next) {
                continue;
            }
            queue.extend(after(&next.group));
            all.push(next);
        }
        all
    }

    /// Whether anything leads from one group to another.
    pub fn has_fallbacks(&self) -> bool {
        let lists = self.settings.fallbacks.lists();
        lists.iter().any(|(_, list)| !list.is_empty())
    }

    pub(crate) fn has_fallback(&self, ask: &Ask, journey: &Journey, kind: Kind) -> bool {
        let unseen = |fallback: &Fallback| !journey.seen.contains(&fallback.group);
        journey.trace.fallbacks < self.settings.max_fallbacks
            && (journey.queue.iter().any(unseen)
                || self
                    .fallbacks(ask, &journey.plan.group, kind)
                    .iter()
                    .any(unseen))
    }
}

/// The way from `start` back to itself, if there is one.
fn cycle<'a>(list: &'a BTreeMap<String, Vec<Fallback>>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start]];
    let mut seen = Vec::new();
    while let Some(way) = ways.pop() {
        let next = way.last().and_then(|last| list.get(*last));
        for target in next.into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(&target.group);
            if target.group == start {
                return Some(longer);
            }
            if !seen.contains(&target.group.as_str()) {
                seen.push(&target.group);
                ways.push(longer);
            }
        }
    }
    None
}

fn find<'a>(list: &'a BTreeMap<String, Vec<Fallback>>, group: &str) -> &'a [Fallback] {
    let bare = group.split_once('/').map(|(_, bare)| bare);
    let own = list
        .get(group)
        .or_else(|| bare.and_then(|bare| list.get(bare)));
    own.or_else(|| list.get("*"))
        .map(Vec::as_slice)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use llm_providers::{Credential, Target, lookup};

    use crate::{Ask, Deployment, Fallback, Router, Settings};

    fn deployments() -> Vec<Deployment> {
        let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
        vec![
            Deployment::new("1", "a", target.clone()),
            Deployment::new("2", "openai/*", target),
        ]
    }

    fn said(change: impl FnOnce(&mut Settings)) -> Option<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        let router = Router::new(deployments(), settings);
        router.err().map(|error| error.to_string())
    }

    fn to(settings: &mut Settings, group: &str) {
        let list = vec![Fallback::to(group.to_owned())];
        settings.fallbacks.content_policy.insert("a".into(), list);
    }

    #[test]
    fn names_lead_somewhere_when_a_router_begins() {
        assert_eq!(said(|settings| to(settings, "openai/any")), None);
        assert_eq!(
            said(|settings| to(settings, "b")).as_deref(),
            Some("content_policy_fallbacks of 'a': no deployment answers for 'b'")
        );
        let alias = |to: &str| {
            let to = to.to_owned();
            said(|settings| drop(settings.aliases.insert("x".into(), to)))
        };
        assert_eq!(alias("a"), None);
        assert_eq!(
            alias("b").as_deref(),
            Some("the alias 'x': no deployment answers for 'b'")
        );
    }

    #[test]
    fn all_that_a_request_may_end_at_is_known() {
        let mut settings = Settings::default();
        let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
        let names = ["a", "b", "c", "d", "e"];
        let all = names.map(|name| Deployment::new(name, name, target.clone()));
        let lists = &mut settings.fallbacks;
        let to = |group: &str| vec![Fallback::to(group)];
        lists.general.insert("a".into(), to("b"));
        lists.context_window.insert("b".into(), to("c"));
        lists.content_policy.insert("c".into(), to("a"));
        let router = Router::new(all.to_vec(), settings).expect("a sound configuration");
        let groups = |ask: &Ask| -> Vec<String> {
            let all = router.beyond(ask).into_iter();
            all.map(|fallback| fallback.group).collect()
        };
        assert_eq!(groups(&Ask::new("a")), ["b", "c"]);
        assert_eq!(groups(&Ask::new("d")), [""; 0]);
        let own = Ask {
            fallbacks: Some(to("e")),
            ..Ask::new("d")
        };
        assert_eq!(groups(&own), ["e"]);
        let alone = Ask {
            disable_fallbacks: true,
            ..Ask::new("a")
        };
        assert_eq!(groups(&alone), [""; 0]);
    }

    #[test]
    fn deployments_may_come_later_and_go_before() {
        let mut settings = Settings::default();
        to(&mut settings, "2");
        let empty = Router::new(Vec::new(), settings.clone()).expect("nobody yet");
        let router = empty.succeeded_by(deployments(), settings.clone());
        let router = router.expect("both are there");
        router
            .succeeded_by(deployments().drain(..1).collect(), settings)
            .expect("one is gone");
    }
}
