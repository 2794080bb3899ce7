//! What the engine answers without asking anybody: responses, files and batches that are kept here.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use llm_providers::Error;
use llm_router::Router;
use llm_types::{Op, Verb};

use super::{alone, fail};
use crate::{
    Body, ByteAnswer, Charge, Engine, Failure, Meta, Outcome, Request, Response,
    local::{Answer, LocalBatches},
    record::Reporter,
    responses,
};

impl Engine {
    /// A response that no vendor keeps; `None` if it is not kept here either.
    pub(crate) async fn kept(
        &self,
        asked: &responses::kept::Asked<'_>,
        router: &Router,
        place: &str,
        reporter: &mut Reporter,
    ) -> Result<Option<Response>, Error> {
        let deployment = router.deployment(place);
        let Some(deployment) = deployment.or_else(|| router.deployments(place).first()) else {
            return Ok(None);
        };
        let Some(bytes) = responses::kept::answer(&**self.responses(), asked).await? else {
            // Who only chats keeps nothing.
            return match deployment.target.speaks(Op::Responses) {
                true => Ok(None),
                false => Err(responses::kept::unknown(asked.shown)),
            };
        };
        reporter.note(|record| {
            record.deployment = Some(Arc::clone(deployment));
            record.group = Some(deployment.group.clone());
        });
        let took = reporter.elapsed();
        let call_id = reporter.call_id();
        reporter.report(Outcome::Answered);
        Ok(Some(Response {
            meta: Meta {
                call_id,
                op: Op::Responses,
                verb: asked.verb,
                requested: String::new(),
                group: deployment.group.clone(),
                deployment: Arc::clone(deployment),
                model: deployment.target.model.clone(),
                trace: Default::default(),
                notices: Vec::new(),
                room: None,
                headers: HeaderMap::new(),
                took,
                upstream: Duration::ZERO,
            },
            body: Body::Whole {
                bytes,
                content_type: match asked.is_stream() {
                    true => "text/event-stream".into(),
                    false => "application/json".into(),
                },
                usage: None,
                charge: Charge::default(),
            },
        }))
    }
}

impl Engine {
    /// Gives the request what it refers to and what is kept here, where its vendor takes that along.
    pub(super) async fn lend(&self, request: &mut Request) -> Result<(), Error> {
        let (Some(local), Op::Batch, Verb::Create) = (&self.local, request.op, request.verb) else {
            return Ok(());
        };
        // On the heap: hardly any request is for such a batch.
        Box::pin(local.lend(request)).await
    }
}

/// Answers what is kept here.
pub(crate) async fn locally(
    local: &Arc<LocalBatches>,
    mut request: Request,
) -> Result<Response, Box<Failure>> {
    let (call_id, model) = (request.call_id.clone(), request.model.clone());
    let observer = request.observer.take();
    let mut reporter = Reporter::new(
        call_id.clone(),
        Some(request.op),
        model.clone(),
        false,
        observer,
    );
    reporter.note(|record| record.verb = request.verb);
    let (op, verb, deployment) = (request.op, request.verb, Arc::clone(local.deployment()));
    let answer = match local.answer(request).await {
        Ok(answer) => answer,
        Err(error) => return Err(fail(&mut reporter, call_id, model, alone(error))),
    };
    reporter.note(|record| {
        record.deployment = Some(Arc::clone(&deployment));
        record.group = Some(deployment.group.clone());
    });
    let meta = Meta {
        call_id,
        op,
        verb,
        requested: String::new(),
        group: deployment.group.clone(),
        model: deployment.target.model.clone(),
        deployment,
        trace: Default::default(),
        notices: Vec::new(),
        room: None,
        headers: HeaderMap::new(),
        took: reporter.elapsed(),
        upstream: Duration::ZERO,
    };
    let body = match answer {
        Answer::File(download) => Body::Bytes(Box::new(ByteAnswer::kept(download, reporter))),
        Answer::Json(value) => {
            reporter.report(Outcome::Answered);
            Body::Whole {
                bytes: value.to_string().into(),
                content_type: "application/json".into(),
                usage: None,
                charge: Charge::default(),
            }
        }
    };
    Ok(Response { meta, body })
}
