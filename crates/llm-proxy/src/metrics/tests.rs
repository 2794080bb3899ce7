use std::net::IpAddr;

use super::*;

fn asked<'a>(caller: &'a Caller, agent: &'a str) -> Asked<'a> {
    let who = Who {
        caller,
        end_user: Some("customer"),
        address: Some(IpAddr::from([10, 0, 0, 1])),
        agent: Some(agent),
        own: &[],
    };
    Asked::new("/chat/completions", who)
}

#[test]
fn clients_cannot_fill_the_memory_with_names() {
    let metrics = Metrics::new(&Options::default());
    assert_eq!(metrics.named("gpt", true), "gpt");
    assert_eq!(metrics.named("made up", false), "None");
    for i in 0..2 * MOST_NAMES {
        let name = i.to_string();
        let label = metrics.named(&name, true);
        assert!(label == name || label == "other");
    }
    assert_eq!(metrics.names.len(), MOST_NAMES);
    assert_eq!(metrics.named("gpt", true), "gpt", "who was first stays");
}

#[test]
fn many_agents_are_one_and_many_keys_are_one() {
    let options = Options {
        most_series: 8,
        ..Options::default()
    };
    let metrics = Metrics::new(&options);
    for agent in 0..100 {
        let agent = agent.to_string();
        metrics.refused(asked(&Caller::master(), &agent), 400, "BadRequestError");
    }
    for key in 0..100 {
        let mut caller = Caller::master();
        caller.name = Some(format!("key-{key}"));
        metrics.refused(asked(&caller, "one"), 400, "BadRequestError");
    }
    let text = metrics.text(0, 0);
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    let total = "litellm_proxy_total_requests_metric_total{";
    assert!((5..=9).contains(&lines(total)), "{text}");
    // Nobody is lost.
    let sum: f64 = text
        .lines()
        .filter(|line| line.starts_with(total))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!(sum, 200.0);
    assert!(text.contains(r#"hashed_api_key="other""#) && text.contains(r#"user_agent="other""#));
}

#[test]
fn metrics_and_labels_are_as_they_are_chosen() {
    let only = [("litellm_proxy_total_requests_metric".to_owned(), None)];
    let options = Options {
        only: Some(only.into()),
        without_labels: ["client_ip".to_owned(), "user_agent".to_owned()].into(),
        ..Options::default()
    };
    let metrics = Metrics::new(&options);
    metrics.refused(asked(&Caller::master(), "curl"), 404, "NotFoundError");
    insta::assert_snapshot!(metrics.text(0, 0));
}
