//! The ways out: what waits is sent, and tried again.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Alert, Way};

/// How often an alert is tried.
const TRIES: u32 = 4;

/// How long the first pause is; each next one is four times as long.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one try takes at most.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is being carried.
pub type Carrying<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Whoever has the network.
pub trait Carrier: Send + Sync + 'static {
    /// Posts JSON. A status that is not good is an error. Neither says the address: it is a secret.
    fn post<'a>(&'a self, url: &'a str, body: &'a Value) -> Carrying<'a>;

    /// Sends a letter.
    fn mail<'a>(&'a self, letter: &'a Letter) -> Carrying<'a>;
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Whom it goes to.
    pub to: Vec<String>,
    /// What it is about, in one line.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Sends what waits, until nobody can raise alerts any more.
pub(super) async fn carry(
    way: Way,
    mut waiting: mpsc::Receiver<Arc<Alert>>,
    carrier: Arc<dyn Carrier>,
) {
    while let Some(alert) = waiting.recv().await {
        match &way {
            Way::Slack { urls, by_kind } => {
                let body = json!({"text": alert.text});
                for url in by_kind.get(&alert.kind).unwrap_or(urls) {
                    persist(&way, || carrier.post(url, &body)).await;
                }
            }
            Way::Webhook { url } => {
                let body = alert.json();
                persist(&way, || carrier.post(url, &body)).await;
            }
            Way::Email if alert.emails.is_empty() => {}
            Way::Email => {
                let letter = letter(&alert);
                persist(&way, || carrier.mail(&letter)).await;
            }
        }
    }
}

async fn persist<'a>(way: &Way, send: impl Fn() -> Carrying<'a>) {
    let mut pause = PAUSE;
    for again in 1..=TRIES {
        let fault = match tokio::time::timeout(PATIENCE, send()).await {
            Ok(Ok(())) => return,
            Ok(Err(fault)) => fault,
            Err(_) => "no answer".to_owned(),
        };
        if again == TRIES {
            tracing::warn!(way = way.name(), fault, "an alert could not be sent");
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 4;
    }
}

fn letter(alert: &Alert) -> Letter {
    let subject = match alert.budget.as_ref().map(|budget| budget.event) {
        Some("budget_crossed") => "Max Budget Alert",
        Some("soft_budget_crossed") => "Soft Budget Crossed",
        Some(_) => "Budget Alert",
        None => "Alert of your gateway",
    };
    Letter {
        to: alert.emails.clone(),
        subject: subject.to_owned(),
        text: alert.text.clone(),
    }
}
