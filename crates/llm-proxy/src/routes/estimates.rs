//! What requests cost, or would: by the same prices as those that are charged.

use std::sync::Arc;

use axum::{Json, body::Bytes};
use llm_cost::Dollars;
use llm_router::Deployment;
use llm_types::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    inspect::parsed,
    pages::{Keyed, Refused},
};
use crate::{
    catalog,
    error::{Refusal, show},
    state::Live,
};

/// Days of a month, as LiteLLM counts them where only days are given.
const DAYS: u64 = 30;

/// A request, or the answer to one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    model: Option<String>,
    messages: Option<Value>,
    completion_response: Option<Map<String, Value>>,
}

/// `POST /spend/calculate`: of an answer by its usage, or of the prompt alone.
pub(crate) async fn calculate(Keyed(live, _): Keyed, body: Bytes) -> Result<Json<Value>, Refused> {
    let asked: Asked = parsed(&body)?;
    let answer = asked.completion_response.as_ref();
    let of_answer = answer.and_then(|answer| answer.get("model")?.as_str());
    let Some(model) = asked.model.as_deref().or(of_answer) else {
        let message = "give 'model' and 'messages', or 'completion_response'";
        return Err(Refusal::bad("model", message).into());
    };
    let deployment = deployment(&live, model)?;
    let usage = match (answer, asked.messages) {
        (Some(answer), _) => {
            let usage = answer.get("usage").cloned().unwrap_or_default();
            serde_json::from_value(usage).map_err(|_| {
                Refusal::bad("completion_response", "the answer's 'usage' cannot be read")
            })?
        }
        (None, Some(messages)) => {
            let prompt = Map::from_iter([("messages".to_owned(), messages)]);
            let tokens = catalog::count_tokens(&deployment.target.model, &prompt)
                .map_err(|message| Refusal::bad("messages", message))?;
            Usage::new(tokens, 0)
        }
        (None, None) => {
            let message = "give the 'messages' of the request, or its 'completion_response'";
            return Err(Refusal::bad("messages", message).into());
        }
    };
    let (cost, _) = priced(&live, deployment, &usage)?;
    Ok(Json(json!({ "cost": cost.to_f64() })))
}

/// Requests that are planned.
#[derive(Debug, Deserialize)]
struct Plan {
    model: String,
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    num_requests_per_day: Option<u64>,
    num_requests_per_month: Option<u64>,
}

/// `POST /cost/estimate`: of one request, and of as many as are planned.
pub(crate) async fn estimate(Keyed(live, _): Keyed, body: Bytes) -> Result<Json<Value>, Refused> {
    let plan: Plan = parsed(&body)?;
    let deployment = deployment(&live, &plan.model)?;
    let of = |input, output| priced(&live, deployment, &Usage::new(input, output));
    let (whole, margin) = of(plan.input_tokens, plan.output_tokens)?;
    let (input, _) = of(plan.input_tokens, 0)?;
    let (output, _) = of(0, plan.output_tokens)?;
    let days = plan.num_requests_per_day;
    let months = plan.num_requests_per_month;
    let months = months.or(days.map(|requests| requests.saturating_mul(DAYS)));
    let mut answer = json!({
        "model": plan.model, "provider": deployment.target.provider.name,
        "input_tokens": plan.input_tokens, "output_tokens": plan.output_tokens,
        "num_requests_per_day": plan.num_requests_per_day,
        "num_requests_per_month": plan.num_requests_per_month,
        "cost_per_request": whole.to_f64(), "input_cost_per_request": input.to_f64(),
        "output_cost_per_request": output.to_f64(), "margin_cost_per_request": margin.to_f64(),
    });
    for (span, requests) in [("daily", days), ("monthly", months)] {
        for (part, each) in [
            ("cost", whole),
            ("input_cost", input),
            ("output_cost", output),
            ("margin_cost", margin),
        ] {
            let sum = requests.map(|requests| each.to_f64() * requests as f64);
            answer[format!("{span}_{part}")] = json!(sum);
        }
    }
    Ok(Json(answer))
}

fn deployment<'a>(live: &'a Live, model: &str) -> Result<&'a Arc<Deployment>, Refusal> {
    live.router.deployments(model).first().ok_or_else(|| {
        let message = format!("no model is named '{}'", show(model));
        Refusal::bad("model", message)
    })
}

/// What this costs, and how much of that is the operator's margin. What nobody knows the price of is no zero.
fn priced(
    live: &Live,
    deployment: &Arc<Deployment>,
    usage: &Usage,
) -> Result<(Dollars, Dollars), Refusal> {
    let charge = live.engine.prices().expected(deployment, usage);
    let bill = charge.adjusted.ok_or_else(|| {
        let message = format!("the price of '{}' is not known", deployment.group);
        Refusal::bad("model", message)
    })?;
    Ok((bill.total_cost, bill.margin_total_amount))
}
