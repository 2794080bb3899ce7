//! Tools that the vendor ran on its own servers.

use llm_types::Usage;
use serde_json::Value;

use crate::{
    CostContext, Dollars, Kind, Quantity,
    cost::{Bill, GapReason},
};

/// OpenAI's price of a thousand file searches, for models whose entry does not repeat it.
const FILE_SEARCHES: &str = "2.5";

/// What a session of the code interpreter costs, in dollars.
const CONTAINERS: [(&str, &str); 2] = [("openai", "0.03"), ("azure", "0.033")];

pub(crate) fn bill(bill: &mut Bill<'_>, usage: &Usage, ask: &CostContext<'_>) {
    web_search(bill, usage, ask);
    let others = ask.server_tools.or_else(|| xai_tools(usage));
    priced(bill, Kind::ServerTool, others.map(Quantity::count), 1);
    let details = usage.prompt_tokens_details.as_ref();
    let maps = details.and_then(|d| d.extra.get("google_maps_grounding_requests")?.as_u64());
    priced(bill, Kind::MapsQuery, maps.map(Quantity::count), 1);
    let citations = usage.extra.get("citation_tokens").and_then(Value::as_u64);
    // Vendors that give citations away count them all the same.
    if bill.pricing.base(Kind::Citation).is_some() {
        priced(bill, Kind::Citation, citations.map(Quantity::count), 1);
    }
    let count = |count: Option<u64>| count.map(Quantity::count);
    let measured = |amount: Option<f64>| amount.map(Quantity::measured);
    code_interpreter(bill, ask);
    file_search(bill, ask);
    priced(
        bill,
        Kind::FileSearchGigabyteDay,
        measured(ask.file_search_gigabyte_days),
        1,
    );
    priced(
        bill,
        Kind::VectorStoreGigabyteDay,
        measured(ask.vector_store_gigabyte_days),
        1,
    );
    priced(
        bill,
        Kind::ComputerInputThousand,
        count(ask.computer_input_tokens),
        1000,
    );
    priced(
        bill,
        Kind::ComputerOutputThousand,
        count(ask.computer_output_tokens),
        1000,
    );
}

/// A quantity at a price per `per` of them.
fn priced(bill: &mut Bill<'_>, kind: Kind, quantity: Option<Quantity>, per: u32) {
    let Some(quantity) = quantity.filter(|quantity| !quantity.is_zero()) else {
        return;
    };
    // Neither batches nor service tiers change what a tool costs.
    match bill.pricing.base(kind) {
        Some(price) => bill.flat(kind, quantity, price.divided(per), kind),
        None => bill.gap(kind, quantity, GapReason::NoPrice),
    }
}

/// A container costs the same whichever model uses it.
fn code_interpreter(bill: &mut Bill<'_>, ask: &CostContext<'_>) {
    let kind = Kind::CodeInterpreterSession;
    let own = bill.pricing.base(kind).is_some();
    let usual = CONTAINERS
        .iter()
        .find(|(provider, _)| *provider == ask.provider && !own);
    match (ask.code_interpreter_sessions, usual) {
        (Some(sessions), Some((_, price))) => {
            let price = Dollars::parse(price).unwrap_or_default();
            bill.flat(kind, Quantity::count(sessions), price, kind);
        }
        (sessions, _) => priced(bill, kind, sessions.map(Quantity::count), 1),
    }
}

fn file_search(bill: &mut Bill<'_>, ask: &CostContext<'_>) {
    let own = bill.pricing.base(Kind::FileSearchThousand).is_some();
    match ask.file_searches {
        Some(calls) if !own && matches!(ask.provider, "openai" | "azure") => {
            let price = Dollars::parse(FILE_SEARCHES)
                .unwrap_or_default()
                .divided(1000);
            let kind = Kind::FileSearchThousand;
            bill.flat(kind, Quantity::count(calls), price, kind);
        }
        calls => priced(
            bill,
            Kind::FileSearchThousand,
            calls.map(Quantity::count),
            1000,
        ),
    }
}

fn web_search(bill: &mut Bill<'_>, usage: &Usage, ask: &CostContext<'_>) {
    let mut searches = searches(usage, ask);
    if searches == 0 {
        return;
    }
    // Older Gemini models bill the prompt that was grounded, however often it searched.
    if matches!(ask.provider, "gemini" | "vertex_ai") && !bill.pricing.search_per_query() {
        searches = 1;
    }
    let usual = if ask.provider == "perplexity" {
        "low"
    } else {
        "medium"
    };
    let said = usage
        .extra
        .get("search_context_size")
        .and_then(Value::as_str);
    let size = ask.search_context_size.or(said).unwrap_or(usual);
    let quantity = Quantity::count(searches);
    match bill.pricing.search(size) {
        Some(price) => bill.flat(Kind::WebSearch, quantity, price, Kind::WebSearch),
        None => bill.gap(Kind::WebSearch, quantity, GapReason::NoPrice),
    }
}

/// The vendors say it in different places; none says it twice with different numbers.
fn searches(usage: &Usage, ask: &CostContext<'_>) -> u64 {
    let tools = usage
        .server_tool_use
        .as_ref()
        .map_or(0, |t| t.web_search_requests);
    let details = usage.prompt_tokens_details.as_ref();
    let prompt = details.map_or(0, |d| d.web_search_requests);
    let queries = usage
        .extra
        .get("num_search_queries")
        .and_then(Value::as_u64);
    let counted = tools
        .max(xai_searches(usage))
        .max(prompt)
        .max(queries.unwrap_or(0))
        .max(ask.web_searches.unwrap_or(0));
    // Perplexity bills the search of every request, and then names only the amount of context.
    let uncounted = ask.provider == "perplexity" && usage.extra.contains_key("search_context_size");
    counted.max(u64::from(uncounted))
}

/// xAI counts its tools by name, and before that the sources of its searches. Where it says what all that costs, too, it is
/// not asked here.
fn xai_searches(usage: &Usage) -> u64 {
    let sources = usage.extra.get("num_sources_used").and_then(Value::as_u64);
    xai_calls(usage, is_web_search).max(sources.unwrap_or(0))
}

/// Runs of its other tools; those of the caller's own servers cost nothing.
fn xai_tools(usage: &Usage) -> Option<u64> {
    let calls = xai_calls(usage, |name| {
        !is_web_search(name) && !name.starts_with("mcp")
    });
    Some(calls).filter(|calls| *calls > 0)
}

fn is_web_search(name: &str) -> bool {
    name.starts_with("web_search") || name.starts_with("x_search")
}

fn xai_calls(usage: &Usage, counts: impl Fn(&str) -> bool) -> u64 {
    let details = usage.extra.get("server_side_tool_usage_details");
    let calls = details.and_then(Value::as_object).into_iter().flatten();
    let counted = calls.filter(|(name, _)| counts(name));
    counted.filter_map(|(_, count)| count.as_u64()).sum()
}
