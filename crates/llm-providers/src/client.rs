//! One attempt over the network: encode, apply the credential, send, check the status, decode or stream.

mod linked;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Request};

use crate::{
    Answer, Call, Credential, Data, Download, Error, EventStream, FetchSettings, Framing, Kind,
    Outgoing, Reply, Step, Target, auth,
    fetch::Fetcher,
    transport::{
        BoxFuture, ByteStream, HyperTransport, ReqwestTransport, Socket, Transport,
        TransportSettings, read_all, socket::Dialer,
    },
};
use linked::Link;

/// Makes calls. One per process: the connection pool is its own. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    fetcher: Arc<Fetcher>,
    dialing: Arc<Dialing>,
}

/// What opens sockets, made when the first one is.
#[derive(Default)]
struct Dialing {
    settings: TransportSettings,
    dialer: OnceLock<Dialer>,
}

/// How long one attempt may take, and how much it may answer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the reply's headers and, of a stream, the first event.
    pub first_byte: Option<Duration>,
    /// Until the first event of a stream that is part of the answer.
    pub first_content: Option<Duration>,
    /// Between two reads of a stream.
    pub stall: Option<Duration>,
    /// For the attempt as a whole.
    pub total: Option<Duration>,
    /// The longest whole reply.
    pub max_reply: usize,
    /// How many events of a stream in a row may be unreadable before it counts as broken.
    pub malformed_events: u32,
}

/// What became of a reply, and of those that it led to.
#[expect(
    clippy::large_enum_variant,
    reason = "made once an attempt, and nearly always the large one"
)]
enum Settled {
    /// The answer, and the reply that brought it.
    Answer(Answer, Bytes),
    /// It stands elsewhere.
    Link(Link),
}

/// How many parts of one call are under way at the same time.
const AT_ONCE: usize = 8;

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: None,
            first_content: None,
            stall: None,
            total: Some(Duration::from_secs(600)),
            max_reply: 512 << 20,
            malformed_events: 3,
        }
    }
}

/// What one attempt brought.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once an attempt, and nearly always the large one"
)]
pub enum Outcome {
    /// The whole answer, and the reply's headers.
    Answer(Answer, HeaderMap),
    /// A stream whose first event has come, and the reply's headers.
    Stream(Box<EventStream>, HeaderMap),
    /// Bytes of which the first have come, and the reply's headers.
    Bytes(Box<Download>, HeaderMap),
}

impl Client {
    /// A client with a pool of its own.
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self::over(Self::transport(settings)?).connecting(settings.clone()))
    }

    /// The network as `settings` say: straight where there are no forward proxies, which costs less.
    pub fn transport(settings: &TransportSettings) -> Result<Arc<dyn Transport>, Error> {
        Ok(if settings.proxies.is_empty() {
            Arc::new(HyperTransport::new(settings)?)
        } else {
            Arc::new(ReqwestTransport::new(settings)?)
        })
    }

    /// A client over another transport. Files are fetched past it: see [`connecting`](Self::connecting).
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            fetcher: Arc::default(),
            dialing: Arc::default(),
        }
    }

    /// The same client with other rules for fetching what requests refer to.
    pub fn fetching(mut self, settings: FetchSettings) -> Self {
        self.fetcher = Arc::new(self.fetcher.ruled_by(settings));
        self
    }

    /// The same client, making its connections for files and sessions as `settings` say.
    pub fn connecting(mut self, settings: TransportSettings) -> Self {
        self.dialing = Arc::new(Dialing {
            settings: settings.clone(),
            dialer: OnceLock::new(),
        });
        self.fetcher = Arc::new(self.fetcher.over(settings));
        self
    }

    /// Exactly one attempt. Dropping the future, or the stream it returns, hangs up on the vendor.
    pub async fn call(&self, call: &Call<'_>, limits: &Limits) -> Result<Outcome, Error> {
        let name = call.target.provider.name;
        // On the heap: every layer above would copy it, and time limits would hold it twice.
        let work = Box::pin(async {
            let filled = self.filled(call).await?;
            let call = filled.as_ref().unwrap_or(call);
            let parts = call.split()?;
            if parts.is_empty() {
                self.single(call, limits).await
            } else {
                self.in_parts(call, &parts, limits).await
            }
        });
        within(limits.total, "the answer", work)
            .await
            .map_err(|e| if e.provider.is_empty() { e.of(name) } else { e })
    }

    /// One request, and those that follow from its reply.
    async fn single(&self, call: &Call<'_>, limits: &Limits) -> Result<Outcome, Error> {
        let began = tokio::time::Instant::now();
        let sent = self.send(call, call.encode()?);
        let (parts, body) = within(limits.first_byte, "the first byte", sent)
            .await?
            .into_parts();
        if !parts.status.is_success() {
            let body = read_all(body, 1 << 20).await.unwrap_or_default();
            return Err(call.refusal(&Reply {
                status: parts.status,
                headers: parts.headers,
                body,
            }));
        }
        if call.wire().framing(call) == Framing::Bytes {
            let begun = Download::begin(call, body, &parts.headers, limits, began);
            let download = within(limits.first_byte, "the first byte", begun).await?;
            return Ok(Outcome::Bytes(Box::new(download), parts.headers));
        }
        let replayed = call.stream && call.wire().framing(call) == Framing::Whole;
        if call.stream && !replayed {
            let mut stream = EventStream::new(call, body, &parts.headers, limits, began)?;
            within(limits.first_byte, "the first event", stream.prime()).await?;
            return Ok(Outcome::Stream(Box::new(stream), parts.headers));
        }
        let headers = parts.headers.clone();
        let (answer, body) = match self.settled(call, parts, body, limits).await? {
            Settled::Answer(answer, body) => (answer, body),
            Settled::Link(link) => return self.linked(call, link, limits, began).await,
        };
        if !replayed {
            return Ok(Outcome::Answer(answer, headers));
        }
        // The vendor does not stream this: the decoder makes a stream of the reply that brought the answer.
        let body = Box::pin(stream::iter([Ok(body)]));
        let mut stream = EventStream::new(call, body, &headers, limits, began)?;
        stream.prime().await?;
        Ok(Outcome::Stream(Box::new(stream), headers))
    }

    /// Reads a whole reply, and asks again as long as the protocol says so.
    async fn settled(
        &self,
        call: &Call<'_>,
        mut parts: http::response::Parts,
        mut body: ByteStream,
        limits: &Limits,
    ) -> Result<Settled, Error> {
        let mut asked = None;
        loop {
            let bytes = read_all(body, limits.max_reply).await?;
            let reply = Reply {
                status: parts.status,
                headers: parts.headers,
                body: bytes.clone(),
            };
            let (request, after) = match call.decode(reply)? {
                Step::Done(answer) => return Ok(Settled::Answer(answer, bytes)),
                Step::Fetch { uri, trusted } => return Ok(Settled::Link(Link { uri, trusted })),
                Step::Again { request, after } => (Some(request), after),
                Step::Later(after) => (asked.take(), after),
            };
            let request = request
                .ok_or_else(|| Error::new(Kind::Decode, "an answer that was never asked for"))?;
            asked = Some(request.clone());
            tokio::time::sleep(after).await;
            (parts, body) = self.send(call, request).await?.into_parts();
        }
    }

    /// Several requests of one attempt, a few at a time; the first failure is the attempt's.
    async fn in_parts(
        &self,
        call: &Call<'_>,
        parts: &[Call<'_>],
        limits: &Limits,
    ) -> Result<Outcome, Error> {
        // A list of boxed futures: a closure that borrows would keep this future from being sent between threads.
        let mut sent: Vec<BoxFuture<'_, Result<Outcome, Error>>> = Vec::with_capacity(parts.len());
        for part in parts {
            sent.push(Box::pin(self.single(part, limits)));
        }
        let outcomes: Vec<Outcome> = stream::iter(sent).buffered(AT_ONCE).try_collect().await?;
        let (mut answers, mut last) = (Vec::new(), HeaderMap::new());
        for outcome in outcomes {
            if let Outcome::Answer(answer, headers) = outcome {
                answers.push(answer);
                last = headers;
            }
        }
        Ok(Outcome::Answer(call.join(answers)?, last))
    }

    /// The call with the files that its request must hold; `None` where it needs none, as nearly always.
    async fn filled<'a>(&self, call: &Call<'a>) -> Result<Option<Call<'a>>, Error> {
        let on_disk = |upload: &crate::Upload| matches!(upload.data, Data::Disk(_));
        if call.body.files.iter().any(on_disk) && !call.wire().streams_files(call) {
            let mut filled = call.clone();
            for upload in &mut filled.body.files {
                upload.data = in_memory(&upload.data).await?;
            }
            return Ok(Some(filled));
        }
        let mut urls = call.fetches();
        urls.retain(|url| !call.fetched.contains_key(url));
        urls.sort_unstable();
        urls.dedup();
        if urls.is_empty() {
            return Ok(None);
        }
        let mut filled = call.clone();
        filled.fetched.extend(self.fetcher.fetch(urls).await?);
        Ok(Some(filled))
    }

    async fn send(
        &self,
        call: &Call<'_>,
        request: Request<Outgoing>,
    ) -> Result<http::Response<ByteStream>, Error> {
        self.forward(call.target, request).await
    }

    /// Opens the two-way session that `call` asks for. Dropping the socket hangs up.
    pub async fn open(&self, call: &Call<'_>, limit: Duration) -> Result<Socket, Error> {
        let mut request = call.encode()?;
        self.authorize(call.target, &mut request).await?;
        let dialer = match self.dialing.dialer.get() {
            Some(dialer) => dialer,
            None => {
                let made = Dialer::new(self.dialing.settings.clone())?;
                self.dialing.dialer.get_or_init(|| made)
            }
        };
        dialer
            .open(call.target.provider.name, &request, limit)
            .await
    }

    /// Sends a finished request with `target`'s credential, and returns whatever reply comes as soon as its headers are
    /// there. The body's bytes are the vendor's own.
    pub async fn forward(
        &self,
        target: &Target,
        mut request: Request<Outgoing>,
    ) -> Result<http::Response<ByteStream>, Error> {
        self.authorize(target, &mut request).await?;
        self.transport.send(request).await
    }

    async fn authorize(
        &self,
        target: &Target,
        request: &mut Request<Outgoing>,
    ) -> Result<(), Error> {
        let now = SystemTime::now();
        match &target.credential {
            Credential::Source(source) => {
                let credential = source.get(&*self.transport, now).await?;
                auth::apply(target, &credential, request, now)
            }
            credential => auth::apply(target, credential, request, now),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// A file's bytes, read where that holds up nobody.
async fn in_memory(data: &Data) -> Result<Data, Error> {
    let Data::Disk(stored) = data else {
        return Ok(data.clone());
    };
    let stored = stored.clone();
    let read = tokio::task::spawn_blocking(move || stored.read(0, usize::MAX)).await;
    match read {
        Ok(Ok(bytes)) => Ok(Data::Memory(bytes)),
        _ => Err(Error::new(
            Kind::Upstream,
            "an uploaded file could not be read back",
        )),
    }
}

async fn within<T>(
    limit: Option<Duration>,
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(limit) = limit else {
        return work.await;
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(
            Kind::Timeout,
            format!("{what} did not come within {:.1} s", limit.as_secs_f64()),
        )),
    }
}
