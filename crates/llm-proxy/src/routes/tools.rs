//! The search tools.

use axum::Json;
use llm_sdk::Beside;
use serde_json::{Value, json};

use super::pages::Keyed;

/// `GET /v1/search/tools`.
pub(crate) async fn list(Keyed(live, _): Keyed) -> Json<Value> {
    let groups = live.router.groups();
    let data: Vec<Value> = groups
        .filter_map(|(group, deployments)| {
            let name = Beside::SearchTool.name(group)?;
            let first = deployments.first()?;
            let mut tool = json!({
                "search_tool_name": name,
                "search_provider": first.target.provider.name,
            });
            if let Some(description) = first.model_info.get("description") {
                tool["description"] = description.clone();
            }
            Some(tool)
        })
        .collect();
    Json(json!({"object": "list", "data": data}))
}
