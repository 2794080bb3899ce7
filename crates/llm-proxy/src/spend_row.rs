//! How a request went, as the row of its spending.

use llm_cost::NanoDollars;
use llm_governance::price_basis;
use llm_sdk::{Charge, Outcome, Record};
use llm_store::{Json, Moment, rows::SpendRow};
use llm_types::{Map, Op, Verb};
use serde_json::{Value, json};

use crate::{error::class, labels::Labels, route_record};

/// Fills in a row.
pub(crate) fn filled(row: SpendRow, record: &Record, labels: &Labels, digest: &str) -> SpendRow {
    let deployment = record.deployment.as_ref();
    let usage = record.usage.as_ref();
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let started = Moment::from_system(record.started);
    let after = |took: std::time::Duration| started.plus(count(took.as_millis() as u64));
    let charge = &record.charge;
    let mut row = SpendRow {
        request_id: record.answer_id.clone(),
        call_id: Some(record.call_id.clone()),
        session_id: labels.session.clone(),
        agent_id: row.agent_id.or_else(|| labels.agent_id.clone()),
        call_type: call_type(record.op, record.verb).to_owned(),
        status: match &record.outcome {
            Outcome::Answered => "success",
            _ => "failure",
        }
        .to_owned(),
        model: deployment.map_or_else(|| record.requested.clone(), |d| d.target.model.clone()),
        model_id: deployment.map(|deployment| deployment.id.clone()),
        model_group: record
            .group
            .clone()
            .or_else(|| Some(record.requested.clone())),
        provider: deployment.map_or_else(String::new, |d| d.target.provider.name.to_owned()),
        api_base: deployment.map(|d| without_query(&d.target.base_url)),
        spend: charge.total().unwrap_or(NanoDollars(0)),
        price_digest: Some(digest.to_owned()),
        price_gap: gap(charge, usage.is_some()),
        usage_value: usage.and_then(Json::of),
        start_time: started,
        end_time: after(record.took),
        completion_start_time: record.first_event.map(after),
        ..row
    };
    if let Some(usage) = usage {
        row.total_tokens = count(usage.total_tokens);
        row.prompt_tokens = count(usage.prompt_tokens);
        row.completion_tokens = count(usage.completion_tokens);
        row.cache_read_input_tokens = count(usage.cached_tokens());
        row.cache_creation_input_tokens = count(usage.cache_write_tokens());
    }
    (row.error_code, row.error_class) = match &record.outcome {
        Outcome::Answered | Outcome::Outpaced => (None, None),
        Outcome::Failed { kind, status, .. } => {
            (Some(status.to_string()), Some(class(*kind).to_owned()))
        }
        Outcome::HungUp => (
            Some("499".to_owned()),
            Some("ClientDisconnected".to_owned()),
        ),
    };
    evidence(&mut row, record);
    if let Some(basis) = &record.charge.basis {
        price_basis::write(&mut row, basis);
    }
    if let Some(note) = &labels.note {
        let note = Value::Object(Map::clone(note));
        row.metadata.insert("spend_logs_metadata".to_owned(), note);
    }
    row
}

/// What says how the charge came about.
fn evidence(row: &mut SpendRow, record: &Record) {
    let mut note = |name: &str, value: Value| drop(row.metadata.insert(name.to_owned(), value));
    match &record.outcome {
        Outcome::Answered => {}
        Outcome::Failed {
            kind,
            status,
            message,
        } => note(
            "error_information",
            json!({
                "error_code": status.to_string(), "error_class": class(*kind), "error_message": message,
            }),
        ),
        Outcome::HungUp => note(
            "error_information",
            json!({"error_code": "499", "error_class": "ClientDisconnected"}),
        ),
        Outcome::Outpaced => note("outpaced", true.into()),
    }
    if record.estimated {
        note("estimated", true.into());
    }
    if !record.continued.is_empty() {
        note("continued", record.continued.len().into());
    }
    if record.trace.retries() > 0 {
        note("attempted_retries", record.trace.retries().into());
    }
    if record.trace.fallbacks > 0 {
        note("attempted_fallbacks", record.trace.fallbacks.into());
        note("original_model_group", record.requested.clone().into());
    }
    let attempts = route_record::row(&record.trace);
    if !attempts.is_empty() {
        note("attempts", attempts.into());
    }
    let answered = record.trace.attempts.last();
    if let Some(tags) = answered.and_then(|attempt| attempt.decision.tags.as_ref()) {
        note(
            "tag_routing",
            serde_json::to_value(tags).unwrap_or_default(),
        );
    }
}

/// Why a part of it has no price.
pub(crate) fn gap(charge: &Charge, is_used: bool) -> Option<String> {
    let Some(cost) = &charge.cost else {
        return is_used.then(|| "no price is known".to_owned());
    };
    let gaps: Vec<String> = cost
        .gaps
        .iter()
        .filter_map(|gap| serde_json::to_string(gap).ok())
        .collect();
    (!gaps.is_empty()).then(|| gaps.join("; "))
}

fn without_query(base: &str) -> String {
    base.split('?').next().unwrap_or_default().to_owned()
}

/// LiteLLM's name of an operation.
fn call_type(op: Option<Op>, verb: Verb) -> &'static str {
    let Some(op) = op else {
        return "pass_through_endpoint";
    };
    match (op, verb) {
        (Op::Chat, _) => "acompletion",
        (Op::Completion, _) => "atext_completion",
        (Op::Embedding, _) => "aembedding",
        (Op::Messages, _) => "anthropic_messages",
        (Op::Responses, Verb::Create) => "aresponses",
        (Op::ImageGeneration, _) => "aimage_generation",
        (Op::ImageEdit, _) => "aimage_edit",
        (Op::ImageVariation, _) => "aimage_variation",
        (Op::Transcription | Op::Translation, _) => "atranscription",
        (Op::Speech, _) => "aspeech",
        (Op::Rerank, _) => "arerank",
        (Op::Moderation, _) => "amoderation",
        (Op::GenerateContent, _) => "agenerate_content",
        (op, verb) => op.function(verb),
    }
}
