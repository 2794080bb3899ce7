//! Reports: everybody sees what is its own, and who may sees everybody's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::{Office, worked::*};
use llm_store::hash_token;
use serde_json::json;

#[tokio::test]
async fn everybody_sees_what_is_its_own() {
    for office in Office::everywhere().await {
        let people = worked(&office).await;
        let by = async |key: &str, path: String| office.by(key, "GET", &path, json!({})).await;
        let ann = async |path: String| by(&people.ann, path).await.unwrap();
        let bob = async |path: String| by(&people.bob, path).await.unwrap();
        assert_eq!(
            ids(&ann("/spend/logs".into()).await),
            ["b", "a"],
            "{}",
            office.on
        );
        assert_eq!(
            ids(&ann("/spend/logs?user_id=bob".into()).await),
            [] as [&str; 0]
        );
        assert_eq!(
            ids(&ann("/spend/logs?request_id=c".into()).await),
            [] as [&str; 0]
        );
        let hidden = by(&people.ann, "/spend/logs/ui/c".into())
            .await
            .unwrap_err();
        assert_eq!(hidden.status.as_u16(), 404);
        // Ann is the team's admin and sees what Bob spent there; Bob sees only his own.
        assert_eq!(ids(&ann("/spend/logs?team_id=t1".into()).await), ["d"]);
        assert_eq!(ids(&bob("/spend/logs?team_id=t1".into()).await), ["d"]);
        let days = ann(format!("/team/daily/activity?{DATES}")).await;
        assert_eq!(days["metadata"]["total_spend"], 2.0);
        let days = ann(format!("/user/daily/activity?{DATES}&user_id=bob")).await;
        assert_eq!(days["results"], json!([]));
        let days = ann(format!("/user/daily/activity?{DATES}")).await;
        assert_eq!(days["metadata"]["total_spend"], 1.25);
        let days = ann(format!("/tag/daily/activity?{DATES}&tags=prod")).await;
        assert_eq!(days["metadata"]["total_spend"], 1.25);
        let days = ann(format!("/organization/daily/activity?{DATES}")).await;
        assert_eq!(days["results"], json!([]));
        let counted = bob(format!("/global/activity?{DATES}")).await;
        assert_eq!(counted["sum_api_requests"], 2);
        let report = bob(format!("/key/spend/report?{DATES}")).await;
        assert_eq!(report.as_array().unwrap().len(), 2);
        let stolen = bob(format!("/key/spend/report?{DATES}&api_key={}", people.ann)).await;
        assert_eq!(stolen, json!([]));
        assert_eq!(ann("/spend/users?user_id=bob".into()).await, json!([]));
        assert_eq!(ann("/spend/keys".into()).await.as_array().unwrap().len(), 1);
        for route in [
            "/global/spend",
            "/global/spend/keys",
            "/spend/tags",
            "/global/all_end_users",
        ] {
            let refused = by(&people.ann, route.into()).await.unwrap_err();
            assert_eq!(refused.status.as_u16(), 401, "{route}");
        }
        let unowned = office.post("/key/generate", json!({})).await.unwrap();
        let unowned = unowned["key"].as_str().unwrap();
        assert_eq!(
            by(unowned, "/spend/logs".into())
                .await
                .unwrap_err()
                .status
                .as_u16(),
            401
        );
    }
}

#[tokio::test]
async fn everybody_together() {
    for office in Office::everywhere().await {
        let people = worked(&office).await;
        let get = async |path: &str| office.get(path).await.unwrap();
        let dated = async |path: &str| office.get(&format!("{path}?{DATES}")).await.unwrap();
        assert_eq!(
            get("/global/spend").await,
            json!({"spend": 3.75, "max_budget": 0.0}),
            "{}",
            office.on
        );
        assert_eq!(
            dated("/global/spend/logs").await,
            json!([{"date": "2026-11-20", "spend": 1.0}, {"date": "2026-11-21", "spend": 2.75}])
        );
        let keys = dated("/global/spend/keys").await;
        assert_eq!(
            (
                keys[0]["total_spend"].as_f64(),
                keys[1]["key_alias"].as_str()
            ),
            (Some(2.0), Some("ann's"))
        );
        assert_eq!(
            dated("/global/spend/models").await[0],
            json!({"model": "openai/gpt-4o", "total_spend": 3.25})
        );
        assert_eq!(
            dated("/global/spend/provider").await[1],
            json!({"provider": "anthropic", "spend": 0.5})
        );
        assert_eq!(
            dated("/global/spend/teams").await,
            json!({
                "daily_spend": [{"Research": 2.0, "date": "2026-11-21"}],
                "teams": ["Research"],
                "total_spend_per_team": [{"team_id": "Research", "total_spend": 2.0}],
            })
        );
        assert_eq!(
            dated("/global/spend/tags").await,
            json!({"spend_per_tag": [{"name": "prod", "spend": 3.75, "log_count": 4}]})
        );
        assert_eq!(
            get("/spend/tags").await,
            json!([{"individual_request_tag": "prod", "log_count": 4, "total_spend": 3.75}])
        );
        assert_eq!(
            get("/global/spend/all_tag_names").await,
            json!({"tag_names": ["prod"]})
        );
        assert_eq!(
            get("/global/all_end_users").await,
            json!([{"end_user": "acme"}])
        );
        let body =
            json!({"startTime": "2026-11-20", "endTime": "2026-11-21", "api_key": people.bob});
        assert_eq!(
            office.post("/global/spend/end_users", body).await.unwrap(),
            json!([{"end_user": "acme", "total_count": 1, "total_spend": 0.5}])
        );
        let counted = dated("/global/activity").await;
        assert_eq!(
            counted["daily_data"][1],
            json!({"date": "Nov 21", "api_requests": 3, "total_tokens": 45})
        );
        assert_eq!(dated("/global/activity/model").await[0]["model"], "gpt-4o");
        assert_eq!(
            dated("/global/activity/exceptions/deployment").await,
            json!([{
                "daily_data": [{"date": "Nov 21", "num_rate_limit_exceptions": 1}],
                "sum_num_rate_limit_exceptions": 1, "api_base": "https://api.example.com",
            }])
        );
        let hits = dated("/global/activity/cache_hits").await;
        let hit = hits
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["api_key"] == hash_token(&people.bob))
            .unwrap();
        assert_eq!(
            (
                hit["total_rows"].as_i64(),
                hit["cache_hit_true_rows"].as_i64(),
                hit["cached_completion_tokens"].as_i64()
            ),
            (Some(1), Some(1), Some(5))
        );
        let report = dated("/global/spend/report").await;
        assert_eq!(report[0]["teams"][0]["team_name"], "Research");
        let report = dated("/user/spend/report").await;
        assert_eq!(
            (
                report[0]["user_id"].as_str(),
                report[0]["total_cost"].as_f64()
            ),
            (Some("bob"), Some(2.5))
        );
        assert_eq!(report[0]["model_details"].as_array().unwrap().len(), 2);

        office.post("/global/spend/reset", json!({})).await.unwrap();
        assert_eq!(get("/spend/keys").await[0]["spend"], 0.0);
        assert_eq!(get("/spend/tags").await[0]["total_spend"], 3.75);
    }
}
