//! Attempts over the network: into the vendor's dialect, there and back.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use llm_providers::{
    Body as CallBody, Call, CallOptions, Client, Error, Kind, Limits, Notice, Outcome as Sent,
    Upload, bridges,
    resolve::{Nothing, Surroundings},
};
use llm_router::{Attempt, Attempts, Finish};
use llm_types::{JsonObject, Op, Verb};

use crate::{
    continuation::{Carry, Way},
    deploy,
    ledger::{self, Ledger},
    mock::{self, Voice},
    refusal,
    request::{self, Mock, OwnPlace},
    responses::Recalled,
    surroundings::Process,
};

/// Makes the attempts of one request. Owned, so that a stream can have more of them made.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) client: Client,
    pub(crate) op: Op,
    pub(crate) verb: Verb,
    /// What is asked for, by the vendor's own id.
    pub(crate) id: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: JsonObject,
    pub(crate) files: Vec<Upload>,
    pub(crate) options: Arc<CallOptions>,
    /// What the request builds on.
    pub(crate) recalled: Arc<Recalled>,
    /// The request may say where it goes and with which key.
    pub(crate) own_place: OwnPlace,
    pub(crate) malformed_events: u32,
    /// The answer to go on with, where one has begun.
    pub(crate) carry: Option<Carry>,
    /// Where it is noted what brought nothing.
    pub(crate) ledger: Option<Arc<Ledger>>,
}

/// What one attempt brought, before it is put into the client's dialect.
pub(crate) struct Attempted {
    pub(crate) sent: Sent,
    pub(crate) bridged: Option<Bridged>,
    pub(crate) model: String,
    pub(crate) notices: Vec<Notice>,
    pub(crate) took: Duration,
    /// The dialect in which the vendor was asked.
    pub(crate) spoken: Op,
    /// How it goes on with an answer, where it does.
    pub(crate) way: Option<Way>,
    /// An answer that the vendor's filter stops counts as a failure.
    pub(crate) filtered: bool,
}

/// What turns an answer into the dialect of the body that asked for it.
pub(crate) struct Bridged {
    pub(crate) bridge: &'static dyn bridges::Bridge,
    pub(crate) body: JsonObject,
}

impl Attempts for Network {
    type Answer = Attempted;

    /// One attempt at one deployment.
    async fn make(&self, mut attempt: Attempt<'_>) -> Result<Attempted, Error> {
        let mut body = with_defaults(&self.body, &attempt);
        if attempt
            .deployment
            .defaults
            .iter()
            .any(|(key, _)| Mock::KEYS.contains(&key))
            && let Some(mock) = request::mock(&mut body)?
            && self.verb == Verb::Create
        {
            return Box::pin(self.canned(attempt, body, mock)).await;
        }
        let around: Option<&dyn Surroundings> = match self.own_place {
            OwnPlace::Refused => None,
            OwnPlace::Literal => Some(&Nothing),
            OwnPlace::Trusted => Some(&Process),
        };
        if let Some(around) = around
            && let Some(moved) = deploy::own_place(&attempt.target, &mut body, around)?
        {
            attempt.target = Cow::Owned(moved);
        }
        self.ask(&attempt, body).await
    }

    fn outpaced(&self, attempt: Attempt<'_>, held: Duration) -> Finish {
        self.ledger.as_ref().map_or_else(Finish::default, |ledger| {
            ledger.outpaced(self.op, &self.body, &attempt, held)
        })
    }
}

impl Network {
    /// Asks for an answer, or for the rest of one.
    async fn ask(&self, attempt: &Attempt<'_>, body: JsonObject) -> Result<Attempted, Error> {
        match &self.carry {
            None => self.fresh(attempt, body).await,
            // On the heap, as few answers break.
            Some(carry) => Box::pin(self.carried(attempt, &body, carry)).await,
        }
    }

    /// Asks for the rest of an answer.
    async fn carried(
        &self,
        attempt: &Attempt<'_>,
        body: &JsonObject,
        carry: &Carry,
    ) -> Result<Attempted, Error> {
        match self.rest(attempt, body, carry, true).await {
            // The model may not take a beginning of its answer, whatever is known of it.
            Err((Some(Way::Prefill), error)) if error.kind == Kind::BadRequest => {
                let again = self.rest(attempt, body, carry, false).await;
                again.map_err(|(_, error)| error)
            }
            other => other.map_err(|(_, error)| error),
        }
    }

    /// The answer that a deployment's own parameters give.
    async fn canned(
        &self,
        mut attempt: Attempt<'_>,
        body: JsonObject,
        mock: Mock,
    ) -> Result<Attempted, Error> {
        mock::rehearse(&mock, &attempt).await?;
        attempt.target = Cow::Owned(Voice::stand_in(&attempt.target)?);
        let client = Client::over(Arc::new(Voice(mock)));
        let voiced = Self {
            client,
            ..self.clone()
        };
        voiced.ask(&attempt, body).await
    }

    /// The client's request.
    async fn fresh(&self, attempt: &Attempt<'_>, body: JsonObject) -> Result<Attempted, Error> {
        let options = merged(&attempt.deployment.options, &self.options);
        let creates = self.verb == Verb::Create;
        let bridge = match creates {
            true => bridges::between(self.op, &attempt.target)?,
            false => None,
        };
        let whole = match creates {
            true => self.recalled.whole(&body, bridge.is_some())?,
            false => None,
        };
        let (spoken, outgoing, bridged) = match bridge {
            None => (self.op, whole.unwrap_or(body), None),
            Some(bridge) => {
                let outgoing = bridge.request(whole.as_ref().unwrap_or(&body), &options)?;
                (Op::Chat, outgoing, Some(Bridged { bridge, body }))
            }
        };
        let mut made = self.send(attempt, spoken, outgoing, &options).await?;
        if let Some(bridged) = &bridged {
            made.notices
                .extend(bridged.bridge.losses(&bridged.body, &options));
        }
        made.bridged = bridged;
        Ok(made)
    }

    /// The request for the rest of an answer.
    async fn rest(
        &self,
        attempt: &Attempt<'_>,
        body: &JsonObject,
        carry: &Carry,
        prefill: bool,
    ) -> Result<Attempted, (Option<Way>, Error)> {
        let options = merged(&attempt.deployment.options, &self.options);
        let rest = self
            .recalled
            .whole(body, !attempt.target.speaks(self.op))
            .and_then(|whole| {
                let body = whole.as_ref().unwrap_or(body);
                carry.request(self.op, body, &attempt.target, &options, prefill)
            })
            .map_err(|error| (None, error))?;
        let way = Some(rest.way);
        let sent = self.send(attempt, rest.op, rest.body, &options).await;
        let mut made = sent.map_err(|error| (way, error))?;
        made.way = way;
        Ok(made)
    }

    async fn send(
        &self,
        attempt: &Attempt<'_>,
        spoken: Op,
        body: JsonObject,
        options: &CallOptions,
    ) -> Result<Attempted, Error> {
        let (target, files) = (&attempt.target, self.files.clone());
        let mut body = CallBody {
            fields: body,
            files,
        };
        // Where nothing but routing wants to know it, no vendor does.
        if !spoken.names_model() || (self.verb != Verb::Create && !self.verb.has_body()) {
            body.fields.remove("model");
        }
        let call = match self.verb {
            Verb::Create => Call::prepare(spoken, target, body, options)?,
            verb => {
                let id = self.id.clone();
                let mut call = Call::resource(spoken, verb, id, target, body, options)?;
                call.query.clone_from(&self.query);
                call.stream |= request::streams_again(self.op, verb, &self.query);
                call
            }
        };
        let limits = self.limits(attempt, call.stream);
        let started = Instant::now();
        let sent = self.client.call(&call, &limits).await?;
        if attempt.refusal_fails
            && let Sent::Answer(answer, _) = &sent
            && refusal::is_whole(spoken, &answer.payload)
        {
            if let Some(ledger) = &self.ledger {
                ledger.refused(&self.body, attempt, answer.usage.clone());
            }
            return Err(ledger::stopped(attempt.target.provider.name));
        }
        Ok(Attempted {
            sent,
            bridged: None,
            model: attempt.target.model.clone(),
            notices: call.notices,
            took: started.elapsed(),
            spoken,
            way: None,
            filtered: attempt.refusal_fails,
        })
    }

    /// Where nobody says anything, no wait takes longer than LiteLLM's ten minutes; a stream as a whole may.
    fn limits(&self, attempt: &Attempt<'_>, stream: bool) -> Limits {
        let timeouts = attempt.timeouts;
        let usual = Limits::default();
        let each = timeouts.stream.or(usual.total).filter(|_| stream);
        Limits {
            first_byte: timeouts.first_byte.or(each),
            first_content: timeouts.first_byte.filter(|_| stream),
            stall: timeouts.stall.or(each),
            total: timeouts.total.or(usual.total.filter(|_| !stream)),
            malformed_events: self.malformed_events,
            ..usual
        }
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
