//! Reports: the sums are the rows', in the shapes that scripts know, and everybody sees what is its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::Office;
use llm_cost::NanoDollars;
use llm_store::{
    Account, Charge, Charged, Moment, Scope, hash_token,
    rows::{SpendRow, TeamMember},
};
use serde_json::{Value, json};

/// 2026-11-20 12:00 UTC.
const NOON: i64 = 1_795_176_000_000;
const DAY: i64 = 86_400_000;

/// Two users, of whom one is in a team with a key of its own there.
struct People {
    ann: String,
    bob: String,
    team: String,
}

async fn people(office: &Office) -> People {
    let key = async |body: Value| {
        let made = office.post("/key/generate", body).await.unwrap();
        made["key"].as_str().unwrap().to_owned()
    };
    let store = office.governance.store();
    for (id, email) in [("ann", "ann@example.com"), ("bob", "bob@example.com")] {
        let user = llm_store::rows::User {
            user_id: id.into(),
            user_email: Some(email.into()),
            user_role: Some("internal_user".into()),
            ..Default::default()
        };
        store.insert(&user).await.unwrap();
    }
    let team = llm_store::rows::Team {
        team_id: "t1".into(),
        team_alias: Some("Research".into()),
        ..Default::default()
    };
    store.insert(&team).await.unwrap();
    for (user, role) in [("ann", "admin"), ("bob", "user")] {
        let member = TeamMember {
            team_id: "t1".into(),
            user_id: user.into(),
            role: role.into(),
            ..TeamMember::default()
        };
        store.insert(&member).await.unwrap();
    }
    People {
        ann: key(json!({"user_id": "ann", "key_alias": "ann's"})).await,
        bob: key(json!({"user_id": "bob"})).await,
        team: key(json!({"user_id": "bob", "team_id": "t1"})).await,
    }
}

fn charged(id: &str, key: &str, user: &str, days: i64, cents: i64) -> Charged {
    let account = Account::of(Scope::Key, hash_token(key));
    let start = Moment(NOON + days * DAY);
    Charged {
        charges: vec![
            Charge {
                account: account.clone(),
                until: None,
            },
            Charge {
                account: Account::of(Scope::Global, ""),
                until: None,
            },
        ],
        row: SpendRow {
            id: id.into(),
            request_id: Some(format!("chatcmpl-{id}")),
            call_id: Some(format!("call-{id}")),
            session_id: Some("session".into()),
            call_type: "acompletion".into(),
            status: "success".into(),
            api_key: hash_token(key),
            user_id: Some(user.into()),
            request_tags: vec!["prod".into()],
            end_user: Some("acme".into()),
            model: "openai/gpt-4o".into(),
            model_group: Some("gpt-4o".into()),
            provider: "openai".into(),
            spend: NanoDollars(cents * 10_000_000),
            prompt_tokens: 10,
            completion_tokens: 5,
            total_tokens: 15,
            start_time: start,
            end_time: start.plus(250),
            accounts: vec![account],
            ..SpendRow::default()
        },
        at: start.plus(250),
        ..Charged::default()
    }
}

async fn worked(office: &Office) -> People {
    let people = people(office).await;
    let mut batch = vec![
        charged("a", &people.ann, "ann", 0, 100),
        charged("b", &people.ann, "ann", 1, 25),
        charged("c", &people.bob, "bob", 1, 50),
        charged("d", &people.team, "bob", 1, 200),
    ];
    batch[2].row.model = "anthropic/claude".into();
    batch[2].row.model_group = Some("claude".into());
    batch[2].row.provider = "anthropic".into();
    batch[2].row.cache_hit = true;
    batch[3].row.team_id = Some("t1".into());
    batch[3].row.status = "failure".into();
    batch[3].row.error_code = Some("429".into());
    batch[3].row.api_base = Some("https://api.example.com".into());
    batch[3].row.metadata.insert(
        "messages".into(),
        json!([{"role": "user", "content": "hello"}]),
    );
    office
        .governance
        .store()
        .ship(&batch, "journal", None)
        .await
        .unwrap();
    people
}

const DATES: &str = "start_date=2026-11-20&end_date=2026-11-21";

fn ids(rows: &Value) -> Vec<&str> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect()
}

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
