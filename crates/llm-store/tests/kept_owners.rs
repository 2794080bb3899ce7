//! Lists of one owner: what it made and what is nobody's, without a look at what others made.

#![allow(clippy::unwrap_used)]

mod kit;

use llm_store::{
    Moment, Store,
    kept::{File, Page},
    statements,
};
use sqlx::Row;

/// Three owners and nobody, two files of each moment.
fn owner(at: i64) -> Option<String> {
    ["ann", "bob", "cid"]
        .get((at % 4) as usize)
        .map(|name| (*name).to_owned())
}

async fn filled(store: &Store) {
    for at in 0..40 {
        let file = File {
            id: format!("file-{at:02}"),
            filename: "in.jsonl".into(),
            purpose: ["batch", "vision"][(at / 4 % 2) as usize].into(),
            bytes: 1,
            created_at: Moment(at / 2),
            expires_at: (at % 5 == 0).then_some(Moment(50)),
            owner: owner(at),
        };
        let begun = store.begin_file(&file, Moment(1), i64::MAX).await;
        assert!(begun.unwrap() && store.show_file(&file).await.unwrap());
        let id = format!("batch-{at:02}");
        let made = store.make_batch(&id, &id, Moment(at / 2), file.owner.as_deref());
        made.await.unwrap();
    }
}

/// What is listed from page to page.
async fn all(store: &Store, page: Page<'_>, batches: bool, now: i64) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().cloned();
        let page = Page {
            after: after.as_deref(),
            ..page
        };
        let more: Vec<String> = if batches {
            let found = store.batches(&page).await.unwrap();
            found.into_iter().map(|batch| batch.state).collect()
        } else {
            let found = store.files(&page, Moment(now)).await.unwrap();
            found.into_iter().map(|file| file.id).collect()
        };
        assert!(more.len() as i64 <= page.limit);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

#[tokio::test]
async fn an_owner_sees_its_own_and_what_is_nobody_s_page_by_page() {
    for database in kit::databases().await {
        let store = database.open().await;
        filled(&store).await;
        for oldest_first in [false, true] {
            for (purpose, now) in [(None, 1), (Some("vision"), 1), (None, 60)] {
                for batches in [false, true] {
                    let page = Page {
                        limit: 3,
                        owner: Some("bob"),
                        oldest_first,
                        purpose,
                        ..Page::default()
                    };
                    let seen = |at: &i64| {
                        let its = owner(*at).is_none_or(|owner| owner == "bob");
                        let kind = purpose.is_none() || at / 4 % 2 == 1;
                        its && (batches || (kind && (now < 50 || at % 5 != 0)))
                    };
                    let name = if batches { "batch" } else { "file" };
                    let expected = (0..40).filter(seen).map(|at| format!("{name}-{at:02}"));
                    let mut expected: Vec<String> = expected.collect();
                    if !oldest_first {
                        expected.reverse();
                    }
                    let listed = all(&store, page, batches, now).await;
                    assert_eq!(listed, expected, "{}: {page:?}", database.name);
                }
            }
        }
        let behind_another_s = Page {
            limit: 3,
            owner: Some("bob"),
            after: Some("file-00"),
            ..Page::default()
        };
        let listed = store.files(&behind_another_s, Moment(1)).await.unwrap();
        assert!(listed.is_empty());
    }
}

#[tokio::test]
async fn a_list_of_an_owner_is_read_from_the_index() {
    let database = kit::sqlite();
    drop(database.open().await);
    let raw = kit::raw(&database.settings).await;
    let of_owner = |one: &statements::Statement| one.name.contains("of an owner");
    let lists: Vec<_> = statements::all().into_iter().filter(of_owner).collect();
    assert_eq!(lists.len(), 4);
    for statement in lists {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.text));
        let plan = sqlx::query(explain).fetch_all(&raw).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|step| step.get(3)).collect();
        let found = steps.iter().filter(|step| step.contains("_by_owner"));
        assert_eq!(found.count(), 2, "{steps:?}");
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN kept")),
            "{steps:?}"
        );
    }
}
