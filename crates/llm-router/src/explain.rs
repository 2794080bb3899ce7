//! What the router would do with a request, without doing it: nothing is counted, held, or tried.

use std::sync::Arc;

use llm_providers::{Error, Kind};
use serde::Serialize;

use crate::{
    Ask, Deployment, Dice, Fallback, Load, Moment, Router, Score, Skipped, Standing, TagMatch,
    group::unknown, journey::Journey, pick,
};

/// What the router would do with a request now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The group it is for, where an alias leads there.
    pub group: String,
    /// All deployments of the group, as they are now.
    pub deployments: Vec<Member>,
    /// Who would be left out, and why.
    pub skipped: Vec<Skipped>,
    /// By which strategy one of the others would be picked.
    pub strategy: &'static str,
    /// What each of them is worth to it.
    pub scores: Vec<Score>,
    /// What would seed the dice of the next request.
    pub seed: u64,
    /// The first number that those dice would show.
    pub roll: f64,
    /// Who would be asked.
    pub picked: Option<String>,
    /// What of the request would lead there by tags, where they decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagMatch>,
    /// Why nobody would be.
    pub error: Option<String>,
    /// Attempts after the first in this group.
    pub num_retries: u32,
    /// The groups that follow, by the cause of the failure.
    pub fallbacks: Plan,
}

/// One deployment of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// Its id.
    pub deployment: String,
    /// The vendor's model.
    pub model: String,
    /// `well`, `cooling` or `on_trial`.
    pub standing: &'static str,
    /// When its rest ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cools_until: Option<Moment>,
    /// What it carries.
    #[serde(flatten)]
    pub load: Load,
}

/// Groups to fall back to, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// For most failures.
    pub general: Vec<String>,
    /// Where the prompt is too long.
    pub context_window: Vec<String>,
    /// Where the content is refused.
    pub content_policy: Vec<String>,
}

impl Router {
    /// Who would be asked now, by the dice of the next request; an error if nobody can be. Nothing is counted or held.
    pub fn would_ask(&self, ask: &Ask) -> Result<Arc<Deployment>, Error> {
        let group = self.find(&ask.model).ok_or_else(|| unknown(&ask.model))?;
        let now = self.state.clock.now();
        let mut journey = Journey::new(ask, self.coming_seed(), None);
        let strategy = self.strategy(ask, group.name);
        let (field, _) = self.field(ask, &group, &journey, &[], now);
        let open = field.open();
        if open.is_empty() {
            let skipped = field.into_skipped();
            let model = &ask.model;
            return Err(pick::nobody(model, group.deployments, ask, &skipped, now));
        }
        let candidates = self.candidates(&field, strategy, ask, group.name, now);
        let index = pick::chosen(ask, &field, strategy, &candidates, &mut journey.dice);
        Ok(Arc::clone(open[index.min(open.len() - 1)]))
    }

    /// What would be done with `ask`; an error if nobody has the name.
    pub fn explain(&self, ask: &Ask) -> Result<Explanation, Error> {
        let group = self.find(&ask.model).ok_or_else(|| unknown(&ask.model))?;
        let now = self.state.clock.now();
        let seed = self.coming_seed();
        let mut journey = Journey::new(ask, seed, None);
        let strategy = self.strategy(ask, group.name);
        let (field, _) = self.field(ask, &group, &journey, &[], now);
        let candidates = self.candidates(&field, strategy, ask, group.name, now);
        let scores = pick::scored(strategy, &candidates);
        let index = match candidates.is_empty() {
            true => None,
            false => {
                let dice = &mut journey.dice;
                Some(pick::chosen(ask, &field, strategy, &candidates, dice))
            }
        };
        let picked = index.and_then(|index| candidates.get(index));
        let tags = picked.and_then(|picked| self.tag_match(picked.deployment, ask, &group, now));
        let picked = picked.map(|candidate| candidate.deployment.id.clone());
        drop(candidates);
        let skipped = field.into_skipped();
        let nobody = || pick::nobody(&ask.model, group.deployments, ask, &skipped, now);
        let error = picked.is_none().then(|| nobody().message);
        Ok(Explanation {
            group: group.name.to_owned(),
            deployments: group.deployments.iter().map(|d| self.member(d)).collect(),
            skipped,
            strategy: strategy.name(),
            scores,
            seed,
            roll: Dice::seeded(seed).unit(),
            picked,
            tags,
            error,
            num_retries: ask.num_retries.unwrap_or(self.settings.num_retries),
            fallbacks: Plan {
                general: self.way(ask, Kind::Upstream),
                context_window: self.way(ask, Kind::ContextWindow),
                content_policy: self.way(ask, Kind::ContentPolicy),
            },
        })
    }

    fn member(&self, deployment: &Deployment) -> Member {
        let (standing, cools_until) = match self.standing(deployment) {
            Standing::Well => ("well", None),
            Standing::OnTrial => ("on_trial", None),
            Standing::Cooling(until) => ("cooling", Some(until)),
        };
        Member {
            deployment: deployment.id.clone(),
            model: deployment.target.model.clone(),
            standing,
            cools_until,
            load: self.load(deployment),
        }
    }

    /// The groups that a request would go through if all of them failed with `kind`.
    fn way(&self, ask: &Ask, kind: Kind) -> Vec<String> {
        let mut seen = vec![ask.model.clone()];
        let mut queue: Vec<Fallback> = self.fallbacks(ask, &ask.model, kind);
        queue.reverse();
        while let Some(next) = queue.pop() {
            if seen.len() > self.settings.max_fallbacks as usize {
                break;
            }
            if seen.contains(&next.group) {
                continue;
            }
            if ask.fallbacks.is_none() {
                let more = self.fallbacks(ask, &next.group, kind);
                queue.extend(more.into_iter().rev());
            }
            seen.push(next.group);
        }
        seen.split_off(1)
    }
}

#[cfg(test)]
mod tests {
    use llm_providers::{Credential, Target, lookup};

    use super::*;
    use crate::Settings;

    fn router() -> Router {
        let deployment = |id: &str, group: &str| {
            let target = Target::new(lookup("openai").expect("a row"), id, Credential::None);
            Deployment::new(id, group, target)
        };
        let mut settings = Settings::default();
        let general = &mut settings.fallbacks.general;
        general.insert("g".into(), vec![Fallback::to("h"), Fallback::to("i")]);
        general.insert("h".into(), vec![Fallback::to("j")]);
        settings.aliases.insert("alias".into(), "g".into());
        let all = [("a", "g"), ("b", "g"), ("c", "h"), ("d", "i"), ("e", "j")];
        let all = all.map(|(id, group)| deployment(id, group)).to_vec();
        Router::new(all, settings).expect("sound")
    }

    #[tokio::test(start_paused = true)]
    async fn an_explanation_says_what_would_happen_and_changes_nothing() {
        let router = router();
        let resting = router.deployment("a").expect("it is there");
        let now = router.state.clock.now();
        resting
            .live
            .health
            .cool(now.after(std::time::Duration::from_secs(9)));
        let first = router.explain(&Ask::new("alias")).expect("it is known");
        assert_eq!(first, router.explain(&Ask::new("alias")).expect("again"));
        assert_eq!(
            (first.group.as_str(), first.picked.as_deref()),
            ("g", Some("b"))
        );
        assert_eq!(first.skipped[0].deployment, "a");
        assert_eq!(first.fallbacks.general, ["h", "j", "i"]);
        let asked = router.would_ask(&Ask::new("alias")).expect("somebody");
        assert_eq!(asked.id, "b");
        assert!(router.would_ask(&Ask::new("nobody")).is_err());
        assert_eq!(first.fallbacks.content_policy, [""; 0]);
        assert_eq!(first.deployments[0].standing, "cooling");
        for deployment in router.deployments("g") {
            assert_eq!(router.load(deployment), Load::default());
        }
        assert!(router.explain(&Ask::new("nobody")).is_err());
    }
}
