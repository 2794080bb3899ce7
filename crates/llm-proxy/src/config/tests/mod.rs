//! Configurations, and what becomes of them.

mod metrics;
mod routing;

use std::time::Duration;

use llm_providers::resolve::{Nothing, Surroundings};
use llm_router::Fallback;

use super::{
    Problem, Severity,
    keys::{SECTIONS, State},
    load,
};
use crate::settings::{Role, Settings};

fn loaded(text: &str) -> Result<Settings, Vec<Problem>> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    load(file.path(), &Nothing)
}

#[test]
fn every_key_that_is_built_is_read() {
    let mut text = String::new();
    for section in SECTIONS
        .iter()
        .filter(|section| section.name.ends_with("_settings"))
    {
        text.push_str(&format!("{}:\n", section.name));
        for (state, keys) in section.keys {
            for key in keys
                .iter()
                .filter(|_| matches!(state, State::Built | State::Own(_)))
            {
                text.push_str(&format!("  {key}: null\n"));
            }
        }
    }
    // The loader itself asserts that nothing was left unread.
    assert!(loaded(&text).expect("settings").notices.is_empty());
}

/// Only these variables are known.
struct Variables(&'static [(&'static str, &'static str)]);

impl Surroundings for Variables {
    fn var(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    }
    fn file(&self, _: &str) -> Option<String> {
        None
    }
    fn provider_of(&self, _: &str) -> Option<String> {
        None
    }
}

#[test]
fn alerts_go_where_variables_say_and_what_is_lacking_is_named() {
    let text = "general_settings:\n  alerting: [slack, webhook, email, pigeon]\n  alerting_threshold: 12\n  \
                alert_types: [llm_too_slow, budget_alerts, weather]\n  spend_report_frequency: 14d\n  \
                alert_to_webhook_url: {budget_alerts: https://hooks.example.com/money}\n  \
                alerting_args: {minor_outage_alert_threshold: 3, daily_report_frequency: 5}\n";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let around = Variables(&[
        ("SLACK_WEBHOOK_URL", "https://hooks.example.com/all"),
        ("SMTP_HOST", "mail.example.com"),
        ("SMTP_SENDER_EMAIL", "gateway@example.com"),
        ("SMTP_TLS", "false"),
    ]);
    let settings = load(file.path(), &around).expect("settings");
    let alerts = &settings.alerting.alerts;
    let ways: Vec<&str> = alerts
        .ways
        .iter()
        .map(llm_governance::alerts::Way::name)
        .collect();
    assert_eq!(ways, ["slack", "email"]);
    assert_eq!(
        (alerts.slow, alerts.kinds.len(), alerts.minor_outage),
        (Duration::from_secs(12), 2, 3)
    );
    assert_eq!(alerts.report_days, 14);
    let mail = settings.alerting.mail.as_ref().expect("a mail server");
    assert_eq!((mail.port, mail.tls), (587, false));
    let notices = settings.notices.join("\n");
    for part in [
        "'pigeon' in 'alerting' has no effect",
        "WEBHOOK_URL is not set",
        "'weather' is no alert",
        "'daily_report_frequency' in 'alerting_args' has no effect yet",
    ] {
        assert!(notices.contains(part), "{part}: {notices}");
    }
    assert!(!format!("{settings:?}").contains("hooks.example.com"));
}

#[test]
fn spend_rows_are_kept_as_long_as_is_said() {
    let settings = loaded(
        "general_settings: {maximum_spend_logs_retention_period: 7d, maximum_spend_logs_cleanup_run_budget: 2m, \
         maximum_spend_logs_cleanup_batch_size: 50}\n",
    )
    .expect("settings");
    let retention = settings.governance.retention.expect("a limit");
    assert_eq!(
        (retention.keep.to_string(), retention.every.to_string()),
        ("7d".to_owned(), "1d".to_owned())
    );
    assert_eq!(
        (
            retention.batch,
            retention.batches,
            retention.budget.as_secs()
        ),
        (50, 500, 120)
    );
    let problems = loaded("general_settings: {maximum_spend_logs_retention_period: 30x}\n");
    let problems = problems.expect_err("no duration");
    assert!(
        problems[0]
            .message
            .contains("'maximum_spend_logs_retention_period'")
    );
}

#[test]
fn settings_come_from_where_litellm_has_them() {
    let settings = loaded(
        "model_list:\n  - model_name: a\n    litellm_params: {model: openai/gpt-4o, api_key: k, rpm: 9, temperature: 0.5}\n\
         litellm_settings: {num_retries: 7, request_timeout: 8, default_fallbacks: [a]}\n\
         router_settings: {num_retries: 4, model_group_alias: {b: a, c: {model: a, hidden: true}}}\n\
         general_settings: {master_key: sk-x, max_request_size_mb: 2, allowed_ips: [127.0.0.1]}\n",
    )
    .expect("settings");
    assert_eq!(
        (settings.router.num_retries, settings.limits.body),
        (4, 2 << 20)
    );
    assert_eq!(settings.router.timeouts.total, Some(Duration::from_secs(8)));
    assert_eq!(settings.router.fallbacks.general["*"], [Fallback::to("a")]);
    assert_eq!(settings.router.aliases["c"], "a");
    assert!(settings.hidden.contains("c") && !settings.hidden.contains("b"));
    let deployment = &settings.deployments[0];
    assert_eq!(
        (
            deployment.quota.rpm,
            deployment.defaults.to_bytes().as_ref()
        ),
        (Some(9), br#"{"temperature":0.5}"#.as_ref())
    );
}

#[test]
fn every_mistake_is_named_at_once_with_its_place() {
    let problems = loaded(
        "model_list:\n  - litellm_params: {model: openai/x}\n  - model_name: b\n    litellm_params: {api_key: k}\n\
         router_settings: {num_retries: many, timeout: -3}\ngeneral_setings: {}\n",
    )
    .expect_err("mistakes");
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| (problem.at.line, problem.message.as_str()))
        .collect();
    for (line, words) in [
        (2, "model_name"),
        (4, "'model'"),
        (5, "num_retries"),
        (5, "timeout"),
        (6, "general_settings"),
    ] {
        assert!(
            lines
                .iter()
                .any(|(at, message)| *at == line && message.contains(words)),
            "{line} {words}: {lines:?}"
        );
    }
}

/// Everything that is said of `text`, as `line:column severity message`.
fn said(text: &str) -> Vec<String> {
    let problems = match loaded(text) {
        Ok(settings) => return settings.notices,
        Err(problems) => problems,
    };
    problems
        .iter()
        .map(|problem| {
            let severity = match problem.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            let at = problem.at;
            format!("{}:{} {severity} {}", at.line, at.column, problem.message)
        })
        .collect()
}

const MODELS: &str = "model_list:
  - {model_name: fast, litellm_params: {model: openai/gpt-4o-mini, api_key: k}}
  - {model_name: strong, litellm_params: {model: openai/gpt-4o, api_key: k}}
  - {model_name: claude/*, litellm_params: {model: anthropic/*, api_key: k}}
";

#[test]
fn a_mistake_in_an_included_file_is_named_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    write(
        "router.yaml",
        "router_settings:\n  fallbacks: [{fast: [fastt]}]\n",
    );
    let root = write("root.yaml", &format!("include: [router.yaml]\n{MODELS}"));
    let problems = load(&root, &Nothing).expect_err("a mistake");
    let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].ends_with(
            "router.yaml:2:23: error: fallbacks: no model is named 'fastt': did you mean 'fast'?"
        ),
        "{shown:?}"
    );
}

#[test]
fn time_limits_are_set_apart_for_all_and_for_one() {
    let settings = loaded(
        "model_list:
  - model_name: a
    litellm_params: {model: openai/x, api_key: k, first_byte_timeout: 2, stall_timeout: 0.5}
router_settings: {timeout: 60, stream_timeout: 30, first_byte_timeout: 10, stall_timeout: 5}
",
    )
    .expect("settings");
    let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
    let of = |limits: llm_router::Timeouts| {
        [limits.total, limits.stream, limits.first_byte, limits.stall].map(seconds)
    };
    assert_eq!(
        of(settings.router.timeouts),
        [Some(60.0), Some(30.0), Some(10.0), Some(5.0)]
    );
    assert_eq!(
        of(settings.deployments[0].timeouts),
        [None, None, Some(2.0), Some(0.5)]
    );
}

#[test]
fn headers_that_name_users_are_read_or_refused() {
    let settings = loaded(
        "general_settings:
  user_header_name: X-Old
  user_header_mappings:
    - {header_name: X-Employee, litellm_user_role: internal_user}
    - {header_name: X-Customer, litellm_user_role: customer}
  allow_client_mock_response: true
",
    )
    .expect("settings");
    let named: Vec<_> = settings
        .user_headers
        .iter()
        .map(|(name, role)| (name.as_str(), *role))
        .collect();
    assert_eq!(
        named,
        [
            ("x-employee", Role::InternalUser),
            ("x-customer", Role::Customer),
            ("x-old", Role::Customer)
        ]
    );
    assert!(settings.allow_client_mock_response);
    assert_eq!(
        said(
            "general_settings:
  user_header_mappings: [{header_name: a b, litellm_user_role: customer}, {header_name: x, litellm_user_role: king}]
"
        ),
        [
            "2:40 error a header's name is expected here",
            "2:111 error 'litellm_user_role' must be 'customer' or 'internal_user'",
        ]
    );
}

#[test]
fn what_is_done_with_health_checks_may_be_said_to_the_router() {
    let settings = loaded(
        "
model_list: [{model_name: chat, litellm_params: {model: demo/demo}}]
general_settings: {background_health_checks: true, health_check_staleness_threshold: 9}
router_settings: {enable_health_check_routing: true, background_health_check_model_groups: [chat]}
",
    )
    .expect("settings");
    assert_eq!(settings.notices, [""; 0]);
    let health = settings.health;
    assert!(health.routing && health.groups == ["chat"]);
    assert_eq!(health.staleness.map(|time| time.as_secs()), Some(9));
    assert_eq!(settings.router.filters.len(), 1);
}

#[test]
fn a_list_without_deployments_is_refused_unless_others_may_come() {
    for empty in ["model_list: []", "model_list:"] {
        let wrong = loaded(&format!("{empty}\n")).expect_err("nobody");
        let message = wrong[0].to_string();
        assert!(
            message.contains(":1:") && message.contains("'model_list' is empty"),
            "{message}"
        );
        let database = "general_settings: {database_url: \"postgresql://db.example/llm\"}";
        let settings = loaded(&format!("{empty}\n{database}\n")).expect("models come from there");
        assert_eq!(settings.deployments.len(), 0);
    }
    loaded("general_settings: {master_key: sk-1}\n").expect("models may be added later");
}

#[test]
fn hours_that_are_reserved_are_read_and_mistakes_are_refused_where_they_stand() {
    let entry = |window: &str| {
        format!(
            "model_list:
  - {{model_name: chat, litellm_params: {{model: demo/demo}}}}
  - model_name: chat
    litellm_params: {{model: demo/demo}}
    model_info: {{access_windows: [{window}]}}
"
        )
    };
    let night = r#"{start: "22:00", end: "06:00", timezone: America/New_York, team_ids: [night]}"#;
    let settings = loaded(&entry(night)).expect("settings");
    assert_eq!(settings.notices, [""; 0]);
    assert_eq!(settings.deployments[1].access_windows.len(), 1);
    for (window, said) in [
        (
            r#"{start: "22:00", end: "6 am", timezone: UTC, team_ids: [a]}"#,
            "'end': '6 am'",
        ),
        (
            r#"{start: "22:00", end: "06:00", timezone: Mars, team_ids: [a]}"#,
            "time zone 'Mars'",
        ),
        (
            r#"{start: "22:00", end: "06:00", timezone: UTC, team_ids: []}"#,
            "no team is named",
        ),
        (
            r#"{start: "22:00", end: "06:00", timezone: UTC}"#,
            "missing field `team_ids`",
        ),
    ] {
        let wrong = loaded(&entry(window)).expect_err("a mistake");
        let message = wrong[0].to_string();
        assert!(
            message.contains(":5:") && message.contains(said),
            "{message}"
        );
        assert!(message.contains("access_windows[0]"), "{message}");
    }
}

#[test]
fn health_checks_are_set() {
    let settings = loaded(
        "model_list: [{model_name: chat, litellm_params: {model: demo/demo}}]
general_settings: {background_health_checks: true, health_check_interval: 60, health_check_concurrency: 4,
  enable_health_check_routing: true, health_check_ignore_transient_errors: true, health_check_details: false,
  background_health_check_model_groups: [chat]}
",
    )
    .expect("settings");
    let health = settings.health;
    assert_eq!(
        (health.interval.as_secs(), health.at_once, health.routing),
        (60, 4, true)
    );
    assert!(!health.details);
    assert_eq!(health.groups, ["chat"]);
    assert_eq!(settings.router.filters.len(), 1);
}
