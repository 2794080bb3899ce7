//! How requests ended: one line in the log, and the metrics.

use std::{
    borrow::Cow,
    fmt::Write,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use llm_cost::NanoDollars;
use llm_governance::{
    Caller,
    alerts::{Alerts, Finished},
};
use llm_router::Standing;
use llm_sdk::{Observer, Outcome, Record};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::time::SystemTime;

use crate::{
    error::{Refusal, class, show},
    labels::Labels,
    logs::{Lines, write_time},
    metrics::{Asked, Metrics, Options, Who, vendor_time},
    route_record,
    settings::Logs,
    spend_row,
    state::Live,
    tab::Tab,
};

/// Where requests are recorded.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) metrics: Metrics,
    pub(crate) lines: Lines,
    /// Where alerts go, if anybody wants them.
    pub(crate) alerts: OnceLock<Alerts>,
    json: bool,
    requests: bool,
}

/// Records one request that the engine took.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) hub: Arc<Hub>,
    pub(crate) live: Arc<Live>,
    pub(crate) route: &'static str,
    pub(crate) caller: Arc<Caller>,
    /// What it owes, where spend is kept.
    pub(crate) tab: Option<Arc<Tab>>,
    pub(crate) labels: Labels,
    /// What is said for the operator's own labels of metrics.
    pub(crate) own: Vec<String>,
    /// How long it was on its way to the engine.
    pub(crate) queued: Option<Duration>,
    /// Whoever is at the other end of the connection.
    pub(crate) address: Option<IpAddr>,
}

/// The level and the message that every such line has.
#[derive(Debug, Default, Serialize)]
enum Level {
    #[default]
    #[serde(rename = "INFO")]
    Info,
}

#[derive(Debug, Default, Serialize)]
enum Message {
    #[default]
    #[serde(rename = "request")]
    Request,
}

/// One line of the log. Never a body, never a key.
#[derive(Debug, Default, Serialize)]
struct Entry<'a> {
    timestamp: String,
    level: Level,
    message: Message,
    call_id: &'a str,
    route: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_float")]
    cost_usd: Option<NanoDollars>,
    duration_ms: f64,
    vendor_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_ms: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    retries: u32,
    #[serde(skip_serializing_if = "is_zero")]
    fallbacks: u32,
    /// Where more than one was made, or none brought an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
}

impl Hub {
    pub(crate) fn new(logs: &Logs, metrics: &Options, lines: Lines) -> Self {
        let quiet = ["error", "warn", "off"].contains(&logs.filter.as_str());
        Self {
            metrics: Metrics::new(metrics),
            lines,
            alerts: OnceLock::new(),
            json: logs.json,
            requests: logs.requests && !quiet,
        }
    }

    /// Records a request that ended before anyone was asked.
    pub(crate) fn refused(
        &self,
        route: &'static str,
        call_id: &str,
        who: Who<'_>,
        refusal: &Refusal,
        took: Duration,
    ) {
        let status = refusal.status.as_u16();
        let asked = Asked::new(route, who);
        self.metrics.refused(asked, status, refusal.class);
        self.log(Entry {
            call_id,
            route,
            status,
            duration_ms: millis(took),
            error: Some(show(&refusal.message)),
            ..Entry::default()
        });
    }

    fn log(&self, mut entry: Entry<'_>) {
        if !self.requests {
            return;
        }
        write_time(&mut entry.timestamp, SystemTime::now());
        let mut line = if self.json {
            serde_json::to_string(&entry).unwrap_or_default()
        } else {
            entry.line()
        };
        line.push('\n');
        self.lines.push(line.as_bytes());
    }
}

impl Observer for Recorder {
    fn record(&self, record: &Record) {
        if let Some(tab) = &self.tab {
            let prices = self.live.engine.prices().table();
            tab.charge(record, |record, mut row| {
                row.requester_ip_address = self.address.map(|address| address.to_string());
                spend_row::filled(row, record, &self.labels, prices.digest())
            });
        }
        let answered_by = record.deployment.as_ref();
        let well = answered_by.is_some_and(|d| self.live.router.standing(d) == Standing::Well);
        let asked = Asked::new(self.route, self.who()).after(self.queued);
        let metrics = &self.hub.metrics;
        let recovered = metrics.record(record, asked, &self.live.router, well);
        if let Some(tab) = &self.tab {
            metrics.bounds(record, &self.caller, tab.limits(), tab.customer());
        }
        self.rests(record);
        if let Some(alerts) = self.hub.alerts.get() {
            alert(alerts, record);
        }
        if let (true, Some(deployment)) = (recovered, answered_by) {
            tracing::info!(
                deployment = %deployment.id, group = %deployment.group,
                "a deployment is well again"
            );
        }
        if !self.hub.requests {
            return;
        }
        let (status, error) = match &record.outcome {
            Outcome::Answered => (200, None),
            Outcome::Failed {
                status, message, ..
            } => (*status, Some(show(message))),
            Outcome::HungUp => (499, Some(Cow::Borrowed("the client hung up"))),
            Outcome::Outpaced => (499, Some(Cow::Borrowed("another attempt was faster"))),
        };
        let usage = record.usage.as_ref();
        self.hub.log(Entry {
            call_id: &record.call_id,
            route: self.route,
            status,
            model: show(&record.requested),
            deployment: record.deployment.as_ref().map(|d| d.id.as_str()),
            provider: record.deployment.as_ref().map(|d| d.target.provider.name),
            session_id: self.labels.session.as_deref(),
            end_user: self.labels.end_user.as_deref(),
            user: self.labels.user.as_deref(),
            stream: record.stream,
            input_tokens: usage.map(|usage| usage.prompt_tokens),
            output_tokens: usage.map(|usage| usage.completion_tokens),
            cost_usd: record.charge.total(),
            duration_ms: millis(record.took),
            vendor_ms: millis(vendor_time(record)),
            first_event_ms: record.first_event.map(millis),
            retries: record.trace.retries(),
            fallbacks: record.trace.fallbacks,
            attempts: route_record::row(&record.trace),
            error,
            ..Entry::default()
        });
    }
}

/// What a request that went on too long, or that its provider failed, is told of.
fn alert(alerts: &Alerts, record: &Record) {
    let Some(deployment) = &record.deployment else {
        return;
    };
    let base = &deployment.target.base_url;
    let has_gone_on = record.trace.fallbacks > 0 && record.outcome == Outcome::Answered;
    alerts.finished(&Finished {
        instead: record.group.as_deref().filter(|_| has_gone_on),
        call_id: &record.call_id,
        model: &record.requested,
        provider: deployment.target.provider.name,
        api_base: base.split('?').next().unwrap_or_default(),
        took: record.took,
        status: match &record.outcome {
            Outcome::Failed { status, .. } => Some(*status),
            Outcome::Answered | Outcome::HungUp | Outcome::Outpaced => None,
        },
    });
}

impl Recorder {
    fn who(&self) -> Who<'_> {
        Who {
            caller: &self.caller,
            end_user: self.labels.end_user.as_deref(),
            address: self.address,
            agent: self.labels.agent.as_deref(),
            own: &self.own,
        }
    }

    /// Who rests from now on: one line for each.
    fn rests(&self, record: &Record) {
        for attempt in &record.trace.attempts {
            let Some(kind) = attempt.error else {
                continue;
            };
            let Some(deployment) = self.live.router.deployment(&attempt.deployment) else {
                continue;
            };
            let status = attempt
                .status
                .unwrap_or_else(|| kind.default_status().as_u16());
            let rests = attempt.cooled.is_some();
            if self.hub.metrics.stumbled(deployment, status, rests) {
                tracing::warn!(
                    deployment = %deployment.id, group = %deployment.group, status,
                    class = class(kind), ms = attempt.cooled, "a deployment rests"
                );
            }
        }
    }
}

impl Entry<'_> {
    /// The line for people: a time, a status, and names with values.
    fn line(&self) -> String {
        let mut out = String::with_capacity(384);
        out.push_str(&self.timestamp);
        push_number(&mut out, " INFO request status=", self.status.into());
        push(&mut out, " route=", self.route);
        push(&mut out, " call_id=", self.call_id);
        push_tenths(&mut out, " ms=", self.duration_ms);
        if !self.model.is_empty() {
            push_tenths(&mut out, " vendor_ms=", self.vendor_ms);
            push_quoted(&mut out, " model=", &self.model);
        }
        if let (Some(deployment), Some(provider)) = (self.deployment, self.provider) {
            push(&mut out, " deployment=", deployment);
            push(&mut out, " provider=", provider);
        }
        for (name, label) in [
            ("session_id", self.session_id),
            ("end_user", self.end_user),
            ("user", self.user),
        ] {
            if let Some(label) = label {
                // Writing to a string cannot fail.
                let _ = write!(out, " {name}={label:?}");
            }
        }
        if self.stream {
            let first = self.first_event_ms.unwrap_or_default();
            push_tenths(&mut out, " stream first_event_ms=", first);
        }
        if let (Some(input), Some(output)) = (self.input_tokens, self.output_tokens) {
            push_number(&mut out, " tokens=", input);
            push_number(&mut out, "+", output);
        }
        if let Some(cost) = self.cost_usd {
            let _ = write!(out, " cost_usd={cost}");
        }
        if self.retries > 0 || self.fallbacks > 0 {
            let _ = write!(
                out,
                " retries={} fallbacks={}",
                self.retries, self.fallbacks
            );
        }
        if self.attempts.len() > 1 {
            out.push_str(" attempts=");
            for (i, attempt) in self.attempts.iter().enumerate() {
                let part = |key: &str| attempt.get(key).and_then(Value::as_str);
                let (comma, id) = (if i > 0 { "," } else { "" }, part("deployment"));
                let end = part("error").unwrap_or("ok");
                let _ = write!(out, "{comma}{}:{end}", id.unwrap_or_default());
            }
        }
        if let Some(error) = &self.error {
            push_quoted(&mut out, " error=", error);
        }
        out
    }
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(value);
}

/// With its quotes and line breaks escaped.
fn push_quoted(out: &mut String, name: &str, value: &str) {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    out.push_str(name);
    if value.bytes().all(plain) {
        out.push('"');
        out.push_str(value);
        out.push('"');
    } else {
        let _ = write!(out, "{value:?}");
    }
}

/// With one digit behind the point: floats would be formatted exactly first, and then cut.
fn push_tenths(out: &mut String, name: &str, value: f64) {
    let tenths = (value * 10.0).round() as u64;
    push_number(out, name, tenths / 10);
    push_number(out, ".", tenths % 10);
}

/// Lines have many numbers, and a format string costs many times as much.
fn push_number(out: &mut String, name: &str, value: u64) {
    push(out, name, itoa::Buffer::new().format(value));
}

fn as_float<S: Serializer>(amount: &Option<NanoDollars>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(amount.unwrap_or_default().to_f64())
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}
