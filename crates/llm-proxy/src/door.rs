//! The door that every request passes: who asks, whether it may, and whether there is money for it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, Method, StatusCode};
use llm_cost::NanoDollars;
use llm_governance::{Access, Admission, Caller, Governance, ModelLimits, Work};
use llm_router::Quota;
use llm_sdk::{Bound, Counted, Counting, Engine, OwnPlace, Owner, Request as Ask};
use llm_store::{Moment, rows::SpendRow};
use llm_types::{JsonObject, Op, Verb};
use serde_json::Value;

use crate::{
    auth, batch_input,
    error::Refusal,
    guided,
    holding::{Figures, Held, Priced},
    labels::Labels,
    own_key, required,
    settings::Settings,
    state::{Gateway, Live},
    tab::Tab,
};

/// The kind of a refusal where there is no money left.
pub(crate) const OVER_BUDGET: &str = "budget_exceeded";

/// Where somebody knocks from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Whoever made the connection.
    pub(crate) socket: IpAddr,
    /// Whoever that one says it speaks for, where it is believed.
    pub(crate) client: IpAddr,
}

impl Peer {
    pub(crate) fn of(socket: SocketAddr, headers: &HeaderMap, settings: &Settings) -> Self {
        let socket = socket.ip().to_canonical();
        Self {
            socket,
            client: match settings.routes.forwarded {
                true => settings.routes.proxies.client(socket, headers),
                false => socket,
            },
        }
    }
}

/// Where somebody knocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) peer: Peer,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) access: Access,
}

/// Whether there is time and room, and who asks; `None` for what needs no key. `key` is the one in a query.
pub(crate) async fn admit(
    gateway: &Gateway,
    live: &Live,
    door: Door<'_>,
    key: Option<(&HeaderMap, Option<&str>)>,
) -> Result<Arc<Caller>, Refusal> {
    if gateway.is_draining() {
        return Err(Refusal::later("the gateway is stopping: ask again"));
    }
    // Where there are keys, this limit is one of theirs, and counted with other instances.
    let alone = gateway.governance().is_none();
    let together = live.settings.governance.limits.at_once.filter(|_| alone);
    let most = live.settings.limits.requests.or(together);
    if most.is_some_and(|most| gateway.under_way() > most) {
        return Err(Refusal::later(
            "the gateway is busy: too many requests at the same time",
        ));
    }
    let Some((headers, in_query)) = key else {
        return Ok(Arc::new(Caller::anyone()));
    };
    let caller = auth::caller(gateway, live, door, headers, in_query).await?;
    may_call(gateway, &caller, door)?;
    Ok(caller)
}

/// Refuses who may not call this, or not from there.
pub(crate) fn may_call(gateway: &Gateway, caller: &Caller, door: Door<'_>) -> Result<(), Refusal> {
    if let Some(key) = &caller.key
        && let Some(allowed) = key
            .row
            .metadata
            .get("allowed_ips")
            .and_then(Value::as_array)
        && !allowed.is_empty()
    {
        let peer = door.peer.client;
        let is_peer = |text: &Value| {
            let ip: Option<IpAddr> = text.as_str().and_then(|text| text.parse().ok());
            ip.is_some_and(|ip| ip.to_canonical() == peer)
        };
        if !allowed.iter().any(is_peer) {
            let message = format!("Access forbidden: IP address {peer} not allowed.");
            return Err(Refusal::new(StatusCode::FORBIDDEN, "auth_error", message));
        }
    }
    match gateway.governance() {
        Some(governance) => Ok(governance.may_call(caller, door.access, door.method, door.path)?),
        // Without keys there are the master, who may do everything, and anyone, where there is no master.
        None => Ok(()),
    }
}

/// Lets a request in: the fields that it must have, the model that it asks for, and the money that it may cost. `said` is
/// the body as it came, where that is known to matter.
pub(crate) async fn open_tab(
    gateway: &Gateway,
    live: &Live,
    caller: &mut Arc<Caller>,
    ask: &mut Ask,
    labels: &mut Labels,
    said: Option<&JsonObject>,
) -> Result<Option<Arc<Tab>>, Refusal> {
    let governance = gateway.governance();
    if let Some(governance) = governance
        && caller.grant.is_some()
    {
        Box::pin(decide(governance, live, caller, &ask.model, labels)).await?;
    }
    let caller = &*caller;
    if let Some(said) = said {
        required::check(live, caller, said)?;
    }
    let Some(governance) = governance else {
        batch_input::look(None, live, caller, None, ask).await?;
        return Ok(None);
    };
    let alias = governance.model_of(caller, &ask.model);
    let alias = alias.or_else(|| guided::alias(caller, &ask.model));
    if let Some(model) = alias.map(str::to_owned) {
        own_key::stays(ask)?;
        ask.route_as = Some(model);
    }
    let model = ask.route_as.as_ref().unwrap_or(&ask.model).clone();
    let is_guided = caller.router_settings().next().is_some();
    let silent = is_guided.then(|| ask.route.clone());
    let refusal = match enter(governance, live, caller, ask, labels, &model).await {
        Ok(tab) => return Ok(Some(tab)),
        Err(refusal) => refusal,
    };
    if refusal.kind != OVER_BUDGET || ask.own_place != OwnPlace::Refused {
        return Err(refusal);
    }
    let asked = ask.model.clone();
    for other in caller.budget_fallbacks(&asked, &model) {
        ask.route_as = Some(other.to_owned());
        if let Some(route) = &silent {
            ask.route.clone_from(route);
        }
        if let Ok(tab) = enter(governance, live, caller, ask, labels, other).await {
            return Ok(Some(tab));
        }
    }
    Err(refusal)
}

/// Lets a request in for one model.
async fn enter(
    governance: &Governance,
    live: &Live,
    caller: &Arc<Caller>,
    ask: &mut Ask,
    labels: &Labels,
    model: &str,
) -> Result<Arc<Tab>, Refusal> {
    let groups = governance.groups_of(model, &groups_of(live, model)).await?;
    // Files and batches are of no model: their lines are.
    let needs_model = ask.verb == Verb::Create && ask.op.names_model();
    if needs_model || !ask.model.is_empty() {
        governance.may_ask(caller, model, &groups)?;
        if ask.route.names_fallbacks() {
            Box::pin(may_fall_back(governance, live, caller, ask)).await?;
        }
    }
    ask.route.caller = Some(caller.key_hash().to_owned());
    ask.route.team = caller.team_id().map(str::to_owned);
    ask.route.whose = Owner {
        name: Some(caller.owner()),
        sees_all: caller.is_admin(),
    };
    if ask.op == Op::Batch && ask.verb == Verb::Create {
        ask.route.owner = serde_json::to_string(&caller.remembered()).ok();
    }
    if needs_model && caller.router_settings().next().is_some() {
        Box::pin(guided::guide(governance, live, caller, ask, model)).await?;
    }
    let (own, consumption) = live.engine.foreseen(ask);
    let figures = Figures {
        anywhere: own.with_fallback(live.engine.fallback_bound(ask, None)),
        own,
    };
    let customer = labels.end_user.as_deref();
    let batch_tokens = batch_input::look(Some(governance), live, caller, customer, ask).await?;
    let work = Work {
        model,
        groups: &groups,
        tags: &ask.route.tags,
        customer,
        // A limit of tokens is corrected when they are known, so that it takes what is usual: what a prompt has at most
        // would leave most of the limit to nobody, and a long prompt out for ever.
        prompt_tokens: consumption.usual_input,
        answer_tokens: consumption.output,
        batch_tokens,
        session: labels.session.as_deref(),
        ..limits_of(live, caller, model)
    };
    let priced = Asked {
        engine: &live.engine,
        ask,
    };
    let held = Held::of(governance, caller, work, figures, &priced).await?;
    if held.stays {
        ask.route.stay();
    }
    let (admission, bound) = (held.admission, held.bound);
    admission.sent(sent(&admission, &ask.call_id, model, bound));
    let of_key = admission.tags().iter().skip(ask.route.tags.len());
    ask.route.inherited_tags.extend(of_key.cloned());
    Ok(Tab::new(governance.clone(), admission))
}

/// Leads a request where it would go if it were let in, by what its caller's key and team say, without counting it.
pub(crate) async fn steer(
    gateway: &Gateway,
    live: &Live,
    caller: &Arc<Caller>,
    ask: &mut Ask,
) -> Result<(), Refusal> {
    let Some(governance) = gateway.governance() else {
        return Ok(());
    };
    let alias = governance.model_of(caller, &ask.model);
    let alias = alias.or_else(|| guided::alias(caller, &ask.model));
    ask.route_as = alias.map(str::to_owned);
    let model = ask.route_as.as_ref().unwrap_or(&ask.model).clone();
    let groups = governance
        .groups_of(&model, &groups_of(live, &model))
        .await?;
    governance.may_ask(caller, &model, &groups)?;
    may_fall_back(governance, live, caller, ask).await?;
    ask.route.caller = Some(caller.key_hash().to_owned());
    ask.route.team = caller.team_id().map(str::to_owned);
    guided::guide(governance, live, caller, ask, &model).await?;
    let tags = caller.tags(&ask.route.tags);
    ask.route
        .inherited_tags
        .extend_from_slice(&tags[ask.route.tags.len()..]);
    Ok(())
}

/// Settles what a token leaves open until the model is known: the team, and whom the request is for.
pub(crate) async fn decide(
    governance: &Governance,
    live: &Live,
    caller: &mut Arc<Caller>,
    model: &str,
    labels: &mut Labels,
) -> Result<(), Refusal> {
    let configured = |model: &str| groups_of(live, model);
    *caller = governance.decided(caller, model, &configured).await?;
    let customer = caller
        .grant
        .as_ref()
        .and_then(|grant| grant.customer.clone());
    if customer.is_some() {
        labels.end_user = customer;
    }
    Ok(())
}

/// How a model is limited: by its deployments, and by how well they are.
pub(crate) fn limits_of(live: &Live, caller: &Caller, model: &str) -> Work<'static> {
    let deployments = live.router.deployments(model);
    let said = |name: &str| {
        let mut said = deployments.iter().filter_map(|d| d.model_info.get(name));
        said.find_map(Value::as_u64)
    };
    let sum = |limit: fn(&Quota) -> Option<u64>| {
        let limits = deployments.iter().filter_map(|d| limit(&d.quota));
        limits.reduce(u64::saturating_add)
    };
    Work {
        usual: ModelLimits {
            rpm: said("default_api_key_rpm_limit"),
            tpm: said("default_api_key_tpm_limit"),
            ..ModelLimits::default()
        },
        capacity: ModelLimits {
            rpm: sum(|quota| quota.rpm),
            tpm: sum(|quota| quota.tpm),
            ..ModelLimits::default()
        },
        is_ailing: caller.has_dynamic_limits()
            && deployments.iter().any(|d| live.router.failed_lately(d)),
        ..Work::default()
    }
}

/// The access groups that a model's deployments are in (`model_info.access_groups`).
pub(crate) fn groups_of(live: &Live, model: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for deployment in live.router.deployments(model) {
        let named = deployment.model_info.get("access_groups");
        let named = named.and_then(Value::as_array).into_iter().flatten();
        for group in named.filter_map(Value::as_str) {
            if !groups.iter().any(|known| known == group) {
                groups.push(group.to_owned());
            }
        }
    }
    groups
}

/// Whom a client wants asked instead, it must be allowed to ask.
async fn may_fall_back(
    governance: &Governance,
    live: &Live,
    caller: &Caller,
    ask: &Ask,
) -> Result<(), Refusal> {
    let route = &ask.route;
    let lists = [
        &route.fallbacks,
        &route.window_fallbacks,
        &route.policy_fallbacks,
    ];
    let listed = lists
        .into_iter()
        .flatten()
        .flatten()
        .map(|fallback| fallback.group.as_str());
    let mapped = route.context_window_fallbacks.values().map(String::as_str);
    for model in listed.chain(mapped) {
        let groups = governance.groups_of(model, &groups_of(live, model)).await?;
        governance.may_ask(caller, model, &groups)?;
    }
    Ok(())
}

/// A request in a client's dialect.
struct Asked<'a> {
    engine: &'a Engine,
    ask: &'a Ask,
}

impl Priced for Asked<'_> {
    fn counting(&self) -> Option<Counting> {
        self.engine.counting(self.ask)
    }

    fn figures(&self, counted: &Counted) -> Figures {
        let own = self.engine.counted_bound(self.ask, counted);
        let beyond = self.engine.fallback_bound(self.ask, Some(counted));
        Figures {
            anywhere: own.with_fallback(beyond),
            own,
        }
    }
}

/// The row where nobody ever learns how the request ended: it cost what was held.
pub(crate) fn sent(
    admission: &Admission,
    call_id: &str,
    model: &str,
    bound: Bound,
) -> impl FnOnce() -> SpendRow + Send + use<> {
    let (whose, now) = (Arc::clone(admission.whose()), Moment::now());
    let (call_id, model) = (call_id.to_owned(), model.to_owned());
    move || SpendRow {
        call_id: Some(call_id),
        model_group: Some(model.clone()),
        model,
        spend: match bound {
            Bound::AtMost(amount) | Bound::About(amount) => amount,
            Bound::Free | Bound::Unpriced => NanoDollars(0),
        },
        start_time: now,
        end_time: now,
        ..whose.row()
    }
}
