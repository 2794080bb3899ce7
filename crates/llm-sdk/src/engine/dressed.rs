//! What an attempt brought, as its client sees it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use llm_cost::Measures;
use llm_providers::{Error, EventStream, Outcome as Sent, Payload};
use llm_router::{Failed, Journey, Lease, Routed, StreamFailover};
use llm_types::{JsonObject, Op, Usage, Verb};

use super::{begun::Begun, ended, place::Placed};
use crate::{
    AnswerStream, Body, ByteAnswer, Engine, Failure, Meta, Outcome, Response, answer_id,
    continuation::Onward,
    dress::Wardrobe,
    mock,
    network::{Attempted, Bridged},
    price::Rates,
    record::Reporter,
    responses::Keeper,
    restamp::Stamp,
    settled::{self, Bill},
};

/// What an answer is dressed with.
struct Dress {
    wardrobe: Wardrobe,
    stamp: Stamp,
    keeper: Option<Keeper>,
    rates: Rates,
    lease: Lease,
}

impl Engine {
    /// The canned answer to a request that asks for one.
    pub(super) async fn canned(
        &self,
        begun: Begun,
        placed: Placed,
    ) -> Result<Response, Box<Failure>> {
        let Placed {
            router,
            ask,
            network,
            mock,
            ..
        } = placed;
        let (op, body) = (begun.op, &network.body);
        let mock = &mock.unwrap_or_default();
        let canned = mock::Canned { mock, op, body };
        let routed = match router.run(&ask, &canned).await {
            Ok(routed) => routed,
            Err(failed) => return Err(begun.fail(*failed)),
        };
        let asked = mock::Asked {
            op,
            body,
            model: begun.model,
            call_id: begun.call_id,
            restamp: begun.restamp,
            prices: &self.prices,
        };
        let mut response = mock::response(routed, asked, begun.reporter);
        response.meta.room = router.room(&response.meta.group);
        Ok(response)
    }

    /// The response of what an attempt brought.
    pub(super) fn dressed(
        &self,
        mut begun: Begun,
        placed: Placed,
        routed: Routed<Attempted>,
    ) -> Result<Response, Box<Failure>> {
        let (attempted, lease) = (routed.value, routed.lease);
        let deployment = Arc::clone(lease.deployment());
        let group = routed.journey.group().to_owned();
        // A stream that breaks goes on with its journey.
        let (trace, journey) = match begun.stream {
            true => (routed.journey.trace().clone(), Some(routed.journey)),
            false => (routed.journey.into_trace(), None),
        };
        let took = begun.reporter.elapsed();
        begun.reporter.note(|record| {
            record.deployment = Some(Arc::clone(&deployment));
            record.group = Some(group.clone());
            record.trace = trace.clone();
            record.first_event = begun.stream.then_some(took);
        });
        let meta = Meta {
            call_id: begun.call_id.clone(),
            op: begun.op,
            verb: begun.verb,
            requested: begun.model.clone(),
            group,
            deployment,
            model: attempted.model.clone(),
            trace,
            notices: attempted.notices.clone(),
            headers: HeaderMap::new(),
            room: None,
            took,
            upstream: attempted.took,
        };
        let dress = self.dress(&begun, &placed, &meta, attempted.bridged.is_some(), lease);
        respond(begun, placed, meta, attempted, dress, journey)
    }

    fn dress(
        &self,
        begun: &Begun,
        placed: &Placed,
        meta: &Meta,
        bridged: bool,
        lease: Lease,
    ) -> Dress {
        let body = &placed.network.body;
        let wardrobe = Wardrobe {
            op: begun.op,
            call_id: begun.call_id.clone(),
            name: begun.restamp.then(|| begun.model.clone()),
            ids: self.router.is_some().then(|| self.ids.clone()),
            responses: Arc::clone(&self.responses),
            recalled: Arc::clone(&placed.network.recalled),
        };
        let (stamp, keeper) = wardrobe.of(body, &meta.deployment, bridged, &meta.trace);
        let mut measures = Measures::of(begun.op, body, None);
        if begun.op == Op::Chat || bridged {
            measures.expect_searches(&meta.model, body);
        }
        let rates = Rates {
            prices: Arc::clone(&self.prices),
            deployment: Arc::clone(&meta.deployment),
            model: meta.model.clone(),
            measures,
            started: begun.started,
        };
        Dress {
            wardrobe,
            stamp,
            keeper,
            rates,
            lease,
        }
    }
}

fn respond(
    mut begun: Begun,
    placed: Placed,
    mut meta: Meta,
    attempted: Attempted,
    dress: Dress,
    journey: Option<Box<Journey>>,
) -> Result<Response, Box<Failure>> {
    meta.room = placed.router.room(&meta.group);
    let (bridged, filtered) = (attempted.bridged, attempted.filtered);
    let body = match attempted.sent {
        Sent::Stream(events, headers) => {
            meta.headers = headers;
            streamed(begun, placed, events, bridged, filtered, dress, journey)
        }
        Sent::Bytes(download, headers) => {
            meta.headers = headers;
            let Dress { rates, lease, .. } = dress;
            let file = placed.network.id;
            Body::Bytes(Box::new(ByteAnswer::new(
                download,
                rates,
                file,
                lease,
                begun.reporter,
            )))
        }
        Sent::Answer(mut answer, headers) => {
            meta.headers = headers;
            let mut usage = answer.usage.take();
            let mut dress = dress;
            if let (Some(_), Payload::Raw { body, .. }) = (&bridged, &answer.payload) {
                dress.rates.measures.saw(body);
            }
            let late = begun.op == Op::Responses && usage.is_some() && is_late(&begun, &placed);
            if let (true, Payload::Raw { body, .. }) = (late, &answer.payload) {
                match dress.rates.late(body) {
                    Some(id) => begun.reporter.note(|record| record.bill = Some(id)),
                    None => usage = None,
                }
            }
            let (bytes, content_type) = match whole(answer, bridged.as_ref(), &dress.stamp) {
                Ok(whole) => whole,
                Err(error) => {
                    return Err(begun.fail(Failed {
                        error,
                        fallback_error: None,
                        trace: meta.trace,
                    }));
                }
            };
            let Dress {
                stamp,
                keeper,
                mut rates,
                lease,
                ..
            } = dress;
            let bytes = match begun.op {
                Op::ImageGeneration | Op::ImageEdit | Op::ImageVariation => {
                    images(bytes, &stamp, &placed.network.body, &mut rates)
                }
                Op::Video if matches!(begun.verb, Verb::Create | Verb::Remix) => {
                    let ordered = Ordered {
                        asked: &placed.network.body,
                        rates: &mut rates,
                        usage: &mut usage,
                    };
                    ordered.video(bytes, &stamp)
                }
                Op::Responses if late => bytes,
                Op::Chat | Op::Responses if bridged.is_none() => {
                    rates.used(begun.op, &placed.network.body, &bytes);
                    bytes
                }
                Op::Batch => {
                    let id = placed.network.id.as_deref().unwrap_or_default();
                    let consumed = usage.take();
                    if let Some(bill) = ended_batch(&bytes, id, consumed, &mut rates) {
                        usage = Some(bill.usage);
                        begun.reporter.note(|record| record.bill = Some(bill.id));
                    }
                    bytes
                }
                _ => bytes,
            };
            if let Some(keeper) = keeper {
                keeper.keep(&bytes);
            }
            finish(bytes, content_type, usage, &rates, lease, begun.reporter)
        }
    };
    Ok(Response { meta, body })
}

fn streamed(
    begun: Begun,
    placed: Placed,
    events: Box<EventStream>,
    bridged: Option<Bridged>,
    filtered: bool,
    dress: Dress,
    journey: Option<Box<Journey>>,
) -> Body {
    let Dress {
        wardrobe,
        stamp,
        keeper,
        rates,
        lease,
    } = dress;
    let bridge = bridged.map(|bridged| {
        let stream = bridged.bridge.stream(&bridged.body);
        match keeper {
            Some(keeper) => keeper.over(stream),
            None => stream,
        }
    });
    // What is only told once more is nobody else's to go on with.
    let mode = match begun.verb {
        Verb::Create => placed.failover,
        _ => StreamFailover::Off,
    };
    let onward = Onward {
        router: placed.router,
        ask: placed.ask,
        network: placed.network,
        journey,
        wardrobe,
        mode,
        filtered,
    };
    Body::Stream(Box::new(AnswerStream::vendor(
        events,
        bridge,
        stamp,
        rates,
        lease,
        begun.reporter,
        onward,
    )))
}

/// A whole answer in the client's dialect.
fn whole(
    answer: llm_providers::Answer,
    bridged: Option<&Bridged>,
    stamp: &Stamp,
) -> Result<(Bytes, String), Error> {
    const JSON: &str = "application/json";
    if let Some(Bridged { bridge, body }) = bridged {
        let mut chat = answer.into_chat()?;
        stamp.response(&mut chat);
        return Ok((bridge.response(body, chat)?, JSON.into()));
    }
    match answer.payload {
        Payload::Raw { body, content_type } if content_type.starts_with(JSON) => {
            Ok((stamp.json(body), content_type))
        }
        Payload::Raw { body, content_type } => Ok((body, content_type)),
        Payload::Chat(mut response) => {
            stamp.response(&mut response);
            let bytes = llm_providers::Answer::chat(*response).into_bytes()?;
            Ok((bytes, JSON.into()))
        }
    }
}

/// Whether a response is told that may have been paid for when it was told before: one of the background.
fn is_late(begun: &Begun, placed: &Placed) -> bool {
    match begun.verb {
        // It may be whole at once.
        Verb::Create => placed.network.body.is_true("background"),
        verb => matches!(verb, Verb::Get | Verb::Cancel),
    }
}

/// An answer of images, with the time if its vendor did not say it. What was made is what is billed.
fn images(bytes: Bytes, stamp: &Stamp, asked: &JsonObject, rates: &mut Rates) -> Bytes {
    let Ok(mut answer) = JsonObject::parse(&bytes) else {
        return bytes;
    };
    rates.measures = Measures::of(Op::ImageGeneration, asked, Some(&answer));
    match answer.get::<u64>("created") {
        Ok(Some(1..)) => bytes,
        _ => {
            answer.set("created", &stamp.created());
            answer.to_bytes()
        }
    }
}

/// The bill of a batch that is over, where it says what it consumed and nobody was told yet.
fn ended_batch(
    bytes: &Bytes,
    id: &str,
    consumed: Option<Usage>,
    rates: &mut Rates,
) -> Option<Bill> {
    let batch = JsonObject::parse(bytes).ok()?;
    let model = batch.str("model").unwrap_or_default().into_owned();
    let bill = settled::bill(rates, id, &[(model.clone(), consumed?)])?;
    rates.measures.batch = true;
    if !model.is_empty() {
        rates.model = model;
    }
    Some(bill)
}

/// What was ordered, and what that consumes.
struct Ordered<'a> {
    asked: &'a JsonObject,
    rates: &'a mut Rates,
    usage: &'a mut Option<Usage>,
}

impl Ordered<'_> {
    /// A video is billed by its seconds, once: when it is ordered. Nobody must ask after it for that.
    fn video(self, bytes: Bytes, stamp: &Stamp) -> Bytes {
        let Ok(mut answer) = JsonObject::parse(&bytes) else {
            return bytes;
        };
        self.rates.measures = Measures::of(Op::Video, self.asked, Some(&answer));
        self.rates.sharpen();
        let seconds = self.rates.measures.seconds;
        let usage = self.usage.get_or_insert_default();
        usage.units.seconds = usage.units.seconds.or(seconds);
        if let Ok(Some(1..)) = answer.get::<u64>("created_at") {
            return bytes;
        }
        answer.set("created_at", &stamp.created());
        answer.to_bytes()
    }
}

/// Prices and reports a whole answer.
pub(crate) fn finish(
    bytes: Bytes,
    content_type: String,
    usage: Option<Usage>,
    rates: &Rates,
    lease: Lease,
    mut reporter: Reporter,
) -> Body {
    let charge = rates.charge(usage.as_ref());
    lease.finish(&ended(usage.as_ref(), &charge, None));
    reporter.note(|record| {
        record.answer_id = answer_id::of_answer(record.op, &bytes);
        record.usage = usage;
        record.charge = charge;
    });
    let record = reporter.report(Outcome::Answered);
    let (usage, charge) = record.map_or_else(Default::default, |r| (r.usage, r.charge));
    Body::Whole {
        bytes,
        content_type,
        usage,
        charge,
    }
}
