//! What is kept for clients, on both databases.

#![allow(clippy::unwrap_used)]

mod kit;

use llm_store::{
    Moment, Store,
    kept::{File, LineAnswer, Page, Tenure},
};

fn file(id: &str, bytes: i64, made: i64) -> File {
    File {
        id: id.into(),
        filename: "in.jsonl".into(),
        purpose: "batch".into(),
        bytes,
        created_at: Moment(made),
        expires_at: None,
        owner: None,
    }
}

async fn shown(store: &Store, file: &File) {
    assert!(store.begin_file(file, Moment(1), i64::MAX).await.unwrap());
    assert!(store.show_file(file).await.unwrap());
}

async fn ids(store: &Store, page: Page<'_>, now: i64) -> Vec<String> {
    let files = store.files(&page, Moment(now)).await.unwrap();
    files.into_iter().map(|file| file.id).collect()
}

#[tokio::test]
async fn a_file_is_its_pieces() {
    for database in kit::databases().await {
        let store = database.open().await;
        let one = file("a", 700_000, 5);
        assert!(store.begin_file(&one, Moment(1), 1_000_000).await.unwrap());
        assert_eq!(store.file("a").await.unwrap(), None, "it is not shown yet");
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        store.put_piece("a", 0, vec![1]).await.unwrap();
        store
            .put_piece("a", 0, bytes[..524_288].to_vec())
            .await
            .unwrap();
        store
            .put_piece("a", 1, bytes[524_288..].to_vec())
            .await
            .unwrap();
        assert!(store.show_file(&one).await.unwrap());
        assert_eq!(store.file("a").await.unwrap().as_ref(), Some(&one));
        let mut read = store.piece("a", 0).await.unwrap().unwrap();
        read.extend(store.piece("a", 1).await.unwrap().unwrap());
        assert!(read == bytes, "{}", database.name);
        assert_eq!(store.piece("a", 2).await.unwrap(), None);
        let more = file("b", 300_001, 5);
        let more = store.begin_file(&more, Moment(1), 1_000_000);
        assert!(!more.await.unwrap(), "there is no room");
        assert!(store.remove_file("a").await.unwrap());
        assert!(!store.remove_file("a").await.unwrap());
        assert_eq!(store.piece("a", 0).await.unwrap(), None);
        let more = file("b", 1_000_000, 5);
        let more = store.begin_file(&more, Moment(1), 1_000_000);
        assert!(more.await.unwrap(), "there is room again");
    }
}

#[tokio::test]
async fn files_are_listed_page_by_page_and_expire() {
    for database in kit::databases().await {
        let store = database.open().await;
        for (id, made) in [("a", 1), ("b", 2), ("c", 2), ("d", 3)] {
            shown(&store, &file(id, 1, made)).await;
        }
        let other = File {
            purpose: "vision".into(),
            expires_at: Some(Moment(100)),
            ..file("e", 1, 0)
        };
        shown(&store, &other).await;
        let page = Page {
            limit: 3,
            ..Page::default()
        };
        assert_eq!(ids(&store, page, 1).await, ["d", "c", "b"]);
        let next = Page {
            after: Some("b"),
            ..page
        };
        assert_eq!(ids(&store, next, 1).await, ["a", "e"]);
        assert_eq!(ids(&store, next, 100).await, ["a"]);
        let oldest = Page {
            oldest_first: true,
            purpose: Some("batch"),
            after: Some("a"),
            limit: 2,
            owner: None,
        };
        assert_eq!(ids(&store, oldest, 1).await, ["b", "c"]);
        let nowhere = Page {
            after: Some("nobody"),
            ..page
        };
        assert!(ids(&store, nowhere, 1).await.is_empty());
        store.put_piece("e", 0, vec![1]).await.unwrap();
        store.sweep_files(Moment(99)).await.unwrap();
        assert!(store.file("e").await.unwrap().is_some());
        store
            .begin_file(&file("f", 1, 0), Moment(1), i64::MAX)
            .await
            .unwrap();
        store.sweep_files(Moment(100)).await.unwrap();
        assert!(store.file("e").await.unwrap().is_none());
        assert!(store.piece("e", 0).await.unwrap().is_none());
        assert!(
            store.show_file(&file("f", 1, 0)).await.unwrap(),
            "it is being written"
        );
        store
            .begin_file(&file("g", 1, 0), Moment(1), i64::MAX)
            .await
            .unwrap();
        store.sweep_files(Moment(86_400_001)).await.unwrap();
        assert!(
            !store.show_file(&file("g", 1, 0)).await.unwrap(),
            "a day later it is gone"
        );
    }
}

fn tenure(runner: &str, now: i64) -> Tenure<'_> {
    Tenure {
        runner,
        now: Moment(now),
        until: Moment(now + 10),
    }
}

fn answer(line: i64, good: bool) -> LineAnswer {
    LineAnswer {
        line,
        good,
        text: format!("{{\"custom_id\":\"{line}\"}}"),
    }
}

#[tokio::test]
async fn a_batch_is_one_runner_s_until_its_lease_ends() {
    for database in kit::databases().await {
        let store = database.open().await;
        store.make_batch("a", "{}", Moment(1), None).await.unwrap();
        assert!(store.claim_batch(tenure("x", 0)).await.unwrap().is_some());
        assert_eq!(store.claim_batch(tenure("y", 9)).await.unwrap(), None);
        assert!(store.add_answer("a", "x", &answer(2, true)).await.unwrap());
        assert!(!store.add_answer("a", "x", &answer(2, false)).await.unwrap());
        assert!(!store.add_answer("a", "y", &answer(1, true)).await.unwrap());
        assert_eq!(
            store.renew_batch("a", tenure("x", 5)).await.unwrap(),
            Some(false)
        );
        assert_eq!(store.claim_batch(tenure("y", 10)).await.unwrap(), None);
        assert!(store.claim_batch(tenure("y", 15)).await.unwrap().is_some());
        assert_eq!(store.renew_batch("a", tenure("x", 16)).await.unwrap(), None);
        assert!(!store.add_answer("a", "x", &answer(3, true)).await.unwrap());
        assert!(
            !store
                .save_batch("a", "x", "late", Some(Moment(18)))
                .await
                .unwrap()
        );
        assert_eq!(store.answered_lines("a").await.unwrap(), [2]);
        assert!(store.add_answer("a", "y", &answer(1, false)).await.unwrap());
        store.cancel_batch("a", Moment(17)).await.unwrap();
        store.cancel_batch("a", Moment(99)).await.unwrap();
        assert_eq!(
            store.renew_batch("a", tenure("y", 18)).await.unwrap(),
            Some(true)
        );
        let seen = store.batch("a").await.unwrap().unwrap();
        assert_eq!((seen.completed, seen.failed, seen.is_over), (1, 1, false));
        assert_eq!(seen.cancelling_at, Some(Moment(17)));
        assert!(
            store
                .save_batch("a", "y", "{\"over\":1}", Some(Moment(18)))
                .await
                .unwrap()
        );
        let seen = store.batch("a").await.unwrap().unwrap();
        assert_eq!((seen.state.as_str(), seen.is_over), ("{\"over\":1}", true));
        assert!(store.answered_lines("a").await.unwrap().is_empty());
        assert_eq!(store.claim_batch(tenure("z", 1000)).await.unwrap(), None);
        store.sweep_batches().await.unwrap();
        assert_eq!(store.forget_batches(Moment(17), 9).await.unwrap(), 0);
        assert_eq!(store.forget_batches(Moment(18), 9).await.unwrap(), 1);
        assert_eq!(store.batch("a").await.unwrap(), None, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_want_a_batch_one_gets_it() {
    for database in kit::databases().await {
        let store = database.open().await;
        for id in ["a", "b", "c"] {
            store.make_batch(id, id, Moment(1), None).await.unwrap();
        }
        let all = (0..12).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let runner = n.to_string();
                store.claim_batch(tenure(&runner, 0)).await.unwrap()
            })
        });
        let mut got = Vec::new();
        for one in all.collect::<Vec<_>>() {
            got.extend(one.await.unwrap().map(|batch| batch.state));
        }
        got.sort();
        assert_eq!(got, ["a", "b", "c"], "{}", database.name);
    }
}

#[tokio::test]
async fn answers_are_read_a_few_at_a_time() {
    for database in kit::databases().await {
        let store = database.open().await;
        store.make_batch("a", "", Moment(1), None).await.unwrap();
        store.claim_batch(tenure("x", 0)).await.unwrap();
        for line in (1..=700).rev() {
            store
                .add_answer("a", "x", &answer(line, line % 2 == 0))
                .await
                .unwrap();
        }
        let (mut lines, mut place, mut reads) = (Vec::new(), Some(0), 0);
        while let Some(from) = place {
            let (answers, next) = store.line_answers("a", from, 10_000).await.unwrap();
            lines.extend(answers.iter().map(|answer| answer.line));
            assert!(
                answers
                    .iter()
                    .all(|one| *one == answer(one.line, one.line % 2 == 0))
            );
            (place, reads) = (next, reads + 1);
        }
        assert_eq!(lines, (1..=700).collect::<Vec<_>>());
        assert!(reads > 2, "{reads}");
        let seen = store
            .batches(&Page {
                limit: 9,
                ..Page::default()
            })
            .await
            .unwrap();
        assert_eq!((seen[0].completed, seen[0].failed), (350, 350));
    }
}

#[tokio::test]
async fn the_oldest_responses_make_room() {
    for database in kit::databases().await {
        let store = database.open().await;
        for (made, id) in (0..).zip(["a", "b", "c", "d"]) {
            store
                .put_response(id, "0123456789", Moment(made))
                .await
                .unwrap();
        }
        store
            .put_response("d", "9876543210", Moment(3))
            .await
            .unwrap();
        store.sweep_responses(Moment(1), 20).await.unwrap();
        assert_eq!(store.response("a").await.unwrap(), None);
        assert_eq!(store.response("b").await.unwrap(), None);
        assert_eq!(
            store.response("c").await.unwrap().as_deref(),
            Some("0123456789")
        );
        assert_eq!(
            store.response("d").await.unwrap().as_deref(),
            Some("9876543210")
        );
        assert!(store.forget_response("d").await.unwrap());
        assert!(!store.forget_response("d").await.unwrap());
    }
}
