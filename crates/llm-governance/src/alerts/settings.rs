use std::{collections::HashMap, fmt, time::Duration};

use super::AlertKind;

/// How alerts are sent, as the configuration says.
#[derive(Debug, Clone)]
pub struct AlertSettings {
    /// Where they go (`alerting`).
    pub ways: Vec<Way>,
    /// Which are sent (`alert_types`); none named is all that tell of trouble.
    pub kinds: Vec<AlertKind>,
    /// An answer that takes longer is slow, and a request that is not answered for longer hangs (`alerting_threshold`).
    pub slow: Duration,
    /// Failures of one deployment within `outage_window` that are an outage (`minor_outage_alert_threshold`).
    pub minor_outage: u32,
    /// Failures that are a large one (`major_outage_alert_threshold`).
    pub major_outage: u32,
    /// How long failures count together (`outage_alert_ttl`).
    pub outage_window: Duration,
    /// Days that a weekly report is about (`spend_report_frequency`).
    pub report_days: u16,
    /// How often budgets are looked at.
    pub look: Duration,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            ways: Vec::new(),
            kinds: Vec::new(),
            slow: Duration::from_secs(300),
            minor_outage: 5,
            major_outage: 10,
            outage_window: Duration::from_secs(60),
            report_days: 7,
            look: Duration::from_secs(5),
        }
    }
}

impl AlertSettings {
    pub(super) fn wants(&self, kind: AlertKind) -> bool {
        self.kinds.contains(&kind) || self.kinds.is_empty() && kind.is_usual()
    }
}

/// A way out for alerts.
#[derive(Clone)]
pub enum Way {
    /// `{"text": ..}` to these addresses: Slack and what understands it.
    Slack {
        /// Where to (`SLACK_WEBHOOK_URL`).
        urls: Vec<String>,
        /// Where to instead, for single kinds (`alert_to_webhook_url`).
        by_kind: HashMap<AlertKind, Vec<String>>,
    },
    /// The alert's fields to this address (`WEBHOOK_URL`).
    Webhook {
        /// Where to.
        url: String,
    },
    /// A letter to whomever it concerns.
    Email,
}

impl Way {
    /// Its name in a configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Webhook { .. } => "webhook",
            Self::Email => "email",
        }
    }
}

/// Addresses of webhooks are secrets.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
