//! What a gateway tells people of by itself, and rows that are priced again.

use std::{collections::HashMap, process::Command, time::Duration};

use llm_governance::alerts::{AlertKind, Way};
use llm_proxy::settings::Place;
use llm_store::{Store, rows::SpendRow};
use tokio::net::TcpListener;

use crate::support::*;

#[tokio::test]
async fn a_slow_answer_is_told_to_slack_by_the_gateways_client() {
    let (vendor, slack) = (Vendor::friendly().await, Vendor::friendly().await);
    let mut settings = settings(&vendor.url);
    settings.alerting.alerts.slow = Duration::ZERO;
    settings.alerting.alerts.kinds = vec![AlertKind::LlmTooSlow];
    settings.alerting.alerts.ways = vec![Way::Slack {
        urls: vec![format!("{}/hook", slack.url)],
        by_kind: HashMap::new(),
    }];
    let gateway = Gateway::with(settings).await;
    assert_eq!(gateway.chat().await.status, 200);
    let told = async {
        while slack.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .expect("an alert");
    let asked = slack.asked();
    assert!(asked[0].path.ends_with("/hook"), "{}", asked[0].path);
    let text = asked[0].json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("A slow answer: 'gpt' of openai took"),
        "{text}"
    );
}

#[tokio::test]
async fn a_request_that_nobody_answers_is_told_while_it_waits() {
    let slack = Vendor::friendly().await;
    // Whoever connects hears nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(&format!("http://{}/v1", silent.local_addr().unwrap()));
    settings.alerting.alerts.slow = Duration::from_millis(1);
    settings.alerting.alerts.kinds = vec![AlertKind::LlmRequestsHanging];
    settings.alerting.alerts.ways = vec![Way::Slack {
        urls: vec![format!("{}/hook", slack.url)],
        by_kind: HashMap::new(),
    }];
    let gateway = Gateway::with(settings).await;
    let headers = [("x-litellm-call-id", "call-7")];
    let body = chat("gpt").to_string();
    let asking = gateway.send("POST", "/v1/chat/completions", &headers, body);
    let told = async {
        while slack.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        got = asking => panic!("it was answered: {}", got.text()),
        told = tokio::time::timeout(Duration::from_secs(20), told) => told.expect("an alert"),
    }
    let text = slack.asked()[0].json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("A request hangs: nobody has begun to answer 'gpt'")
            && text.contains("Request call-7."),
        "{text}"
    );
}

#[tokio::test]
async fn rows_are_priced_again_from_the_command_line() {
    let vendor = Vendor::friendly().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.db");
    let mut settings = with_master_key(settings(&vendor.url));
    settings.database.place = Place::Named(file.display().to_string());
    for deployment in &mut settings.deployments {
        deployment.id = "d1".to_owned();
        for price in ["input_cost_per_token", "output_cost_per_token"] {
            deployment.model_info.insert(price.into(), 0.001.into());
        }
    }
    settings.deployments.truncate(1);
    let group = settings.deployments[0].group.clone();
    let gateway = Gateway::with(settings).await;
    let headers = [("authorization", "Bearer sk-master")];
    let body = chat(&group).to_string();
    let got = gateway
        .send("POST", "/v1/chat/completions", &headers, body)
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    gateway.running.stop().await;
    let place = llm_store::Settings::sqlite(&file);
    let row = async || {
        let store = Store::open(&place).await.unwrap();
        let row = store
            .list::<SpendRow>(&[], 1, 0)
            .await
            .unwrap()
            .rows
            .remove(0);
        store.close().await;
        row
    };
    let before = row().await;
    assert!(before.spend.0 > 0);

    let config = folder.path().join("config.yaml");
    let text = format!(
        "model_list:\n  - model_name: {group}\n    litellm_params: {{model: openai/gpt-4o, api_key: k}}\n    \
         model_info: {{id: d1, input_cost_per_token: 0.003, output_cost_per_token: 0.003}}\n"
    );
    std::fs::write(&config, text).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llm-proxy"));
        command.env_clear().current_dir(folder.path());
        command.arg("--config").arg(&config).arg("--db").arg(&file);
        let done = command
            .args(["spend", "reprice"])
            .args(more)
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    };
    let (well, said) = run(&["--dry-run"]);
    assert!(
        well && said.contains("1 requests: 1 would change"),
        "{said}"
    );
    assert_eq!(row().await, before);
    let (well, said) = run(&[]);
    assert!(well && said.contains("1 requests: 1 changed"), "{said}");
    assert_eq!(row().await.spend.0, before.spend.0 * 3);
    let (_, said) = run(&[]);
    assert!(said.contains("1 requests: 0 changed"), "{said}");
    let (well, said) = run(&["--from", "yesterday"]);
    assert!(!well && said.contains("--from yesterday"), "{said}");
}
