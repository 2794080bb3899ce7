//! Reports: the sums are the rows', in the shapes that scripts know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::{Office, worked::*};
use llm_store::hash_token;
use serde_json::json;

#[tokio::test]
async fn days_have_the_shape_and_the_sums_of_their_rows() {
    for office in Office::everywhere().await {
        let people = worked(&office).await;
        let paged = office
            .get(&format!("/user/daily/activity?{DATES}"))
            .await
            .unwrap();
        let whole = office
            .get(&format!("/user/daily/activity/aggregated?{DATES}"))
            .await
            .unwrap();
        assert_eq!(paged["results"], whole["results"], "{}", office.on);
        let latest = &whole["results"][0];
        assert_eq!(latest["date"], "2026-11-21");
        let metrics = &latest["metrics"];
        assert_eq!(metrics["spend"], 2.75);
        assert_eq!(
            (
                metrics["api_requests"].as_i64(),
                metrics["failed_requests"].as_i64(),
                metrics["total_tokens"].as_i64()
            ),
            (Some(3), Some(1), Some(45))
        );
        let breakdown = &latest["breakdown"];
        let hash = hash_token(&people.ann);
        let ann = &breakdown["models"]["openai/gpt-4o"]["api_key_breakdown"][&hash];
        assert_eq!(ann["metrics"]["spend"], 0.25);
        assert_eq!(
            ann["metadata"],
            json!({"key_alias": "ann's", "team_id": null, "user_id": "ann", "user_email": "ann@example.com", "key_exists": true})
        );
        assert_eq!(breakdown["entities"]["bob"]["metrics"]["spend"], 2.5);
        assert_eq!(breakdown["providers"]["anthropic"]["metrics"]["spend"], 0.5);
        assert_eq!(breakdown["model_groups"]["claude"]["metrics"]["spend"], 0.5);
        assert_eq!(
            breakdown["endpoints"]["acompletion"]["metrics"]["api_requests"],
            3
        );
        assert_eq!(whole["metadata"]["total_spend"], 3.75);
        assert_eq!(whole["metadata"]["total_tokens"], 60);
        // One sum on each page: together they are everything.
        let mut spent = 0.0;
        for page in 1..=4 {
            let route = format!("/user/daily/activity?{DATES}&page_size=1&page={page}");
            let answer = office.get(&route).await.unwrap();
            spent += answer["metadata"]["total_spend"].as_f64().unwrap();
            assert_eq!(answer["metadata"]["total_pages"], 4);
            assert_eq!(answer["metadata"]["has_more"], page < 4);
        }
        assert_eq!(spent, 3.75);
        let teams = office
            .get(&format!("/team/daily/activity?{DATES}&team_ids=t1"))
            .await
            .unwrap();
        let team = &teams["results"][0]["breakdown"]["entities"]["t1"];
        assert_eq!(
            (team["metrics"]["spend"].as_f64(), &team["metadata"]),
            (Some(2.0), &json!({"team_alias": "Research"}))
        );
        let none = office
            .get(&format!("/team/daily/activity?{DATES}&exclude_team_ids=t1"))
            .await
            .unwrap();
        assert_eq!(none["results"], json!([]));
        let export = office
            .get(&format!("/tag/daily/activity/export?{DATES}"))
            .await
            .unwrap();
        let lines: Vec<&str> = export.as_str().unwrap().lines().collect();
        assert!(
            lines[0].starts_with(
                "date,tag,api_key,model,model_group,custom_llm_provider,endpoint,spend"
            ),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 5);
    }
}

#[tokio::test]
async fn requests_are_listed_found_and_summed_up() {
    for office in Office::everywhere().await {
        let people = worked(&office).await;
        let all = office.get("/spend/logs").await.unwrap();
        assert_eq!(ids(&all), ["d", "c", "b", "a"], "{}", office.on);
        assert_eq!(all[1]["cache_hit"], "True");
        assert_eq!(all[0]["messages"], json!({}));
        let metadata = &all[0]["metadata"];
        for (name, expected) in [
            ("user_api_key_team_alias", json!("Research")),
            ("user_api_key_user_id", json!("bob")),
            ("status", json!("failure")),
            (
                "cost_breakdown",
                json!({"total_cost": 2.0, "original_cost": 2.0}),
            ),
        ] {
            assert_eq!(metadata[name], expected, "{name}: {metadata}");
        }
        assert_eq!(all[0]["request_duration_ms"], 250);
        for id in ["b", "chatcmpl-b", "call-b"] {
            let one = office
                .get(&format!("/spend/logs?request_id={id}"))
                .await
                .unwrap();
            assert_eq!(
                (ids(&one), one[0]["request_id"].as_str()),
                (vec!["b"], Some("chatcmpl-b"))
            );
        }
        let whole = office.get("/spend/logs/ui/call-d").await.unwrap();
        assert_eq!(whole["messages"][0]["content"], "hello");
        let missing = office.get("/spend/logs/ui/nothing").await.unwrap_err();
        assert_eq!(missing.status.as_u16(), 404);

        let by_key = office
            .get(&format!("/spend/logs?api_key={}&limit=1", people.ann))
            .await
            .unwrap();
        assert_eq!(ids(&by_key), ["b"]);
        let summary = office
            .get("/spend/logs?start_date=2026-11-20&end_date=2026-11-22")
            .await
            .unwrap();
        assert_eq!(summary.as_array().unwrap().len(), 3);
        assert_eq!(
            summary[1],
            json!({
                "startTime": "2026-11-21", "spend": 2.75,
                "users": {"ann": 0.25, "bob": 2.5},
                "models": {"openai/gpt-4o": 2.25, "anthropic/claude": 0.5},
                hash_token(&people.ann): 0.25, hash_token(&people.bob): 0.5, hash_token(&people.team): 2.0,
            })
        );
        assert_eq!(
            summary[2],
            json!({"startTime": "2026-11-22", "spend": 0.0, "users": {}, "models": {}})
        );
        let of_ann = office
            .get(&format!("/spend/logs?{DATES}&user_id=ann"))
            .await
            .unwrap();
        assert_eq!(of_ann[1]["spend"], 0.25);
        let session = office
            .get("/spend/logs/session/ui?session_id=session&page_size=2")
            .await
            .unwrap();
        assert_eq!(
            (session["total"].as_i64(), session["total_pages"].as_i64()),
            (Some(4), Some(2))
        );
    }
}

#[tokio::test]
async fn pages_are_filtered_sorted_and_followed() {
    for office in Office::everywhere().await {
        let people = worked(&office).await;
        let times = "start_date=2026-11-20 00:00:00&end_date=2026-11-21 23:59:59";
        let get = async |more: &str| {
            office
                .get(&format!("/spend/logs/v2?{times}{more}"))
                .await
                .unwrap()
        };
        assert_eq!(
            ids(&get("&sort_by=spend&sort_order=asc").await["data"]),
            ["b", "c", "a", "d"],
            "{}",
            office.on
        );
        assert_eq!(
            ids(&get("&min_spend=0.5&max_spend=1").await["data"]),
            ["c", "a"]
        );
        assert_eq!(ids(&get("&status_filter=failure").await["data"]), ["d"]);
        assert_eq!(ids(&get("&error_code=429").await["data"]), ["d"]);
        assert_eq!(
            ids(&get("&key_alias=ann's&model=openai/gpt-4o").await["data"]),
            ["b", "a"]
        );
        assert_eq!(
            ids(&get("&key_alias=nobody's").await["data"]),
            [] as [&str; 0]
        );
        assert_eq!(ids(&get("&team_id=t1").await["data"]), ["d"]);
        let first = get("&page_size=3").await;
        assert_eq!(ids(&first["data"]), ["d", "c", "b"]);
        assert_eq!(
            (first["total"].as_i64(), first["total_pages"].as_i64()),
            (Some(4), Some(2))
        );
        let cursor = first["next_cursor"].as_str().unwrap();
        assert_eq!(
            ids(&get(&format!("&page_size=3&cursor={cursor}")).await["data"]),
            ["a"]
        );
        assert_eq!(ids(&get("&page_size=3&page=2").await["data"]), ["a"]);
        let csv = get(&format!("&api_key={}&format=csv", people.ann)).await;
        assert_eq!(csv.as_str().unwrap().lines().count(), 3);
        for (wrong, param) in [
            ("/spend/logs/ui?end_date=2026-11-21", "start_date"),
            (
                "/spend/logs/ui?start_date=yesterday&end_date=2026-11-21",
                "start_date",
            ),
            (
                "/spend/logs/ui?start_date=2026-11-20&end_date=2026-11-21&sort_by=password",
                "sort_by",
            ),
            (
                "/spend/logs/ui?start_date=2026-11-20&end_date=2026-11-21&cursor=x",
                "cursor",
            ),
            (
                "/user/daily/activity?start_date=2026-11-21&end_date=2026-11-20",
                "start_date",
            ),
            (
                "/user/daily/activity?start_date=2026-11-31&end_date=2026-11-20",
                "start_date",
            ),
            (
                "/user/daily/activity?start_date=2026-11-20&end_date=2026-11-21&timezone=east",
                "timezone",
            ),
        ] {
            let refused = office.get(wrong).await.unwrap_err();
            assert_eq!(
                (refused.status.as_u16(), refused.param.as_deref()),
                (400, Some(param)),
                "{wrong}"
            );
        }
    }
}
