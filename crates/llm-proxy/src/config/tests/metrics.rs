use super::{MODELS, loaded, said};

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
