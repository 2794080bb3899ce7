//! Two-way sessions: routed, held open, counted, charged and reported once, like all other requests.

mod allowance;
mod pump;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use llm_providers::{Call, CallOptions, Client, Error, live::Session, transport::Socket};
use llm_router::{Ask, Attempt, Attempts, Deployment, Lease};
use llm_types::{JsonObject, Op, Usage, Verb};

use crate::{
    Charge, Engine, Failure, Observer, Outcome, RouteOptions,
    ask::Asking,
    engine::{alone, ended, fail},
    price::Rates,
    record::Reporter,
    settled::together,
};

pub use allowance::{Allowance, Denied, Paying};
pub use pump::Stop;

/// How long a vendor may take to open a session where nobody says how long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The request's id.
    pub call_id: String,
    /// The model, as the client names it.
    pub model: String,
    /// What else the client's address says.
    pub query: Vec<(String, String)>,
    /// Headers that go on to the vendor.
    pub headers: Vec<(String, String)>,
    /// The name to route by, where it is not the client's.
    pub route_as: Option<String>,
    /// How it is routed.
    pub route: Box<RouteOptions>,
    /// Is told how it ended.
    pub observer: Option<Arc<dyn Observer>>,
    /// Pays for its answers; whoever is not asked pays for all of them.
    pub allowance: Option<Arc<dyn Allowance>>,
}

/// A session that is open at its vendor. Dropping it hangs up; it is reported once in any case.
pub struct Live {
    socket: Option<Socket>,
    session: Option<Box<dyn Session>>,
    deployment: Arc<Deployment>,
    group: String,
    model: String,
    held: Held,
    allowance: Option<Arc<dyn Allowance>>,
}

/// What one attempt brought.
struct Opened {
    socket: Socket,
    session: Box<dyn Session>,
    model: String,
}

struct Openings<'a> {
    client: &'a Client,
    opening: &'a Opening,
    options: CallOptions,
}

/// What a session consumed.
struct Consumed {
    own: Option<Usage>,
    /// By the models that wrote down what the client said.
    heard: Vec<(String, Usage)>,
}

/// What is held until the session's end, and settled then.
#[derive(Debug)]
struct Held {
    lease: Option<Lease>,
    reporter: Reporter,
    rates: Rates,
}

impl Engine {
    /// Opens a session: routes, retries and falls back until a vendor takes it.
    pub async fn open(&self, opening: Opening) -> Result<Live, Box<Failure>> {
        let started = Instant::now();
        let (call_id, named) = (opening.call_id.clone(), opening.model.clone());
        let observer = opening.observer.clone();
        let allowance = opening.allowance.clone();
        let op = Some(Op::Realtime);
        let mut reporter = Reporter::new(call_id.clone(), op, named.clone(), true, observer);
        let Some(router) = self.router() else {
            let error = Error::bad_request("model", "there is no router");
            return Err(fail(&mut reporter, call_id, named, alone(error)));
        };
        let options = CallOptions {
            extra_headers: opening.headers.clone(),
            ..CallOptions::default()
        };
        let asking = Asking {
            op: Op::Realtime,
            model: opening.route_as.as_ref().unwrap_or(&opening.model),
            body: &JsonObject::new(),
            options: &options,
            route: &opening.route,
        };
        let ask = Ask {
            stream: true,
            ..asking.of(router)
        };
        let openings = Openings {
            client: self.http(),
            opening: &opening,
            options,
        };
        let routed = match router.run(&ask, &openings).await {
            Ok(routed) => routed,
            Err(failed) => return Err(fail(&mut reporter, call_id, named, *failed)),
        };
        let (opened, lease) = (routed.value, routed.lease);
        let deployment = Arc::clone(lease.deployment());
        let group = routed.journey.group().to_owned();
        let (trace, took) = (routed.journey.into_trace(), reporter.elapsed());
        reporter.note(|record| {
            record.deployment = Some(Arc::clone(&deployment));
            record.group = Some(group.clone());
            record.trace = trace;
            record.first_event = Some(took);
        });
        let rates = Rates {
            prices: Arc::clone(self.prices()),
            deployment: Arc::clone(&deployment),
            model: opened.model.clone(),
            measures: llm_cost::Measures::default(),
            started,
        };
        Ok(Live {
            socket: Some(opened.socket),
            session: Some(opened.session),
            deployment,
            group,
            model: opened.model,
            held: Held {
                lease: Some(lease),
                reporter,
                rates,
            },
            allowance,
        })
    }
}

impl Attempts for Openings<'_> {
    type Answer = Opened;

    async fn make(&self, attempt: Attempt<'_>) -> Result<Opened, Error> {
        let target = attempt.target.into_owned();
        let mut fields = JsonObject::new();
        fields.set_str("model", &target.model);
        let mut call = Call::resource(
            Op::Realtime,
            Verb::Create,
            None,
            &target,
            fields,
            &self.options,
        )?;
        call.query.clone_from(&self.opening.query);
        let session = call.session(&self.opening.model)?;
        let timeouts = attempt.timeouts;
        let limit = timeouts.first_byte.or(timeouts.total).unwrap_or(PATIENCE);
        let socket = self.client.open(&call, limit).await?;
        Ok(Opened {
            socket,
            session,
            model: target.model.clone(),
        })
    }
}

impl Live {
    /// Who answers.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// The group that answers.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The vendor's name for the model.
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl Consumed {
    fn of(session: &dyn Session) -> Self {
        Self {
            own: session.usage().cloned(),
            heard: session.heard().to_vec(),
        }
    }

    /// What it costs: transcripts at the prices of the models that wrote them.
    fn charge(&self, rates: &Rates) -> Charge {
        let own = self.own.as_ref().map(|usage| rates.charge(Some(usage)));
        let heard = self.heard.iter();
        let heard = heard.map(|(model, usage)| rates.beside(model).charge(Some(usage)));
        let charge = own.into_iter().chain(heard).reduce(together);
        charge.unwrap_or_default()
    }

    fn total(&self) -> Option<Usage> {
        let heard = self.heard.iter().map(|(_, usage)| usage);
        self.own.iter().chain(heard).cloned().reduce(|mut a, b| {
            a.add(&b);
            a
        })
    }
}

impl Held {
    /// What was consumed, and what it costs.
    fn bill(&mut self, consumed: &Consumed) -> (Option<Usage>, Charge) {
        let (usage, charge) = (consumed.total(), consumed.charge(&self.rates));
        self.reporter.note(|record| {
            record.usage.clone_from(&usage);
            record.charge = charge.clone();
        });
        (usage, charge)
    }

    /// Both sides have said all that they wanted to.
    fn end(&mut self, consumed: &Consumed) {
        let (usage, charge) = self.bill(consumed);
        if let Some(lease) = self.lease.take() {
            lease.finish(&ended(usage.as_ref(), &charge, None));
        }
        drop(self.reporter.report(Outcome::Answered));
    }

    /// The vendor's side broke.
    fn break_off(&mut self, consumed: &Consumed, error: &Error) {
        let (usage, charge) = self.bill(consumed);
        if let Some(lease) = self.lease.take() {
            lease.break_off(error, &ended(usage.as_ref(), &charge, None));
        }
        self.reporter.fail(error);
    }

    /// The client is gone.
    fn hang_up(&mut self, consumed: &Consumed) {
        let (usage, charge) = self.bill(consumed);
        if let Some(lease) = self.lease.take() {
            lease.hang_up(&ended(usage.as_ref(), &charge, None));
        }
        self.reporter.report(Outcome::HungUp);
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("deployment", &self.deployment.id)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
