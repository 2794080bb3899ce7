//! What an explanation says is what happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, time::Duration};

use llm_providers::{Credential, Error, Kind, Target, lookup};
use llm_router::{
    Ask, Attempt, Attempts, Deployment, Fallback, Finish, Router, Settings, TokenPrice, strategy,
};
use llm_types::Map;

/// Answers after a while that depends on the deployment, or fails in one way.
struct Vendors(Option<Kind>);

impl Attempts for Vendors {
    type Answer = ();

    async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
        let id = attempt.deployment.id.len() as u64;
        tokio::time::sleep(Duration::from_millis(10 * id)).await;
        self.0
            .map_or(Ok(()), |kind| Err(Error::new(kind, "scripted")))
    }
}

fn deployment(id: &str, group: &str) -> Deployment {
    let target = Target::new(lookup("openai").unwrap(), "m", Credential::None);
    Deployment::new(id, group, target)
}

#[tokio::test(start_paused = true)]
async fn who_is_said_to_be_picked_is_asked_first() {
    for name in strategy::NAMES {
        let mut args = Map::new();
        if *name == "priority" {
            args.insert("model_priorities".into(), serde_json::json!({"g": 1}));
        }
        let settings = Settings {
            strategy: strategy::named(name, &args).unwrap(),
            seed: 7,
            ..Settings::default()
        };
        let all = ["a", "bb", "ccc", "dddd"].map(|id| {
            let mut one = deployment(id, "g");
            one.weight = Some(id.len() as f64);
            one.quota.rpm = Some(100 * id.len() as u64);
            one.price = Some(TokenPrice {
                input: 5,
                output: 7,
                cached: None,
            });
            one
        });
        let router = Router::new(all.to_vec(), settings).unwrap();
        let mut picked: BTreeMap<String, u32> = BTreeMap::new();
        for n in 0..200 {
            let ask = Ask {
                user: Some(format!("user {}", n % 17)),
                stream: n % 3 == 0,
                prompt_tokens: n,
                ..Ask::new("g")
            };
            let told = router.explain(&ask).unwrap().picked;
            let routed = router.run(&ask, &Vendors(None)).await.unwrap();
            let id = routed.lease.deployment().id.clone();
            assert_eq!(told.as_ref(), Some(&id), "{name}, request {n}");
            *picked.entry(id).or_default() += 1;
            // Some are still under way when the next one comes.
            if n % 5 != 0 {
                routed.lease.finish(&Finish {
                    tokens: n + 10,
                    completion_tokens: 10,
                    ..Finish::default()
                });
            }
        }
        assert!(
            picked.len() > 1 || *name == "cost-based-routing",
            "{name}: {picked:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_groups_that_are_said_to_follow_follow_and_no_more_than_are_allowed() {
    let to = |names: &[&str]| -> Vec<Fallback> {
        names.iter().map(|name| Fallback::to(*name)).collect()
    };
    for most in 0..=6 {
        let mut settings = Settings {
            num_retries: 0,
            max_fallbacks: most,
            ..Settings::default()
        };
        settings.health.disabled = true;
        let lists = &mut settings.fallbacks;
        lists.general = [
            ("a".to_owned(), to(&["b", "e"])),
            ("b".to_owned(), to(&["c", "d"])),
            ("*".to_owned(), to(&["f", "b"])),
        ]
        .into();
        lists.context_window = [("a".to_owned(), to(&["d"]))].into();
        lists.content_policy = [("a".to_owned(), to(&["e", "f"]))].into();
        let all = ["a", "b", "c", "d", "e", "f"].map(|name| deployment(name, name));
        let router = Router::new(all.to_vec(), settings).unwrap();
        let own = Ask {
            fallbacks: Some(to(&["c", "d", "c", "a", "b"])),
            ..Ask::new("a")
        };
        for ask in [Ask::new("a"), Ask::new("c"), own] {
            let told = router.explain(&ask).unwrap().fallbacks;
            for (kind, way) in [
                (Kind::Upstream, told.general),
                (Kind::ContextWindow, told.context_window),
                (Kind::ContentPolicy, told.content_policy),
            ] {
                let failed = router.run(&ask, &Vendors(Some(kind))).await.unwrap_err();
                assert_eq!(failed.trace.groups, way, "{most} {kind:?} {}", ask.model);
                assert!(way.len() <= most as usize, "{way:?}");
                let asked: Vec<&str> = failed
                    .trace
                    .attempts
                    .iter()
                    .map(|a| a.group.as_str())
                    .collect();
                let mut once = asked.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), asked.len(), "{asked:?}");
            }
        }
    }
}
