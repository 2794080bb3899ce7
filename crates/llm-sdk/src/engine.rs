//! The life of one request.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::HeaderMap;
use llm_providers::{
    Body as CallBody, Call, CallOptions, Client, Error, Limits, Notice, Outcome as Sent, Payload,
    bridges, transport::TransportSettings,
};
use llm_router::{Ask, Attempt, Deployment, Failed, Router, Settings};
use llm_types::{JsonObject, Op, Usage};

use crate::{
    AnswerStream, Body, Failure, Meta, Outcome, Request, Response, demo, deploy, mock, price,
    record::Reporter, restamp::restamp, surroundings::Process,
};

/// Makes requests. Holds a router's configuration and a connection pool; cheap to clone, and a new configuration is a
/// new engine over the same client.
#[derive(Debug, Clone)]
pub struct Engine {
    router: Option<Arc<Router>>,
    client: Client,
}

/// What one attempt brought, before it is put into the client's dialect.
struct Attempted {
    sent: Sent,
    bridge: Option<&'static dyn bridges::Bridge>,
    body: JsonObject,
    model: String,
    notices: Vec<Notice>,
    took: Duration,
}

impl Engine {
    /// An engine that calls whatever model a request names, with keys from the environment: no router.
    pub fn direct() -> Result<Self, Error> {
        Ok(Self {
            router: None,
            client: Self::client(&TransportSettings::default())?,
        })
    }

    /// An engine that routes.
    pub fn routed(router: Arc<Router>, client: Client) -> Self {
        Self {
            router: Some(router),
            client,
        }
    }

    /// A client for engines: the network, and the demo model beside it.
    pub fn client(settings: &TransportSettings) -> Result<Client, Error> {
        Ok(Client::over(Arc::new(demo::Demo::beside(
            Client::transport(settings)?,
        ))))
    }

    /// The router, where there is one.
    pub fn router(&self) -> Option<&Arc<Router>> {
        self.router.as_ref()
    }

    /// The client.
    pub fn http(&self) -> &Client {
        &self.client
    }

    /// Answers a request: route, translate, attempt, retry, count, price, report.
    pub async fn call(&self, request: Request) -> Result<Response, Failure> {
        let Request {
            op,
            model,
            route_as,
            mut body,
            options,
            route,
            call_id,
            restamp,
            observer,
        } = request;
        let stream = body.is_true("stream");
        let mut reporter = Reporter::new(call_id.clone(), op, model.clone(), stream, observer);
        let single;
        let router = match &self.router {
            Some(router) => router,
            None => match deploy::direct(&body, &Process) {
                Ok((router, stripped)) => {
                    body = stripped;
                    single = Arc::new(router);
                    &single
                }
                Err(error) => {
                    let failed = Failed {
                        error,
                        fallback_error: None,
                        trace: Default::default(),
                    };
                    return Err(fail(&mut reporter, call_id, model, failed));
                }
            },
        };
        let ask = Ask {
            model: route_as.as_deref().unwrap_or(&model),
            stream,
            num_retries: route.num_retries,
            fallbacks: route.fallbacks.clone(),
            disable_fallbacks: route.disable_fallbacks,
            timeouts: route.timeouts,
        };
        if let Some(mock) = &route.mock {
            let routed = router
                .run(&ask, async |attempt| {
                    mock::attempt(mock, op, &body, &attempt).await
                })
                .await;
            return match routed {
                Ok(routed) => Ok(mock::response(
                    routed, op, &body, model, call_id, restamp, reporter,
                )),
                Err(failed) => Err(fail(&mut reporter, call_id, model, failed)),
            };
        }
        let routed = match router
            .run(&ask, async |attempt| {
                self.attempt(op, &body, &options, attempt).await
            })
            .await
        {
            Ok(routed) => routed,
            Err(failed) => return Err(fail(&mut reporter, call_id, model, failed)),
        };
        let took = reporter.elapsed();
        let attempted = routed.value;
        // After a fallback the client is told who really answered.
        let name = (restamp
            && routed.trace.fallbacks == 0
            && matches!(op, Op::Chat | Op::Completion | Op::Embedding | Op::Messages))
        .then(|| model.clone());
        reporter.note(|record| {
            record.deployment = Some(Arc::clone(&routed.deployment));
            record.group = Some(routed.group.clone());
            record.trace = routed.trace.clone();
            record.first_event = stream.then_some(took);
        });
        let mut meta = Meta {
            call_id,
            op,
            requested: model,
            group: routed.group,
            deployment: routed.deployment,
            model: attempted.model,
            trace: routed.trace,
            notices: attempted.notices,
            headers: HeaderMap::new(),
            took,
            upstream: attempted.took,
        };
        let body = match attempted.sent {
            Sent::Stream(events, headers) => {
                meta.headers = headers;
                let bridge = attempted
                    .bridge
                    .map(|bridge| bridge.stream(&attempted.body));
                Body::Stream(AnswerStream::vendor(
                    events,
                    bridge,
                    name,
                    Arc::clone(&meta.deployment),
                    reporter,
                ))
            }
            Sent::Answer(answer, headers) => {
                meta.headers = headers;
                let usage = answer.usage.clone();
                match whole(answer, attempted.bridge, &attempted.body, name.as_deref()) {
                    Ok((bytes, content_type)) => {
                        finish(bytes, content_type, usage, &meta.deployment, reporter)
                    }
                    Err(error) => {
                        let failed = Failed {
                            error,
                            fallback_error: None,
                            trace: meta.trace,
                        };
                        return Err(fail(&mut reporter, meta.call_id, meta.requested, failed));
                    }
                }
            }
        };
        Ok(Response { meta, body })
    }

    /// One attempt at one deployment: into its dialect, over the network.
    async fn attempt(
        &self,
        op: Op,
        body: &JsonObject,
        options: &CallOptions,
        attempt: Attempt<'_>,
    ) -> Result<Attempted, Error> {
        let body = with_defaults(body, &attempt);
        let options = merged(&attempt.deployment.options, options);
        let bridge = bridges::between(op, attempt.target.provider)?;
        let (spoken, outgoing) = match bridge {
            None => (op, body.clone()),
            Some(bridge) => (Op::Chat, bridge.request(&body)?),
        };
        let call = Call::prepare(spoken, &attempt.target, CallBody::Json(outgoing), &options)?;
        let limits = Limits {
            first_byte: attempt.timeouts.first_byte,
            stall: attempt.timeouts.stall,
            total: attempt.timeouts.total.or(Limits::default().total),
            ..Limits::default()
        };
        let started = Instant::now();
        let sent = self.client.call(&call, &limits).await?;
        let (notices, model) = (call.notices, attempt.target.model.clone());
        Ok(Attempted {
            sent,
            bridge,
            body,
            model,
            notices,
            took: started.elapsed(),
        })
    }
}

/// The client's body, with what the deployment and the fallback say where it is silent.
fn with_defaults(body: &JsonObject, attempt: &Attempt<'_>) -> JsonObject {
    let mut body = body.clone();
    for (key, value) in attempt.deployment.defaults.iter() {
        if !body.contains(key) {
            body.set_raw(key.to_owned(), value.clone());
        }
    }
    for (key, value) in attempt.overrides {
        body.set(key.clone(), value);
    }
    body
}

/// The request's options over the deployment's.
fn merged<'a>(deployment: &'a CallOptions, request: &'a CallOptions) -> Cow<'a, CallOptions> {
    if *request == CallOptions::default() {
        return Cow::Borrowed(deployment);
    }
    if *deployment == CallOptions::default() {
        return Cow::Borrowed(request);
    }
    let mut all = deployment.clone();
    all.drop_params |= request.drop_params;
    all.modify_params |= request.modify_params;
    all.additional_drop_params
        .extend(request.additional_drop_params.iter().cloned());
    all.allowed_openai_params
        .extend(request.allowed_openai_params.iter().cloned());
    all.merge_headers(request.extra_headers.clone());
    for (key, value) in request.extra_body.0.iter() {
        all.extra_body.0.set_raw(key.to_owned(), value.clone());
    }
    all.extra_query.extend(request.extra_query.iter().cloned());
    Cow::Owned(all)
}

/// A whole answer in the client's dialect.
fn whole(
    answer: llm_providers::Answer,
    bridge: Option<&'static dyn bridges::Bridge>,
    body: &JsonObject,
    model: Option<&str>,
) -> Result<(Bytes, String), Error> {
    const JSON: &str = "application/json";
    if let Some(bridge) = bridge {
        let bytes = bridge.response(body, answer.into_chat()?)?;
        return Ok((
            model.map_or_else(|| bytes.clone(), |model| restamp(bytes.clone(), model)),
            JSON.into(),
        ));
    }
    match answer.payload {
        Payload::Raw { body, content_type } => match model {
            Some(model) if content_type.starts_with(JSON) => {
                Ok((restamp(body, model), content_type))
            }
            _ => Ok((body, content_type)),
        },
        Payload::Chat(mut response) => {
            if let Some(model) = model {
                model.clone_into(&mut response.model);
            }
            Ok((
                llm_providers::Answer::chat(*response).into_bytes()?,
                JSON.into(),
            ))
        }
    }
}

/// Prices and reports a whole answer.
pub(crate) fn finish(
    bytes: Bytes,
    content_type: String,
    usage: Option<Usage>,
    deployment: &Arc<Deployment>,
    mut reporter: Reporter,
) -> Body {
    let charge = price::charge(deployment, usage.as_ref());
    reporter.note(|record| {
        record.usage.clone_from(&usage);
        record.charge = charge.clone();
    });
    reporter.report(Outcome::Answered);
    Body::Whole {
        bytes,
        content_type,
        usage,
        charge,
    }
}

fn fail(reporter: &mut Reporter, call_id: String, requested: String, failed: Failed) -> Failure {
    reporter.note(|record| record.trace = failed.trace.clone());
    reporter.fail(&failed.error);
    Failure {
        error: failed.error,
        fallback_error: failed.fallback_error,
        call_id,
        requested,
        trace: failed.trace,
    }
}

/// A router for one deployment.
pub(crate) fn single(deployment: Deployment) -> Result<Router, Error> {
    let settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    Router::new(vec![deployment], settings)
        .map_err(|e| Error::new(llm_providers::Kind::BadRequest, e.to_string()))
}
