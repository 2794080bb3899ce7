//! Requests in a vendor's own format, handed on as they are: routed, held, read in passing, charged and reported like
//! all others.

mod held;
mod relay;

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::CONTENT_LENGTH,
};
use llm_cost::{Dollars, Measures};
use llm_providers::{
    Client, Error, Kind, Meter, Native, Outgoing, Shown, Target, address, below,
    transport::{ByteStream, read_all},
};
use llm_router::{Ask, Attempt, Attempts, Deployment, Timeouts};
use llm_types::JsonObject;
use tokio::time::timeout;

use crate::{
    Charge, Engine, Failure, Observer, RouteOptions,
    engine::{alone, fail},
    price::Rates,
    record::Reporter,
};

use held::{Bill, Held};
pub use relay::Relay;

/// The longest error of a vendor that is read.
const LONGEST_ERROR: usize = 1 << 20;
/// How long a vendor may be silent where nobody says how long.
const PATIENCE: Duration = Duration::from_secs(600);

/// A request in a vendor's own format.
#[derive(Debug, Clone)]
pub struct Passing {
    /// The request's id.
    pub call_id: String,
    /// Who answers: a group of the router.
    pub group: String,
    /// What the group's own name for its model takes the place of in the path or the body; `false`: the vendor's names
    /// go through as they are.
    pub rename: bool,
    /// How.
    pub method: Method,
    /// The vendor's path, percent-encoded, without a slash at its start.
    pub path: String,
    /// The path stands below the deployment's own address, whatever that is.
    pub below: bool,
    /// Its query.
    pub query: Option<String>,
    /// The headers that go on. None of the caller's credentials are among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Outgoing,
    /// What the path and the body tell.
    pub native: Native,
    /// What it is shown that was made before.
    pub shown: Option<Shown>,
    /// The body, where it is a JSON object; the texts of a form.
    pub fields: JsonObject,
    /// Where in the body a form names its model.
    pub form_model: Option<Range<u64>>,
    /// What a request costs, whatever it brings.
    pub flat: Option<Dollars>,
    /// Tags, time limits, and which of a group's deployments answers. Who else might is not asked.
    pub route: Box<RouteOptions>,
    /// Is told how it ended.
    pub observer: Option<Arc<dyn Observer>>,
}

/// A vendor's reply, whatever its status.
#[derive(Debug)]
pub struct Passed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who replied.
    pub deployment: Arc<Deployment>,
    /// The model, where one is named.
    pub model: String,
    /// Until its headers came.
    pub upstream: Duration,
    /// Its body.
    pub body: PassedBody,
}

/// The body of a vendor's reply.
#[derive(Debug)]
pub enum PassedBody {
    /// All of it, and what it costs.
    Whole(Bytes, Charge),
    /// As it comes, and what it costs where that does not depend on what comes.
    Relay(Box<Relay>, Charge),
}

/// What one attempt brought.
struct Begun {
    reply: Response<ByteStream>,
    target: Target,
    native: Native,
    asks_for_usage: bool,
    timeouts: Timeouts,
    took: Duration,
}

/// A request as a vendor gets it.
struct Encoded {
    request: Request<Outgoing>,
    native: Native,
    /// It asks for the usage of its stream, and the client did not.
    asks_for_usage: bool,
}

/// Makes the one attempt of a request.
struct Forwarding<'a> {
    client: &'a Client,
    request: &'a Passing,
}

impl Engine {
    /// Hands a request on. An error is the gateway's or the network's own: what the vendor refuses is a reply.
    pub async fn pass(&self, request: Passing) -> Result<Passed, Box<Failure>> {
        let started = Instant::now();
        let named = match request.native.model.as_str() {
            "" => request.group.clone(),
            model => model.to_owned(),
        };
        let (call_id, op) = (request.call_id.clone(), request.native.op);
        let observer = request.observer.clone();
        let stream = request.native.stream;
        let mut reporter = Reporter::new(call_id.clone(), op, named.clone(), stream, observer);
        let Some(router) = self.router() else {
            let error = Error::bad_request("model", "there is no router");
            return Err(fail(&mut reporter, call_id, named, alone(error)));
        };
        // A reply in a vendor's own format can only be its own: nobody else is asked, and clients retry by themselves.
        let ask = Ask {
            stream,
            num_retries: Some(0),
            disable_fallbacks: true,
            timeouts: request.route.timeouts,
            tags: request.route.tags.clone(),
            inherited_tags: request.route.inherited_tags.clone(),
            tag_filtering: request.route.tag_filtering,
            strategy: request.route.strategy.clone(),
            ..Ask::new(&*request.group)
        };
        let forwarding = Forwarding {
            client: self.http(),
            request: &request,
        };
        let routed = match router.run(&ask, &forwarding).await {
            Ok(routed) => routed,
            Err(failed) => return Err(fail(&mut reporter, call_id, named, *failed)),
        };
        let (begun, lease) = (routed.value, routed.lease);
        let deployment = Arc::clone(lease.deployment());
        let trace = routed.journey.into_trace();
        reporter.note(|record| {
            record.deployment = Some(Arc::clone(&deployment));
            record.group = Some(deployment.group.clone());
            record.trace = trace;
        });
        let model = begun.native.model.clone();
        let bill = Bill {
            rates: Rates {
                prices: Arc::clone(self.prices()),
                deployment: Arc::clone(&deployment),
                model: model.clone(),
                measures: Measures::default(),
                started,
            },
            flat: request.flat,
        };
        let upstream = begun.took;
        let (mut head, body) = begun.reply.into_parts();
        let held = Held {
            lease: Some(lease),
            reporter,
            bill,
            spent: Meter::beforehand(&begun.target, &begun.native, &request.fields),
            asked: begun.native.op.map(|op| (op, request.fields.clone())),
            // What costs the same whatever it brings, does so here, too.
            shown: request.shown.clone().filter(|_| request.flat.is_none()),
        };
        let meter = match &held.shown {
            Some(shown) => Meter::of_shown(&begun.target, shown, &head.headers),
            None => Meter::new(&begun.target, &begun.native, &request.fields, &head.headers),
        };
        let patience = begun.timeouts.stall.or(begun.timeouts.total);
        let body = if !is_good(head.status) {
            held.refused(&begun.target, head.status, &head.headers, body)
                .await
        } else if meter.as_ref().is_some_and(Meter::is_whole) {
            let limit = begun.timeouts.total.unwrap_or(PATIENCE);
            match whole(body, limit).await {
                Ok(bytes) => held.answered(meter, bytes),
                Err(error) => return Err(held.broke(call_id, named, error)),
            }
        } else {
            let patience = patience.unwrap_or(PATIENCE);
            let charge = match &held.spent {
                Some(spent) => held.bill.charge(Some(spent)),
                None => held.bill.beforehand(),
            };
            let length = head.headers.get(CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
            // Nobody asks for the bytes of a body that has none.
            let is_empty = length == Some(0)
                || request.method == Method::HEAD
                || matches!(
                    head.status,
                    StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
                );
            let mut relay = Relay::new(body, meter, held, patience, length);
            if is_empty {
                relay.end();
            }
            if begun.asks_for_usage {
                head.headers.remove(CONTENT_LENGTH);
                relay = relay.without_usage();
            }
            PassedBody::Relay(Box::new(relay), charge)
        };
        Ok(Passed {
            status: head.status,
            headers: head.headers,
            deployment,
            model,
            upstream,
            body,
        })
    }
}

impl Attempts for Forwarding<'_> {
    type Answer = Begun;

    async fn make(&self, attempt: Attempt<'_>) -> Result<Begun, Error> {
        let target = attempt.target.into_owned();
        let timeouts = attempt.timeouts;
        let Encoded {
            request,
            native,
            asks_for_usage,
        } = self.request.encode(&target)?;
        let limit = timeouts.first_byte.or(timeouts.stall).or(timeouts.total);
        let limit = limit.unwrap_or(PATIENCE);
        let began = Instant::now();
        let sent = timeout(limit, self.client.forward(&target, request)).await;
        let reply = sent.map_err(|_| silent(limit).of(target.provider.name))??;
        Ok(Begun {
            reply,
            target,
            native,
            asks_for_usage,
            timeouts,
            took: began.elapsed(),
        })
    }
}

impl Passing {
    /// The request as `target` gets it.
    fn encode(&self, target: &Target) -> Result<Encoded, Error> {
        let mut path = self.path.as_str().into();
        let mut native = self.native.clone();
        let renames = self.rename && !target.model.is_empty();
        let mut body = self.body.clone();
        let is_object = |bytes: &Bytes| bytes.trim_ascii_start().starts_with(b"{");
        let object = self.body.bytes().filter(|bytes| is_object(bytes));
        let asking = object.and_then(|_| native.asking_for_usage(target, &self.fields));
        let asks_for_usage = asking.is_some();
        if renames && native.is_named_in_body() {
            body = self.renamed(&target.model, asking);
        } else if let Some(asking) = asking {
            body = asking.to_bytes().into();
        }
        if renames {
            path = native.path_for(&self.path, &target.model)?;
            native.model.clone_from(&target.model);
        }
        let query = self.query.as_deref();
        let uri = match self.below {
            true => below(target, &path, query)?,
            false => address(target, &path, query)?,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let mut headers = self.headers.clone();
        for (name, value) in &target.headers {
            let (Ok(key), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
            else {
                return Err(Error::bad_request(name, "this header cannot be sent"));
            };
            headers.insert(key, value);
        }
        if !request.body().is_empty() {
            headers.insert(CONTENT_LENGTH, request.body().len().into());
        }
        *request.headers_mut() = headers;
        Ok(Encoded {
            request,
            native,
            asks_for_usage,
        })
    }

    /// The body with the vendor's name of the model; `other` fields in the place of the client's.
    fn renamed(&self, model: &str, other: Option<JsonObject>) -> Outgoing {
        if let Some(place) = self.form_model.clone() {
            return self.body.with(place, model.to_owned());
        }
        let mut fields = other.unwrap_or_else(|| self.fields.clone());
        fields.set_str("model", model);
        fields.to_bytes().into()
    }
}

fn is_good(status: StatusCode) -> bool {
    !status.is_client_error() && !status.is_server_error()
}

async fn whole(body: ByteStream, limit: Duration) -> Result<Bytes, Error> {
    const LONGEST: usize = 512 << 20;
    let read = timeout(limit, read_all(body, LONGEST)).await;
    read.map_err(|_| silent(limit))?
}

/// A body's beginning.
fn limited(body: ByteStream) -> ByteStream {
    let mut left = LONGEST_ERROR;
    Box::pin(body.take_while(move |piece| {
        let length = piece.as_ref().map_or(0, Bytes::len);
        let fits = left >= length;
        left = left.saturating_sub(length);
        std::future::ready(fits)
    }))
}

fn silent(limit: Duration) -> Error {
    let seconds = limit.as_secs_f64();
    Error::new(
        Kind::Timeout,
        format!("the answer did not come within {seconds:.1} s"),
    )
}
