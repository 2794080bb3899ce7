//! Who may be asked: tags, checks before the call, budgets, order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use llm_providers::{Credential, Error, Kind, Target, lookup};
use llm_router::{
    AccessWindow, Ask, Attempt, Attempts, Budget, Deployment, Fallback, Finish, Router, Settings,
    TagPattern,
};
use serde_json::json;

/// Answers at once with the deployment's id.
struct Answers;

impl Attempts for Answers {
    type Answer = String;

    async fn make(&self, attempt: Attempt<'_>) -> Result<String, Error> {
        Ok(attempt.deployment.id.clone())
    }
}

fn deployment(id: &str) -> Deployment {
    let target = Target::new(lookup("openai").unwrap(), "m", Credential::None);
    Deployment::new(id, "g", target)
}

fn tagged(id: &str, tags: &[&str]) -> Deployment {
    let mut deployment = deployment(id);
    deployment.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    deployment
}

fn asking(tags: &[&str]) -> Ask {
    let mut ask = Ask::new("g");
    ask.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    ask
}

fn router(deployments: Vec<Deployment>, change: impl FnOnce(&mut Settings)) -> Router {
    let mut settings = Settings::default();
    change(&mut settings);
    Router::new(deployments, settings).unwrap()
}

/// Everybody who is asked for such a request, in the order of their ids; or the error's kind.
async fn who(router: &Router, ask: &Ask) -> Result<Vec<String>, Kind> {
    let mut seen = Vec::new();
    for _ in 0..60 {
        let routed = router.run(ask, &Answers).await;
        let routed = routed.map_err(|failed| failed.error.kind)?;
        routed.lease.finish(&Finish::default());
        seen.push(routed.value);
    }
    seen.sort();
    seen.dedup();
    Ok(seen)
}

fn ids(ids: &[&str]) -> Result<Vec<String>, Kind> {
    Ok(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn by_tags(settings: &mut Settings) {
    settings.tags.enabled = true;
}

#[tokio::test(start_paused = true)]
async fn tags_choose() {
    let all = || {
        vec![
            tagged("a", &["free", "eu"]),
            tagged("b", &["paid"]),
            tagged("c", &["default"]),
        ]
    };
    let any = router(all(), by_tags);
    assert_eq!(who(&any, &asking(&["free"])).await, ids(&["a"]));
    assert_eq!(
        who(&any, &asking(&["free", "paid"])).await,
        ids(&["a", "b"])
    );
    assert_eq!(who(&any, &asking(&[])).await, ids(&["c"]));
    // A tag that nobody has was not meant for routing.
    assert_eq!(who(&any, &asking(&["team-7"])).await, ids(&["c"]));
    let every = router(all(), |settings| {
        by_tags(settings);
        settings.tags.match_any = false;
    });
    assert_eq!(who(&every, &asking(&["free", "eu"])).await, ids(&["a"]));
    assert_eq!(
        who(&every, &asking(&["free", "paid"])).await,
        Err(Kind::BadRequest)
    );
    let off = router(all(), |_| {});
    assert_eq!(who(&off, &asking(&["free"])).await, ids(&["a", "b", "c"]));
    let mut switched_on = asking(&["free"]);
    switched_on.tag_filtering = true;
    assert_eq!(who(&off, &switched_on).await, ids(&["a"]));
}

#[tokio::test(start_paused = true)]
async fn tags_ban_and_demand() {
    let all = vec![
        tagged("a", &["anthropic", "high"]),
        tagged("b", &["openai", "high"]),
        tagged("c", &["openai"]),
        tagged("d", &[]),
    ];
    let router = router(all, by_tags);
    for (tags, expected) in [
        (&["!openai"][..], ids(&["a", "d"])),
        (&["!openai", "!anthropic"], ids(&["d"])),
        (&["&high"], ids(&["a", "b"])),
        (&["&high", "&openai"], ids(&["b"])),
        (&["&high", "!anthropic"], ids(&["b"])),
        (&["high", "!openai"], ids(&["a"])),
        (&["&nobody"], Err(Kind::BadRequest)),
        (&["openai", "!openai"], Err(Kind::BadRequest)),
        (&["unheard-of"], Err(Kind::BadRequest)),
    ] {
        assert_eq!(who(&router, &asking(tags)).await, expected, "{tags:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_may_fail_open() {
    let open = |mut deployment: Deployment| {
        deployment
            .model_info
            .insert("allow_fail_open".into(), json!(true));
        deployment
    };
    let all = vec![
        open(tagged("a", &["anthropic"])),
        open(tagged("o", &["openai", "default"])),
    ];
    let router = router(all, |settings| {
        by_tags(settings);
        settings.tags.prefix = "route:".into();
    });
    let both = ["!anthropic", "!openai"];
    assert_eq!(who(&router, &asking(&both)).await, ids(&["o"]));
    // What comes with the key is not disobeyed.
    let mut bound = asking(&both);
    bound.inherited_tags = vec!["!openai".into()];
    assert_eq!(who(&router, &bound).await, Err(Kind::BadRequest));
    bound.inherited_tags = vec!["!anthropic".into()];
    assert_eq!(who(&router, &bound).await, ids(&["o"]));
    // An invented demand does not hide that the other one can be met; one that is marked is meant.
    let invented = asking(&["&openai", "&invented"]);
    assert_eq!(who(&router, &invented).await, Err(Kind::BadRequest));
    let marked = asking(&["route:&openai", "route:&invented"]);
    assert_eq!(who(&router, &marked).await, ids(&["o"]));
}

#[tokio::test(start_paused = true)]
async fn clients_are_known_by_their_agent() {
    let mut code = deployment("code");
    code.tag_patterns = vec![TagPattern::parse(r"^User-Agent: claude-code\/").unwrap()];
    let router = router(vec![code, tagged("rest", &["default"])], by_tags);
    let mut ask = asking(&[]);
    ask.user_agent = Some("claude-code/1.2.3".into());
    assert_eq!(who(&router, &ask).await, ids(&["code"]));
    ask.user_agent = Some("curl/8".into());
    assert_eq!(who(&router, &ask).await, ids(&["rest"]));
    assert_eq!(who(&router, &asking(&[])).await, ids(&["rest"]));
    assert!(TagPattern::parse("(").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_group_decides_for_itself_whether_tags_count() {
    let mut one = tagged("a", &["x"]);
    one.model_info
        .insert("enable_tag_filtering".into(), json!(false));
    let router = router(vec![one, tagged("b", &["y"])], by_tags);
    assert_eq!(who(&router, &asking(&["x"])).await, ids(&["a", "b"]));
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_goes_where_it_fits() {
    let windowed = |id: &str, group: &str, window| {
        let mut deployment = deployment(id);
        deployment.group = group.into();
        deployment.target.facts.max_input_tokens = Some(window);
        deployment
    };
    let all = || {
        vec![
            windowed("short", "g", 100),
            windowed("long", "g", 1000),
            windowed("huge", "h", 10_000),
        ]
    };
    let checks = |settings: &mut Settings| settings.pre_call_checks.enabled = true;
    let alone = router(all(), checks);
    let mut ask = Ask::new("g");
    assert!(alone.wants_tokens(&ask));
    ask.prompt_tokens = 100;
    assert_eq!(who(&alone, &ask).await, ids(&["long", "short"]));
    ask.prompt_tokens = 101;
    assert_eq!(who(&alone, &ask).await, ids(&["long"]));
    ask.prompt_tokens = 1001;
    assert_eq!(who(&alone, &ask).await, Err(Kind::ContextWindow));
    let guarded = router(all(), |settings| {
        checks(settings);
        let list = vec![Fallback::to("h")];
        settings.fallbacks.context_window.insert("g".into(), list);
    });
    assert_eq!(who(&guarded, &ask).await, ids(&["huge"]));
    let unchecked = router(all(), |_| {});
    assert!(!unchecked.wants_tokens(&ask));
    assert_eq!(who(&unchecked, &ask).await, ids(&["long", "short"]));
}

#[tokio::test(start_paused = true)]
async fn regions_and_formats_are_minded() {
    let mut eu = deployment("eu");
    eu.region = Some("eu".into());
    let mut aws = deployment("aws");
    let zone = ("aws_region_name".into(), "us-east-1".into());
    aws.target.settings.extend([zone]);
    aws.target
        .facts
        .supports
        .insert("response_schema".into(), false);
    let router = router(vec![eu, aws, deployment("anywhere")], |settings| {
        settings.pre_call_checks.enabled = true;
    });
    let mut ask = Ask::new("g");
    ask.region = Some("eu".into());
    assert_eq!(who(&router, &ask).await, ids(&["eu"]));
    ask.region = Some("us".into());
    assert_eq!(who(&router, &ask).await, ids(&["aws"]));
    ask.region = None;
    ask.params = vec!["response_format".into()];
    assert_eq!(who(&router, &ask).await, ids(&["anywhere", "eu"]));
    ask.drop_params = true;
    assert_eq!(who(&router, &ask).await, ids(&["anywhere", "aws", "eu"]));
}

#[tokio::test(start_paused = true)]
async fn whose_money_is_spent_is_not_asked() {
    let mut dear = deployment("dear");
    dear.budget = Some(Budget {
        limit: 100,
        period: "1h".parse().unwrap(),
    });
    let router = router(vec![dear, deployment("other")], |settings| {
        let budget = |limit, period: &str| Budget {
            limit,
            period: period.parse().unwrap(),
        };
        settings.budgets.tags.insert("t".into(), budget(1000, "1d"));
        settings
            .budgets
            .providers
            .insert("openai".into(), budget(5000, "2h"));
    });
    let spend = async |ask: &Ask, cost: u64| {
        let routed = router.run(ask, &Answers).await.unwrap();
        let cost = Some(cost);
        routed.lease.finish(&Finish {
            cost,
            ..Finish::default()
        });
        routed.value
    };
    let free = Ask::new("g");
    // Until its first 100 are spent, and again when its hour is over.
    while spend(&free, 100).await != "dear" {}
    assert_eq!(who(&router, &free).await, ids(&["other"]));
    tokio::time::sleep(Duration::from_secs(3601)).await;
    assert_eq!(who(&router, &free).await, ids(&["dear", "other"]));
    // A tag's budget is that of the requests that carry it.
    spend(&asking(&["t"]), 1000).await;
    let refused = router.run(&asking(&["t"]), &Answers).await.unwrap_err();
    assert_eq!(refused.error.kind, Kind::RateLimit);
    assert!(
        refused.error.message.contains("crossed budget"),
        "{}",
        refused.error
    );
    assert!(refused.error.retry_after.unwrap() > Duration::from_secs(86_000));
    assert!(router.run(&asking(&["u"]), &Answers).await.is_ok());
    // The provider's is that of all.
    spend(&free, 5000).await;
    assert_eq!(who(&router, &free).await, Err(Kind::RateLimit));
    assert_eq!(router.spent().len(), 3);
    let heir = router.succeeded_by(vec![deployment("other")], router.settings().clone());
    assert_eq!(who(&heir.unwrap(), &free).await, Err(Kind::RateLimit));
}

#[tokio::test(start_paused = true)]
async fn lower_orders_come_first_and_who_is_switched_off_never() {
    let ordered = |id: &str, order| {
        let mut deployment = deployment(id);
        deployment.order = order;
        deployment
    };
    let mut off = ordered("off", Some(0));
    off.blocked = true;
    let all = vec![
        off,
        ordered("first", Some(1)),
        ordered("second", Some(2)),
        ordered("last", None),
    ];
    let router = router(all, |_| {});
    assert_eq!(who(&router, &Ask::new("g")).await, ids(&["first"]));
    let busy = router.deployments("g")[1].clone();
    assert_eq!(busy.id, "first");
}

#[tokio::test(start_paused = true)]
async fn a_reserved_deployment_is_for_its_teams_alone() {
    let mut reserved = deployment("reserved");
    // All day long but for one minute: one of the two is open at any time.
    for (start, end) in [("00:00", "12:00"), ("12:00", "00:00")] {
        let window = AccessWindow::parse(start, end, "Asia/Tokyo", vec!["night".into()]);
        reserved.access_windows.push(window.unwrap());
    }
    let of = |team: Option<&str>| Ask {
        team: team.map(str::to_owned),
        ..Ask::new("g")
    };
    let shared = router(vec![reserved.clone(), deployment("open")], |_| {});
    for team in [None, Some("day")] {
        assert_eq!(who(&shared, &of(team)).await, ids(&["open"]));
    }
    let both = ids(&["open", "reserved"]);
    assert_eq!(who(&shared, &of(Some("night"))).await, both);
    let alone = router(vec![reserved], |_| {});
    let failed = alone.run(&of(None), &Answers).await.unwrap_err();
    assert_eq!(failed.error.kind, Kind::BadRequest);
    let message = failed.error.message;
    assert!(message.starts_with("Deployment g is reserved for another team until "));
    assert!(message.ends_with(":00 Asia/Tokyo"), "{message}");
    let told = alone.explain(&of(None)).unwrap();
    assert!(told.error.unwrap().contains("reserved"));
}

#[tokio::test(start_paused = true)]
async fn what_led_to_a_deployment_by_tags_is_told() {
    let mut by_client = tagged("by-client", &[]);
    let pattern = TagPattern::parse(r"^User-Agent: tool/").unwrap();
    by_client.tag_patterns.push(pattern);
    let all = vec![
        tagged("paid", &["paid"]),
        by_client,
        tagged("rest", &["default"]),
    ];
    let router = router(all, by_tags);
    let told = async |ask: Ask| {
        let routed = router.run(&ask, &Answers).await.unwrap();
        let decision = routed.journey.trace().attempts[0].decision.clone();
        let explained = router.explain(&ask).unwrap();
        assert_eq!(explained.tags, decision.tags);
        decision
            .tags
            .map(|tags| (tags.matched_via, tags.matched_value))
    };
    let paid = told(asking(&["free", "paid"])).await;
    assert_eq!(paid, Some(("tags", "paid".to_owned())));
    let client = Ask {
        user_agent: Some("tool/1.2".into()),
        ..Ask::new("g")
    };
    let pattern = "^User-Agent: tool/".to_owned();
    assert_eq!(told(client).await, Some(("tag_regex", pattern)));
    assert_eq!(told(asking(&[])).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_bring_its_own_weights() {
    let mut heavy = deployment("heavy");
    heavy.weight = Some(100.0);
    let all = vec![heavy, deployment("light"), deployment("other")];
    let router = router(all, |_| {});
    assert_eq!(who(&router, &Ask::new("g")).await, ids(&["heavy"]));
    let weighing = |group: &str, weights: &[(&str, f64)]| {
        let weights = weights
            .iter()
            .map(|(id, weight)| ((*id).to_owned(), *weight));
        Ask {
            weights: [(group.to_owned(), weights.collect())].into(),
            ..Ask::new("g")
        }
    };
    let light = weighing("g", &[("light", 1.0), ("other", 1.0)]);
    assert_eq!(who(&router, &light).await, ids(&["light", "other"]));
    // Weights of another group, and weights of nothing, say nothing.
    for ask in [weighing("h", &[("light", 1.0)]), weighing("g", &[])] {
        assert_eq!(who(&router, &ask).await, ids(&["heavy"]));
    }
}
