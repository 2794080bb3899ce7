use super::{MODELS, loaded, said};

#[test]
fn labels_of_one_s_own_have_names_that_nothing_else_has() {
    let text = format!(
        "{MODELS}litellm_settings:
  custom_prometheus_metadata_labels: [metadata.team, metadata.a.b, metadata.a_b]
  custom_prometheus_tags: [prod-eu, '']
"
    );
    let mistake = "this makes no label, or one that there is already";
    assert_eq!(
        said(&text),
        [
            format!("6:68 error 'custom_prometheus_metadata_labels': {mistake}"),
            format!("7:37 error 'custom_prometheus_tags': {mistake}"),
        ]
    );
    let text = text.replace(", metadata.a_b", "").replace(", ''", "");
    let own = loaded(&text).expect("settings").metrics.own;
    let names: Vec<_> = own.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["metadata_team", "metadata_a_b", "tag_prod_eu"]);
}

#[test]
fn metrics_are_chosen_by_names_that_exist() {
    let text = format!(
        "{MODELS}litellm_settings:
  prometheus_exclude_labels: [end_user, user_agnet]
  prometheus_latency_buckets: [0.1, 0.1]
  prometheus_metrics_config:
    - {{group: g, metrics: [litellm_spend_metric, litellm_request_metric], include_labels: [team]}}
    - {{group: h}}
"
    );
    assert_eq!(
        said(&text),
        [
            "6:41 error there is no label 'user_agnet': did you mean 'user_agent'?",
            "7:31 error 'prometheus_latency_buckets' must be a list of seconds, each greater than the one before",
            "9:50 error there is no metric 'litellm_request_metric': did you mean 'litellm_requests_metric'?",
            "10:7 error a group of 'prometheus_metrics_config' names its 'metrics'",
        ]
    );
    let text = format!(
        "{MODELS}litellm_settings:
  prometheus_metrics_config:
    - {{group: g, metrics: [litellm_spend_metric], include_labels: [team]}}
    - {{group: h, metrics: [litellm_spend_metric, litellm_requests_metric]}}
"
    );
    let only = loaded(&text)
        .expect("settings")
        .metrics
        .only
        .expect("a choice");
    assert_eq!(
        only["litellm_spend_metric"], None,
        "all labels, as the second group wants"
    );
}
