//! Lets requests in vendors' own formats in: the fields that they must have, the model that they ask for, and the money that
//! they may cost.

use std::sync::Arc;

use http::Method;
use llm_governance::{Caller, Governance, Work};
use llm_sdk::{Counted, Counting, Engine, Passing};
use llm_types::JsonObject;

use super::{Mount, lines};
use crate::{
    door::{OVER_BUDGET, decide, groups_of, limits_of, sent},
    error::Refusal,
    guided,
    holding::{Figures, Held, Priced},
    labels::Labels,
    required,
    state::{Gateway, Live},
    tab::Tab,
};

/// Lets `passing` in, which was asked for at `path`. It may be led to another model of the same vendor.
pub(super) async fn open(
    gateway: &Gateway,
    live: &Live,
    caller: &mut Arc<Caller>,
    (mount, path): (&Mount<'_>, &str),
    passing: &mut Passing,
    labels: &mut Labels,
) -> Result<Option<Arc<Tab>>, Refusal> {
    let governance = gateway.governance();
    if let Some(governance) = governance
        && caller.grant.is_some()
    {
        decide(governance, live, caller, &passing.native.model, labels).await?;
    }
    let caller = &*caller;
    let asks = passing.native.op.is_some() || !passing.native.model.is_empty();
    if asks && passing.method == Method::POST && required::of_anybody(live, caller) {
        required::check(live, caller, &said(passing))?;
    }
    let within = match passing.method == Method::POST {
        true => lines::of(&passing.fields),
        false => Vec::new(),
    };
    if required::of_anybody(live, caller) {
        for (line, number) in within.iter().zip(1..) {
            let said = naming(line, &passing.native.model);
            required::check(live, caller, &said).map_err(|refusal| Refusal {
                message: format!("request {number} of the batch: {}", refusal.message),
                ..refusal
            })?;
        }
    }
    let Some(governance) = governance else {
        return Ok(None);
    };
    for line in &within {
        if let Some(model) = line.str("model") {
            let groups = governance
                .groups_of(&model, &groups_of(live, &model))
                .await?;
            governance.may_ask(caller, &model, &groups)?;
        }
    }
    caller.may_pass(path, passing.below)?;
    let asked = passing.native.model.clone();
    let alias = governance.model_of(caller, &asked);
    let alias = alias.or_else(|| guided::alias(caller, &asked));
    // What is another vendor's has another format.
    let alias = alias.filter(|model| lead(live, mount, passing, model));
    let model = alias.unwrap_or(&asked).to_owned();
    let silent = passing.route.clone();
    let refusal = match enter(governance, live, caller, passing, labels, &model).await {
        Err(refusal) if refusal.kind == OVER_BUDGET => refusal,
        ended => return ended.map(Some),
    };
    for other in caller.budget_fallbacks(&asked, &model) {
        passing.route.clone_from(&silent);
        if lead(live, mount, passing, other)
            && let Ok(tab) = enter(governance, live, caller, passing, labels, other).await
        {
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
    passing: &mut Passing,
    labels: &Labels,
    model: &str,
) -> Result<Arc<Tab>, Refusal> {
    let groups = governance.groups_of(model, &groups_of(live, model)).await?;
    if !model.is_empty() {
        governance.may_ask(caller, model, &groups)?;
    }
    guided::time(caller, &mut passing.route, model)?;
    let engine = engine(live, passing);
    let priced = Asked { engine, passing };
    let bound = engine.passing_bound(passing, None);
    let figures = Figures {
        anywhere: bound,
        own: bound,
    };
    let work = Work {
        model,
        groups: &groups,
        tags: &passing.route.tags,
        customer: labels.end_user.as_deref(),
        session: labels.session.as_deref(),
        ..limits_of(live, caller, model)
    };
    let held = Held::of(governance, caller, work, figures, &priced).await?;
    let (admission, bound) = (held.admission, held.bound);
    admission.sent(sent(&admission, &passing.call_id, model, bound));
    let of_key = admission.tags().iter().skip(passing.route.tags.len());
    passing.route.inherited_tags.extend(of_key.cloned());
    Ok(Tab::new(governance.clone(), admission))
}

/// A request in a vendor's own format.
struct Asked<'a> {
    engine: &'a Engine,
    passing: &'a Passing,
}

impl Priced for Asked<'_> {
    fn counting(&self) -> Option<Counting> {
        self.engine.passing_counting(self.passing)
    }

    fn figures(&self, counted: &Counted) -> Figures {
        let bound = self.engine.passing_bound(self.passing, Some(counted));
        Figures {
            anywhere: bound,
            own: bound,
        }
    }
}

/// Whose router knows the group that answers.
pub(super) fn engine<'a>(live: &'a Live, passing: &Passing) -> &'a Engine {
    match passing.rename {
        true => &live.engine,
        false => &live.passing,
    }
}

/// Leads a request to a configured model, if all of that is the vendor's whose format it has.
fn lead(live: &Live, mount: &Mount<'_>, passing: &mut Passing, model: &str) -> bool {
    let group = mount.deployment_group(live, model);
    let group = group.filter(|_| !passing.native.model.is_empty());
    let is_led = group.is_some();
    if let Some(group) = group {
        passing.group = group;
        passing.rename = true;
    }
    is_led
}

/// What a request says: its body, and the model of its path.
fn said(passing: &Passing) -> JsonObject {
    naming(&passing.fields, &passing.native.model)
}

fn naming(body: &JsonObject, model: &str) -> JsonObject {
    let mut said = body.clone();
    if said.raw("model").is_none() && !model.is_empty() {
        said.set_str("model", model);
    }
    said
}
