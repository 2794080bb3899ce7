//! What is counted and added up beforehand is what the rows say.
#![allow(clippy::unwrap_used)]

mod kit;

use std::collections::BTreeMap;

use llm_cost::NanoDollars;
use llm_store::{
    Charged, Days, Find, Grouping, Moment, Named, Narrow, Requests, Sort, Store, hash_token,
    rows::{Key, RetiredKey, SpendDay, SpendRow, Team, User},
};
use sqlx::Executor;

/// 2026-11-20 22:30 UTC: some begin on one day and end on the next.
const START: i64 = 1_795_213_800_000;
const HOUR: i64 = 3_600_000;
const ROWS: i64 = 2_400;

/// Three days of requests, of all kinds: failures, answers from the cache, without a tag and with several.
fn charged(at: i64) -> Charged {
    let start = Moment(START + at * 107_000 + at % 7);
    let tags = ["a", "b", "ü 1 2"].into_iter().take((at % 4) as usize);
    let mut row = SpendRow {
        id: format!("row-{at:05}"),
        status: "success".to_owned(),
        ..plain(at, start, tags.map(str::to_owned).collect())
    };
    if at % 9 == 0 {
        row.status = ["failure", "unknown"][(at % 2) as usize].to_owned();
        row.error_code = Some(["429", "500"][(at / 9 % 2) as usize].to_owned());
    }
    Charged {
        row,
        at: start,
        ..Charged::default()
    }
}

fn plain(at: i64, start: Moment, request_tags: Vec<String>) -> SpendRow {
    SpendRow {
        call_type: "acompletion".into(),
        api_key: format!("key {}", at % 5),
        user_id: (at % 3 > 0).then(|| format!("user{}", at % 3)),
        team_id: Some("t".into()),
        request_tags,
        model: format!("m{}", at % 2),
        model_group: Some(format!("group{}", at % 2)),
        provider: "p".into(),
        api_base: (at % 2 == 0).then(|| "https://a.example".into()),
        model_id: Some("deployment".into()),
        cache_hit: at % 6 == 0,
        spend: NanoDollars(at * 37 % 1_001),
        total_tokens: at * 31 % 997,
        prompt_tokens: at % 10,
        completion_tokens: at % 11,
        start_time: start,
        end_time: start.plus(at * 7_919 % 5_400_000),
        ..SpendRow::default()
    }
}

async fn filled(store: &Store) -> Vec<SpendRow> {
    let batch: Vec<Charged> = (0..ROWS).map(charged).collect();
    for some in batch.chunks(500) {
        store.ship(some, "j", None).await.unwrap();
        // A batch that comes again is not counted again.
        store.ship(&some[..100], "j", None).await.unwrap();
    }
    batch.into_iter().map(|one| one.row).collect()
}

fn ask(find: Find, from: i64, to: i64) -> Requests {
    Requests {
        find: (find, String::new()),
        from: Moment(from),
        to: Moment(to),
        before: None,
        narrow: Narrow::default(),
        sort: Sort::Newest,
    }
}

/// Times that begin and end within hours, at them, beside them, in zones of half an hour, and that have none.
fn times() -> Vec<(i64, i64)> {
    let hour = START - START % HOUR;
    let mut times = vec![
        (0, i64::MAX),
        (0, START - 1),
        (START + 400 * HOUR, i64::MAX),
        (hour, hour + HOUR - 1),
        (hour + 1, hour + HOUR - 2),
        (hour + 5, hour + 5),
    ];
    for zone in [0, 330, -480] {
        let midnight = hour - hour % (24 * HOUR) + zone * 60_000;
        times.extend((0..5).map(|day| {
            let from = midnight + day * 24 * HOUR;
            (from, from + 24 * HOUR - 1)
        }));
        times.push((midnight, midnight + 48 * HOUR));
    }
    times
}

async fn agrees(store: &Store, rows: &[SpendRow], on: &str) {
    for (from, to) in times() {
        let within = |row: &&SpendRow| (from..=to).contains(&row.start_time.0);
        let mut expected: Vec<&SpendRow> = rows.iter().filter(within).collect();
        expected.sort_by_key(|row| std::cmp::Reverse((row.start_time, &row.id)));
        let ask = ask(Find::Time, from, to);
        let total = store.count_requests(&ask, i64::MAX).await.unwrap();
        assert_eq!(total, expected.len() as i64, "{on}: {from} to {to}");
        assert_eq!(store.count_requests(&ask, 3).await.unwrap(), total.min(3));
        for offset in [0, 999, 1_001, 1_500, 2_222, 5_000] {
            let page = store.requests(&ask, 5, offset).await.unwrap();
            let page: Vec<&str> = page.iter().map(|row| row.id.as_str()).collect();
            let ids = expected.iter().map(|row| row.id.as_str());
            let ids: Vec<&str> = ids.skip(offset as usize).take(5).collect();
            assert_eq!(page, ids, "{on}: {from} to {to}, behind {offset}");
        }
    }
}

#[tokio::test]
async fn hours_count_what_the_rows_are_also_when_some_are_gone() {
    for database in kit::databases().await {
        let store = database.open().await;
        let mut rows = filled(&store).await;
        agrees(&store, &rows, database.name).await;
        let gone = store.forget_spend(Moment(START + 30 * HOUR), 700).await;
        assert_eq!(gone.unwrap(), 700);
        rows.drain(..700);
        agrees(&store, &rows, database.name).await;
    }
}

#[tokio::test]
async fn rows_are_sorted_by_every_column_in_both_directions() {
    for database in kit::databases().await {
        let store = database.open().await;
        let rows = filled(&store).await;
        type By = fn(&SpendRow) -> i64;
        let columns: [(&'static str, By); 5] = [
            ("spend", |row| row.spend.0),
            ("total_tokens", |row| row.total_tokens),
            ("end_time", |row| row.end_time.0),
            ("duration", |row| row.end_time.0 - row.start_time.0),
            ("start_time", |row| row.start_time.0),
        ];
        for (column, value) in columns {
            for ascending in [false, true] {
                for (find, min_spend) in [
                    (Find::Time, None),
                    (Find::Time, Some(NanoDollars(500))),
                    (Find::Failed, None),
                ] {
                    let mut ask = ask(find, 0, i64::MAX);
                    ask.sort = Sort::By { column, ascending };
                    ask.narrow.min_spend = min_spend;
                    let found = store.requests(&ask, 40, 3).await.unwrap();
                    let wanted = |row: &&SpendRow| {
                        (find == Find::Time || row.status != "success")
                            && min_spend.is_none_or(|min| row.spend >= min)
                    };
                    let mut expected: Vec<&SpendRow> = rows.iter().filter(wanted).collect();
                    let sign = if ascending { -1 } else { 1 };
                    expected.sort_by_key(|row| {
                        std::cmp::Reverse((sign * value(row), row.start_time, &row.id))
                    });
                    let expected = expected.iter().skip(3).take(40).map(|row| &row.id);
                    let expected: Vec<&String> = expected.collect();
                    let found: Vec<&String> = found.iter().map(|row| &row.id).collect();
                    assert_eq!(found, expected, "{}: {column}", database.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn failures_are_counted_by_day_and_place() {
    for database in kit::databases().await {
        let store = database.open().await;
        let rows = filled(&store).await;
        let (from, to) = (Moment(START + 3 * HOUR), Moment(START + 50 * HOUR));
        for group in [None, Some("group1")] {
            let refused = |row: &&SpendRow| {
                let known = row.error_code.as_deref() == Some("429");
                let asked = group.is_none() || row.model_group.as_deref() == group;
                known && asked && row.start_time >= from && row.start_time <= to
            };
            let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
            for row in rows.iter().filter(refused) {
                let place = row.api_base.clone().or(row.model_id.clone()).unwrap();
                *expected.entry((row.start_time.day(), place)).or_default() += 1;
            }
            let found = store.failures("429", group, true, from, to).await.unwrap();
            let by_place = found.iter();
            let by_place = by_place.map(|some| ((some.day.day(), some.place.clone()), some.count));
            assert_eq!(by_place.collect::<BTreeMap<_, _>>(), expected);
            let found = store.failures("429", group, false, from, to).await.unwrap();
            let total: i64 = found.iter().map(|some| some.count).sum();
            assert_eq!(total, expected.values().sum::<i64>(), "{}", database.name);
            assert!(found.len() <= 3 && found.iter().all(|some| some.place.is_empty()));
        }
        // Those that are told apart by status are found without the others.
        let mut ask = ask(Find::Failed, 0, i64::MAX);
        ask.narrow.texts = vec![("status", "unknown".to_owned())];
        let unknown = rows.iter().filter(|row| row.status == "unknown").count();
        let counted = store.count_requests(&ask, i64::MAX).await.unwrap();
        assert_eq!(counted, unknown as i64);
    }
}

#[tokio::test]
async fn sums_are_the_same_however_they_are_added_up() {
    for database in kit::databases().await {
        let store = database.open().await;
        let rows = filled(&store).await;
        for (dimension, days) in [
            ("user", "2026-11-21"),
            ("tag", "2026-11-21"),
            ("team", "2026-11-23"),
        ] {
            let ask = Days {
                dimension,
                from: "2026-11-20",
                to: days,
                ..Days::default()
            };
            let single = store.days(&ask, 100_000, 0).await.unwrap();
            let every = store.every_day(dimension, ask.from, ask.to, 100_000);
            assert_eq!(every.await.unwrap().len(), single.len());
            for limit in [100_000, i64::MAX] {
                let counted = store.count_days(&ask, limit).await.unwrap();
                assert_eq!(counted, single.len() as i64);
            }
            for (grouping, of) in groupings() {
                let mut expected: BTreeMap<[String; 4], SpendDay> = BTreeMap::new();
                for day in &single {
                    expected.entry(of(day)).or_default().add(day);
                }
                let found = store.grouped_days(&ask, grouping, 1_000).await.unwrap();
                assert_eq!(found.len(), expected.len());
                for sum in found {
                    let place = [&sum.entity, &sum.api_key, &sum.model, &sum.endpoint];
                    let mut expected = expected[&place.map(Clone::clone)].clone();
                    [
                        expected.entity,
                        expected.api_key,
                        expected.model,
                        expected.endpoint,
                    ] = place.map(Clone::clone);
                    assert_eq!(sum, expected, "{}: {dimension}", database.name);
                }
            }
        }
        // A request with two tags counts for each of them once, on the day it ended.
        let tags = store.days_by_entity("tag_total", "2026-11-20", "2026-11-29");
        let mut expected: BTreeMap<(String, String), i64> = BTreeMap::new();
        for row in &rows {
            for tag in &row.request_tags {
                let place = (row.end_time.day(), tag.clone());
                *expected.entry(place).or_default() += row.spend.0;
            }
        }
        let found = tags.await.unwrap().into_iter();
        let found = found.map(|sum| ((sum.day, sum.name), sum.spend.0));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    }
}

type Place = fn(&SpendDay) -> [String; 4];

fn groupings() -> [(Grouping, Place); 4] {
    [
        (Grouping::KeyAndModel, |day| {
            [
                String::new(),
                day.api_key.clone(),
                day.model.clone(),
                String::new(),
            ]
        }),
        (Grouping::EntityAndModel, |day| {
            [
                day.entity.clone(),
                String::new(),
                day.model.clone(),
                String::new(),
            ]
        }),
        (Grouping::KeyAndOperation, |day| {
            [
                String::new(),
                day.api_key.clone(),
                day.model.clone(),
                day.endpoint.clone(),
            ]
        }),
        (Grouping::Entity, |day| {
            [
                day.entity.clone(),
                String::new(),
                String::new(),
                String::new(),
            ]
        }),
    ]
}

#[tokio::test]
async fn sums_of_an_older_schema_are_the_same_in_their_new_place() {
    for database in kit::databases().await {
        let store = database.open().await;
        let rows = filled(&store).await;
        let everything = Days {
            dimension: "all",
            from: "2026-01-01",
            to: "2026-12-31",
            ..Days::default()
        };
        let before = store.days(&everything, 1_000, 0).await.unwrap();
        store.close().await;
        drop(store);
        let raw = kit::raw(&database.settings).await;
        raw.execute(
            "INSERT INTO spend_days SELECT * FROM spend_totals WHERE dimension <> 'begun'; \
             DROP TABLE spend_totals; DELETE FROM _sqlx_migrations WHERE version = 90",
        )
        .await
        .unwrap();
        raw.close().await;
        let store = database.open().await;
        let after = store.days(&everything, 1_000, 0).await.unwrap();
        assert_eq!(before, after, "{}", database.name);
        agrees(&store, &rows, database.name).await;
    }
}

#[tokio::test]
async fn names_of_many_are_found_and_a_replaced_key_has_its_successor_s() {
    for database in kit::databases().await {
        let store = database.open().await;
        let user = User {
            user_id: "ann".into(),
            user_email: Some("ann@example.com".into()),
            ..User::default()
        };
        store.insert(&user).await.unwrap();
        let mut tokens = Vec::new();
        for at in 0..130 {
            let key = Key {
                token: hash_token(&format!("{at}")),
                key_alias: Some(format!("alias {at}")),
                user_id: (at == 7).then(|| "ann".into()),
                ..Key::default()
            };
            store.insert(&key).await.unwrap();
            tokens.push(key.token);
        }
        for (token, revoke_at) in [("in grace", 5_000), ("over", 1_000)] {
            let retired = RetiredKey {
                token: token.into(),
                active_token: tokens[3].clone(),
                revoke_at: Moment(revoke_at),
                ..RetiredKey::default()
            };
            store.insert(&retired).await.unwrap();
        }
        let wanted = ["in grace", "over", "unknown"].map(str::to_owned);
        let wanted: Vec<String> = tokens.iter().cloned().chain(wanted).collect();
        let names = store.key_names(&wanted, Moment(2_000)).await.unwrap();
        assert_eq!(names.len(), 131, "{}", database.name);
        let of = |token: &str| names.iter().find(|name| name.token == token);
        let email = of(&tokens[7]).unwrap().user_email.as_deref();
        assert_eq!(email, Some("ann@example.com"));
        assert_eq!(of(&tokens[3]).unwrap().user_email, None);
        let alias = of("in grace").unwrap().key_alias.as_deref();
        assert_eq!(alias, Some("alias 3"));
        assert!(of("over").is_none() && of("unknown").is_none());
        let team = Team {
            team_id: "t".into(),
            team_alias: Some("Research".into()),
            ..Team::default()
        };
        store.insert(&team).await.unwrap();
        let teams = ["t", "gone"].map(str::to_owned);
        let names = store.entity_names(Named::Teams, &teams).await.unwrap();
        assert_eq!(names, [("t".to_owned(), Some("Research".to_owned()))]);
    }
}
