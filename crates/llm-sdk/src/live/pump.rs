//! A session's messages, both ways at the same time. Each side is read only as fast as the other one takes it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex as Lock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use llm_providers::{
    Error, Kind,
    live::{Said, Says, Session},
    transport::Socket,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Mutex, Notify},
    time::{Instant, interval_at, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message, Utf8Bytes,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::{
    Consumed, Live,
    allowance::{Denied, Meter},
};

/// Between two signs of life that are asked of each side.
const PING: Duration = Duration::from_secs(30);
/// A side that gives none for so long is gone.
const SILENCE: Duration = Duration::from_secs(90);
/// How long a side may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest reason that a closing frame can hold.
const REASON: usize = 123;

/// Ends when a session should: at once where its caller may not go on, which is said; without that, after the answer that is
/// under way.
pub type Stop = Pin<Box<dyn Future<Output = Option<Denied>> + Send>>;

/// How a session ended.
enum End {
    ClientClosed,
    ClientGone,
    VendorClosed(Option<CloseFrame>),
    VendorGone(Error),
    Stopped,
    /// Nobody pays for more, or its caller may not go on.
    Exhausted(String),
}

type Sink<S> = Mutex<SplitSink<WebSocketStream<S>, Message>>;
type VendorSink = Mutex<SplitSink<Socket, Message>>;

/// What both directions share.
struct Both<'a, S> {
    meter: Option<Meter<'a>>,
    session: Lock<Box<dyn Session>>,
    client: Sink<S>,
    vendor: VendorSink,
    /// An answer is over.
    quiet: Notify,
}

impl Live {
    /// Carries messages until one side closes, breaks, or `stop` says that it is time: then after the answer that is
    /// under way.
    pub async fn run<S>(mut self, client: WebSocketStream<S>, stop: Stop)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (Some(socket), Some(session)) = (self.socket.take(), self.session.take()) else {
            return;
        };
        let (vendor, mut vendor_says) = socket.split();
        let (client, mut client_says) = client.split();
        let allowance = self.allowance.take();
        let rates = self.held.rates.clone();
        let meter = allowance.as_deref().map(|one| Meter::new(one, &rates));
        let both = Both {
            meter,
            session: Lock::new(session),
            client: Mutex::new(client),
            vendor: Mutex::new(vendor),
            quiet: Notify::new(),
        };
        let opening = both.with(|session| session.opening());
        let end = match both.say(opening).await {
            Some(end) => end,
            None => tokio::select! {
                end = both.client_said(&mut client_says) => end,
                end = both.vendor_said(&mut vendor_says) => end,
                end = both.keep_alive() => end,
                end = both.stopped(stop) => end,
            },
        };
        let consumed = &both.with(|session| Consumed::of(session.as_ref()));
        // Settled before the goodbyes, which may take their time.
        let (to_client, to_vendor) = match end {
            End::ClientClosed => {
                self.held.end(consumed);
                (None, frame(CloseCode::Normal, ""))
            }
            End::ClientGone => {
                self.held.hang_up(consumed);
                (None, frame(CloseCode::Away, ""))
            }
            End::VendorClosed(said) => {
                match refusal(said.as_ref()) {
                    None => self.held.end(consumed),
                    Some(error) => self.held.break_off(consumed, &error),
                }
                (echo(said), None)
            }
            End::VendorGone(error) => {
                self.held.break_off(consumed, &error);
                let event = said(&error);
                let _ = both.tell_client(vec![Said::Text(event)]).await;
                (frame(CloseCode::Error, &error.message), None)
            }
            End::Exhausted(why) => {
                self.held.end(consumed);
                (frame(CloseCode::Policy, &why), frame(CloseCode::Normal, ""))
            }
            End::Stopped => {
                self.held.end(consumed);
                let bye = frame(CloseCode::Away, "the gateway is stopping");
                (bye.clone(), bye)
            }
        };
        let Both { client, vendor, .. } = both;
        // What was held is charged by now.
        drop(allowance);
        tokio::join!(
            farewell(client.into_inner(), client_says, to_client),
            farewell(vendor.into_inner(), vendor_says, to_vendor),
        );
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Both<'_, S> {
    fn with<T>(&self, work: impl FnOnce(&mut Box<dyn Session>) -> T) -> T {
        work(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn client_said(&self, says: &mut SplitStream<WebSocketStream<S>>) -> End {
        loop {
            let said = match timeout(SILENCE, says.next()).await {
                Ok(Some(Ok(message))) => match read(message) {
                    Heard::Said(said) => said,
                    Heard::Closed(_) => return End::ClientClosed,
                    Heard::Nothing => continue,
                },
                _ => return End::ClientGone,
            };
            if let Some(meter) = &self.meter
                && let Err(denied) = meter.client_says(&said).await
            {
                match self.deny(denied).await {
                    Some(end) => return end,
                    None => continue,
                }
            }
            let says = match self.with(|session| session.client_said(said)) {
                Ok(says) => says,
                // As at OpenAI: a bad event is answered, and the session goes on.
                Err(error) => Says {
                    client: vec![Said::Text(said_of(&error, "invalid_request_error"))],
                    ..Says::default()
                },
            };
            // What it asks for is paid for already.
            let _ = self.heard(&says).await;
            if let Some(end) = self.say(says).await {
                return end;
            }
        }
    }

    async fn vendor_said(&self, says: &mut SplitStream<Socket>) -> End {
        loop {
            let said = match timeout(SILENCE, says.next()).await {
                Ok(Some(Ok(message))) => match read(message) {
                    Heard::Said(said) => said,
                    Heard::Closed(frame) => return End::VendorClosed(frame),
                    Heard::Nothing => continue,
                },
                Ok(Some(Err(error))) => return End::VendorGone(cut(error)),
                Ok(None) => return End::VendorGone(gone("the vendor's connection ended")),
                Err(_) => return End::VendorGone(gone("the vendor gave no sign of life")),
            };
            let says = match self.with(|session| session.vendor_said(said)) {
                Ok(says) => says,
                Err(error) => return End::VendorGone(error),
            };
            let paid = self.heard(&says).await;
            if let Some(end) = self.say(says).await {
                return end;
            }
            // An answer that the vendor began by itself, and that nobody pays for, ends with the session.
            if let Err(denied) = paid
                && denied.ends
            {
                let end = self.deny(denied.clone()).await;
                return end.unwrap_or(End::Exhausted(denied.message));
            }
            if !self.with(|session| session.is_answering()) {
                self.quiet.notify_one();
            }
        }
    }

    /// What is told to the client may begin an answer, or end one.
    async fn heard(&self, says: &Says) -> Result<(), Denied> {
        let Some(meter) = &self.meter else {
            return Ok(());
        };
        let consumed = || self.with(|session| Consumed::of(session.as_ref()));
        meter.client_hears(&says.client, consumed).await
    }

    async fn say(&self, says: Says) -> Option<End> {
        for said in says.vendor {
            let sent = self.vendor.lock().await.send(message(said)).await;
            if let Err(error) = sent {
                return Some(End::VendorGone(cut(error)));
            }
        }
        self.tell_client(says.client).await
    }

    /// Says that something is not paid for. Where there is no use in asking again, and nothing under way, that is the end.
    async fn deny(&self, denied: Denied) -> Option<End> {
        let event = error_event(denied.kind, &denied.message, None);
        let told = self.tell_client(vec![Said::Text(event)]).await;
        let ends = denied.ends && !self.with(|session| session.is_answering());
        told.or(ends.then_some(End::Exhausted(denied.message)))
    }

    async fn tell_client(&self, all: Vec<Said>) -> Option<End> {
        for said in all {
            let sent = self.client.lock().await.send(message(said)).await;
            if sent.is_err() {
                return Some(End::ClientGone);
            }
        }
        None
    }

    async fn keep_alive(&self) -> End {
        let mut times = interval_at(Instant::now() + PING, PING);
        loop {
            times.tick().await;
            let ping = || Message::Ping(Bytes::new());
            if let Err(error) = self.vendor.lock().await.send(ping()).await {
                return End::VendorGone(cut(error));
            }
            if self.client.lock().await.send(ping()).await.is_err() {
                return End::ClientGone;
            }
        }
    }

    async fn stopped(&self, stop: Stop) -> End {
        if let Some(denied) = stop.await {
            let event = error_event(denied.kind, &denied.message, None);
            let told = self.tell_client(vec![Said::Text(event)]).await;
            return told.unwrap_or(End::Exhausted(denied.message));
        }
        loop {
            let quiet = self.quiet.notified();
            if !self.with(|session| session.is_answering()) {
                return End::Stopped;
            }
            quiet.await;
        }
    }
}

enum Heard {
    Said(Said),
    Closed(Option<CloseFrame>),
    Nothing,
}

fn read(message: Message) -> Heard {
    match message {
        Message::Text(text) => Heard::Said(Said::Text(text.into())),
        Message::Binary(bytes) => Heard::Said(Said::Binary(bytes)),
        Message::Close(frame) => Heard::Closed(frame),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Heard::Nothing,
    }
}

fn message(said: Said) -> Message {
    match said {
        Said::Binary(bytes) => Message::Binary(bytes),
        Said::Text(bytes) => match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(bytes),
        },
    }
}

/// Says goodbye, and waits a little for the answer: whoever closes at once may cut off what was said before.
async fn farewell<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    mut says: SplitStream<WebSocketStream<S>>,
    bye: Option<CloseFrame>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let work = async {
        // Without words of our own this only sends the answer to theirs.
        let said = match bye {
            Some(frame) => sink.send(Message::Close(Some(frame))).await,
            None => sink.close().await,
        };
        if said.is_ok() {
            while let Some(Ok(_)) = says.next().await {}
        }
    };
    let _ = timeout(FAREWELL, work).await;
}

/// The vendor's own goodbye, as far as it may be repeated.
fn echo(said: Option<CloseFrame>) -> Option<CloseFrame> {
    match said {
        Some(said) if said.code.is_allowed() => Some(said),
        _ => frame(CloseCode::Normal, ""),
    }
}

fn frame(code: CloseCode, reason: &str) -> Option<CloseFrame> {
    let mut end = reason.len().min(REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    Some(CloseFrame {
        code,
        reason: reason.get(..end).unwrap_or_default().into(),
    })
}

/// The error that a vendor's goodbye is, if it is one.
fn refusal(said: Option<&CloseFrame>) -> Option<Error> {
    let said = said?;
    let code = u16::from(said.code);
    let kind = match code {
        1000 | 1001 | 1005 => return None,
        1011..=1015 => Kind::Upstream,
        _ => Kind::BadRequest,
    };
    let reason = said.reason.as_str();
    Some(Error::new(
        kind,
        format!("the vendor closed the session with {code}: {reason}"),
    ))
}

fn cut(error: tungstenite::Error) -> Error {
    gone("the vendor's connection broke").because(error)
}

fn gone(message: &str) -> Error {
    Error::new(Kind::Connection, message)
}

fn said(error: &Error) -> Bytes {
    said_of(error, "server_error")
}

/// OpenAI's event for what went wrong.
fn said_of(error: &Error, kind: &str) -> Bytes {
    error_event(kind, &error.message, error.param.as_deref())
}

fn error_event(kind: &str, message: &str, param: Option<&str>) -> Bytes {
    let event = serde_json::json!({
        "type": "error",
        "event_id": format!("event_{}", uuid::Uuid::new_v4().simple()),
        "error": {
            "type": kind, "code": null, "message": message, "param": param, "event_id": null,
        },
    });
    event.to_string().into()
}
