//! What alerts need of the network: posts by the client that vendors are reached with, letters by SMTP.

use std::{fmt, sync::Arc};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::Mailbox,
    transport::smtp::authentication::Credentials,
};
use llm_governance::alerts::{AlertSettings, Alerts, Carrier, Carrying, Letter};
use llm_providers::{Client, Outgoing, Secret, transport::Transport};
use serde_json::Value;

use crate::settings::Settings;

/// How alerts are sent.
#[derive(Debug, Clone, Default)]
pub struct Alerting {
    /// Which, and where to.
    pub alerts: AlertSettings,
    /// Who takes letters.
    pub mail: Option<Mail>,
}

/// A server that takes letters.
#[derive(Clone)]
pub struct Mail {
    /// Where it is (`SMTP_HOST`).
    pub host: String,
    /// Its port (`SMTP_PORT`).
    pub port: u16,
    /// Who writes (`SMTP_USERNAME`, `SMTP_PASSWORD`).
    pub login: Option<(String, Secret)>,
    /// The address that letters come from (`SMTP_SENDER_EMAIL`).
    pub from: Mailbox,
    /// Whether letters go over TLS alone (`SMTP_TLS`).
    pub tls: bool,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// The port where TLS begins with the connection.
const TLS_FROM_THE_START: u16 = 465;

/// Carries alerts out.
struct Postman {
    transport: Arc<dyn Transport>,
    office: Option<(AsyncSmtpTransport<Tokio1Executor>, Mailbox)>,
}

/// Sends alerts from now on, if anybody wants them.
pub(crate) fn start(settings: &Settings) -> Result<Option<Alerts>> {
    let alerting = &settings.alerting;
    if alerting.alerts.ways.is_empty() {
        return Ok(None);
    }
    let office = match &alerting.mail {
        Some(mail) => Some((office(mail)?, mail.from.clone())),
        None => None,
    };
    let postman = Postman {
        transport: Client::transport(&settings.transport)?,
        office,
    };
    Ok(Some(Alerts::start(
        alerting.alerts.clone(),
        Arc::new(postman),
    )))
}

fn office(mail: &Mail) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    type Smtp = AsyncSmtpTransport<Tokio1Executor>;
    let unusable = || format!("SMTP_HOST: {} is no host", mail.host);
    let builder = match (mail.tls, mail.port) {
        (false, _) => Smtp::builder_dangerous(&mail.host),
        (true, TLS_FROM_THE_START) => Smtp::relay(&mail.host).with_context(unusable)?,
        (true, _) => Smtp::starttls_relay(&mail.host).with_context(unusable)?,
    };
    let builder = builder.port(mail.port);
    Ok(match &mail.login {
        Some((user, password)) => {
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            builder.credentials(login).build()
        }
        None => builder.build(),
    })
}

impl Carrier for Postman {
    fn post<'a>(&'a self, url: &'a str, body: &'a Value) -> Carrying<'a> {
        Box::pin(async move {
            let request = Request::post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(Outgoing::Bytes(Bytes::from(body.to_string())));
            let request = request.map_err(|_| "the address cannot be used".to_owned())?;
            let sent = self.transport.send(request).await;
            let status = sent.map_err(|error| error.message.clone())?.status();
            match status.is_success() {
                true => Ok(()),
                false => Err(format!("status {}", status.as_u16())),
            }
        })
    }

    fn mail<'a>(&'a self, letter: &'a Letter) -> Carrying<'a> {
        Box::pin(async move {
            let Some((office, from)) = &self.office else {
                return Ok(());
            };
            let mut message = Message::builder()
                .from(from.clone())
                .subject(&letter.subject);
            for to in &letter.to {
                let to = to.parse().map_err(|_| "an address is none".to_owned())?;
                message = message.to(to);
            }
            let message = message.body(letter.text.clone());
            let message = message.map_err(|error| error.to_string())?;
            let sent = office.send(message).await;
            sent.map(drop).map_err(|error| error.to_string())
        })
    }
}
