use std::time::Duration;

use super::{MODELS, loaded, said};

#[test]
fn a_name_that_leads_nowhere_is_an_error_with_its_place() {
    let text = format!(
        "{MODELS}router_settings:
  fallbacks:
    - fast: [stron, {{model: fats, temperature: 0}}, claude/sonnet]
  default_fallbacks: [other]
  model_group_alias:
    a: fst
    b: {{model: a, hidden: true}}
litellm_settings:
  context_window_fallbacks: [{{fast: [fast]}}]
  model_alias_map: {{c: 7}}
"
    );
    assert_eq!(
        said(&text),
        [
            "7:14 error fallbacks: no model is named 'stron': did you mean 'strong'?",
            "7:29 error fallbacks: no model is named 'fats': did you mean 'fast'?",
            "8:23 error default_fallbacks: no model is named 'other'",
            "10:8 error model_group_alias: no model is named 'fst': did you mean 'fast'?",
            "11:16 error model_group_alias: 'a' is itself an alias, of 'fst': an alias leads to a model",
            "13:38 error context_window_fallbacks: 'fast' falls back to itself",
            "14:24 error model_alias_map: expected a model's name, and found a number",
        ]
    );
}

#[test]
fn what_is_said_of_unknown_models_and_classes_are_warnings_with_their_places() {
    let text = format!(
        "{MODELS}router_settings:
  fallbacks: [{{fast: [strong]}}, {{strong: [claude/x]}}, {{strnog: [fast]}}]
  retry_policy: {{RateLimitRetries: 3, TimeoutErrorRetries: 1}}
  model_group_retry_policy: {{slow: {{TimeoutErrorRetrys: 1}}}}
  allowed_fails_policy: {{RateLimitErrorAllowedFail: 1}}
"
    );
    let settings = loaded(&text).expect("settings");
    assert_eq!(settings.router.retry_policy.timeout, Some(1));
    let places: Vec<&str> = settings
        .notices
        .iter()
        .map(|notice| {
            notice
                .split_once(".tmp")
                .map_or(notice.as_str(), |(_, rest)| rest)
        })
        .map(|notice| notice.split_once(':').map_or(notice, |(_, rest)| rest))
        .collect();
    assert_eq!(
        places,
        [
            "6:56: warning: fallbacks: no model is named 'strnog', so this has no effect: did you mean 'strong'?",
            "7:18: warning: unknown key 'RateLimitRetries' in retry_policy: did you mean 'RateLimitErrorRetries'?",
            "8:30: warning: model_group_retry_policy: no model is named 'slow', so this has no effect",
            "8:37: warning: unknown key 'TimeoutErrorRetrys' in model_group_retry_policy: did you mean 'TimeoutErrorRetries'?",
            "9:26: warning: unknown key 'RateLimitErrorAllowedFail' in allowed_fails_policy: did you mean 'RateLimitErrorAllowedFails'?",
        ]
    );
}

#[test]
fn a_circle_of_fallbacks_is_an_error_where_it_closes() {
    let text = format!(
        "{MODELS}router_settings:
  fallbacks: [{{fast: [strong]}}, {{strong: [claude/x]}}, {{claude/x: [fast]}}]
"
    );
    assert_eq!(
        said(&text),
        [
            "6:67 error fallbacks: a circle: 'claude/x' falls back to 'fast', that to 'strong', that to 'claude/x'"
        ]
    );
}

#[test]
fn limits_and_rests_of_deployments_are_taken() {
    let settings = loaded(
        "model_list:
  - {model_name: a, litellm_params: {model: openai/x, api_key: k, cooldown_time: 9, allowed_fails: 1}, model_info: {cooldown_time: 0.5}}
  - {model_name: a, litellm_params: {model: openai/y, api_key: k, max_parallel_requests: 3}}
router_settings: {default_max_parallel_requests: 7}
",
    )
    .expect("settings");
    assert_eq!(settings.notices, [""; 0]);
    assert_eq!(settings.router.default_max_parallel, Some(7));
    let [first, second] = &settings.deployments[..] else {
        panic!("two deployments");
    };
    assert_eq!(first.cooldown, Some(Duration::from_millis(500)));
    assert_eq!((first.allowed_fails, first.defaults.len()), (Some(1), 0));
    assert_eq!(
        (first.quota.max_parallel, second.quota.max_parallel),
        (None, Some(3))
    );
}

#[test]
fn deployments_that_cannot_be_are_errors_with_their_places() {
    assert_eq!(
        said(
            "model_list:
  - {model_name: a, litellm_params: {model: openai/x, api_key: k, weight: -1}, model_info: {id: one}}
  - {model_name: b, litellm_params: {model: openai/y, api_key: k}, model_info: {id: one}}
  - {model_name: c, litellm_params: {model: openai/z, api_key: k, rpm: many}}
  - {model_name: d, litellm_params: {model: nobody-has-this/z, api_key: k}}
  - {model_name: e, litellm_params: {api_key: k}}
  - {model_name: f, litellm_params: {model: openai/y, api_key: k}, model_info: {id: 7}}
"
        ),
        [
            "2:75 error 'a': a weight cannot be negative",
            "3:85 error another deployment has the id 'one'",
            "4:72 error 'c' has no deployment that works: 'rpm': invalid type: string \"many\", expected u64",
            "5:45 error 'd' has no deployment that works: LLM Provider NOT provided. Pass in the LLM provider you \
             are trying to call. You passed model=nobody-has-this/z  Pass model as e.g. `huggingface/starcoder` or \
             `openai/nobody-has-this/z`, provider first.",
            "6:37 error 'e': 'litellm_params' has no 'model'",
            "7:85 error 'f': an id must be a text",
        ]
    );
}

#[test]
fn of_several_deployments_one_that_cannot_work_is_left_out() {
    let settings = loaded(
        "model_list:
  - {model_name: a, litellm_params: {model: openai/x, api_key: k}, model_info: {id: gpt-eu}}
  - {model_name: a, litellm_params: {model: openai/x, api_key: k}, model_info: {id: gpt}}
  - {model_name: a, litellm_params: {model: openai/x, api_key: k, rpm: many}}
",
    )
    .expect("settings");
    let ids: Vec<&str> = settings.deployments.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["gpt-eu", "gpt"]);
    assert!(
        settings.notices[0].contains(":4:72: warning: 'a': this deployment is left out"),
        "{:?}",
        settings.notices
    );
}
