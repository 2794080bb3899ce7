//! The laws of what is kept, for a folder and for both databases alike.

#[path = "../../../llm-store/tests/kit/mod.rs"]
mod kit;

use std::sync::Arc;

use bytes::Bytes;
use llm_sdk::{
    Batch, BatchStore, FileStore, FolderBatches, FolderFiles, FolderStore, KeptFile, LineAnswer,
    Listing, PIECE, ResponseStore, Tenure,
};
use serde_json::{Value, json};

use super::{KeptBatches, KeptFiles, KeptResponses};

/// A place where things are kept, for as long as the test runs.
struct Place {
    name: &'static str,
    files: Arc<dyn FileStore>,
    batches: Arc<dyn BatchStore>,
    responses: Arc<dyn ResponseStore>,
    _folder: Option<tempfile::TempDir>,
    _database: Option<kit::Database>,
}

/// As many bytes of files are kept at most.
const MOST: u64 = 3 << 20;

async fn places() -> Vec<Place> {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec![Place {
        name: "a folder",
        files: Arc::new(FolderFiles::open(folder.path().join("files"), MOST).unwrap()),
        batches: Arc::new(FolderBatches::open(folder.path().join("batches")).unwrap()),
        responses: Arc::new(FolderStore::open(folder.path().join("responses"), 1 << 20).unwrap()),
        _folder: Some(folder),
        _database: None,
    }];
    for database in kit::databases().await {
        let store = database.open().await;
        all.push(Place {
            name: database.name,
            files: Arc::new(KeptFiles::new(store.clone(), MOST)),
            batches: Arc::new(KeptBatches::new(store.clone())),
            responses: Arc::new(KeptResponses::new(store, 1 << 20)),
            _folder: None,
            _database: Some(database),
        });
    }
    all
}

fn id(kind: &str, number: u32) -> String {
    format!("{kind}local-{number:032x}")
}

fn file(number: u32, bytes: u64) -> KeptFile {
    KeptFile {
        id: id("file-", number),
        filename: "in\u{0}.jsonl".into(),
        purpose: "batch".into(),
        bytes,
        created_at: 1_000 + u64::from(number),
        expires_at: None,
        owner: None,
    }
}

fn batch(number: u32) -> Batch {
    let batch = json!({
        "id": id("batch_", number),
        "endpoint": "/v1/chat/completions",
        "input": id("file-", 1),
        "output": id("file-", 2),
        "errors": id("file-", 3),
        "metadata": {"a": "b"},
        "status": "in_progress",
        "created_at": 1_000 + number,
        "since": {},
        "problems": [],
        "total": 9,
        "completed": 0,
        "failed": 0,
    });
    serde_json::from_value(batch).unwrap()
}

fn over(mut batch: Batch) -> Batch {
    let mut text: Value = serde_json::to_value(&batch).unwrap();
    text["status"] = "completed".into();
    text["completed"] = 2.into();
    batch = serde_json::from_value(text).unwrap();
    batch
}

fn tenure(runner: &str, now: u64) -> Tenure<'_> {
    Tenure {
        runner,
        now,
        until: now + 10,
    }
}

fn answer(line: u64, good: bool) -> LineAnswer {
    LineAnswer {
        line,
        good,
        text: format!("{{\"custom_id\":\"{line}\",\"n\":\"\\u0000é\"}}"),
    }
}

fn listing(limit: usize) -> Listing {
    Listing {
        limit,
        now: 2_000,
        ..Listing::default()
    }
}

async fn ids(place: &Place, listing: &Listing) -> Vec<String> {
    let files = place.files.list(listing).await.unwrap();
    files.into_iter().map(|file| file.id).collect()
}

#[tokio::test]
async fn a_file_is_read_as_it_was_written() {
    for place in places().await {
        let (files, name) = (&place.files, place.name);
        let bytes: Vec<u8> = (0..PIECE as u32 * 2 + 5).map(|n| (n % 253) as u8).collect();
        let known = KeptFile {
            filename: "in.jsonl".into(),
            ..file(1, bytes.len() as u64)
        };
        files.begin(&known).await.unwrap();
        for (number, piece) in (0..).zip(bytes.chunks(PIECE)) {
            assert_eq!(files.get(&known.id).await.unwrap(), None, "{name}");
            let piece = Bytes::copy_from_slice(piece);
            files.write(&known.id, number, piece.clone()).await.unwrap();
            files.write(&known.id, number, piece).await.unwrap();
        }
        files.show(&known).await.unwrap();
        assert_eq!(files.get(&known.id).await.unwrap(), Some(known.clone()));
        let (mut read, mut number) = (Vec::new(), 0);
        while let Some(piece) = files.read(&known.id, number).await.unwrap() {
            read.extend(piece);
            number += 1;
        }
        assert!(read == bytes && number == 3, "{name}");
        assert!(files.remove(&known.id).await.unwrap());
        assert!(!files.remove(&known.id).await.unwrap(), "{name}");
        assert_eq!(files.get(&known.id).await.unwrap(), None, "{name}");
        assert_eq!(files.read(&known.id, 0).await.unwrap(), None, "{name}");
        files.begin(&file(2, 0)).await.unwrap();
        files.show(&file(2, 0)).await.unwrap();
        assert_eq!(files.read(&file(2, 0).id, 0).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_removing_makes_room() {
    for place in places().await {
        let piece = Bytes::from(vec![7; PIECE]);
        let two = file(1, 4 * PIECE as u64);
        place.files.begin(&two).await.unwrap();
        for number in 0..4 {
            let written = place.files.write(&two.id, number, piece.clone());
            written.await.unwrap();
        }
        place.files.show(&two).await.unwrap();
        let more = place.files.begin(&file(2, MOST / 2)).await.unwrap_err();
        assert_eq!(more.status_code(), 413, "{}", place.name);
        assert_eq!(more.code.as_deref(), Some("storage_full"));
        assert!(place.files.remove(&two.id).await.unwrap());
        place.files.begin(&file(2, MOST / 2)).await.unwrap();
    }
}

#[tokio::test]
async fn files_are_listed_and_go_when_they_expire() {
    for place in places().await {
        for number in 1..=4 {
            let mut one = file(number, 0);
            if number == 2 {
                (one.purpose, one.expires_at) = ("vision".into(), Some(2_001));
            }
            place.files.begin(&one).await.unwrap();
            place.files.show(&one).await.unwrap();
        }
        let all = [4, 3, 2, 1].map(|number| id("file-", number));
        assert_eq!(ids(&place, &listing(9)).await, all, "{}", place.name);
        let next = Listing {
            after: Some(id("file-", 3)),
            ..listing(1)
        };
        assert_eq!(ids(&place, &next).await, all[2..3]);
        let others = Listing {
            purpose: Some("batch".into()),
            oldest_first: true,
            after: Some(id("file-", 1)),
            ..listing(9)
        };
        assert_eq!(ids(&place, &others).await, [all[1].clone(), all[0].clone()]);
        let later = Listing {
            now: 2_001,
            ..listing(9)
        };
        assert_eq!(ids(&place, &later).await.len(), 3, "{}", place.name);
        place.files.sweep(2_000).await.unwrap();
        assert!(place.files.get(&all[2]).await.unwrap().is_some());
        place.files.sweep(2_001).await.unwrap();
        assert!(place.files.get(&all[2]).await.unwrap().is_none());
        assert!(place.files.get(&all[1]).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn lists_show_one_s_own_and_what_is_nobody_s() {
    for place in places().await {
        for (number, owner) in [
            (1, None),
            (2, Some("ada")),
            (3, Some("bob")),
            (4, Some("ada")),
        ] {
            let one = KeptFile {
                owner: owner.map(str::to_owned),
                ..file(number, 0)
            };
            place.files.begin(&one).await.unwrap();
            place.files.show(&one).await.unwrap();
            let known = place.files.get(&one.id).await.unwrap().unwrap();
            assert_eq!(known.owner, one.owner, "{}", place.name);
            let mut made = batch(number);
            made.whose = owner.map(str::to_owned);
            place.batches.make(&made).await.unwrap();
        }
        let own = |after: Option<u32>, oldest_first| Listing {
            owner: Some("ada".into()),
            after: after.map(|number| id("file-", number)),
            oldest_first,
            ..listing(9)
        };
        let files = |numbers: &[u32]| -> Vec<String> {
            numbers.iter().map(|number| id("file-", *number)).collect()
        };
        let name = place.name;
        assert_eq!(
            ids(&place, &own(None, false)).await,
            files(&[4, 2, 1]),
            "{name}"
        );
        assert_eq!(
            ids(&place, &own(Some(2), true)).await,
            files(&[4]),
            "{name}"
        );
        assert!(ids(&place, &own(Some(3), false)).await.is_empty(), "{name}");
        for (oldest_first, numbers) in [(false, [4, 2, 1]), (true, [1, 2, 4])] {
            let listed = place.batches.list(&own(None, oldest_first)).await.unwrap();
            let listed: Vec<String> = listed.into_iter().map(|batch| batch.id).collect();
            assert_eq!(listed, numbers.map(|number| id("batch_", number)), "{name}");
        }
    }
}

#[tokio::test]
async fn a_batch_is_one_runner_s_at_a_time() {
    for place in places().await {
        let (batches, name) = (&place.batches, place.name);
        for number in [2, 1] {
            batches.make(&batch(number)).await.unwrap();
        }
        let claimed = |runner: &'static str, now| async move {
            let claimed = batches.claim(tenure(runner, now)).await.unwrap();
            claimed.map(|batch| batch.id)
        };
        let first = id("batch_", 1);
        assert_eq!(claimed("x", 100).await, Some(first.clone()), "{name}");
        assert_eq!(claimed("x", 100).await, Some(id("batch_", 2)), "{name}");
        assert_eq!(claimed("y", 109).await, None, "{name}");
        let renewed = async |runner, now| batches.renew(&first, tenure(runner, now)).await.unwrap();
        assert_eq!(renewed("x", 105).await, Some(false), "{name}");
        assert_eq!(renewed("y", 105).await, None, "{name}");
        assert_eq!(claimed("y", 110).await, Some(id("batch_", 2)), "{name}");
        assert_eq!(claimed("y", 115).await, Some(first.clone()), "{name}");
        assert_eq!(renewed("x", 116).await, None, "{name}");
        let answered = async |runner, line, good| {
            let answer = answer(line, good);
            batches.answer(&first, runner, &answer).await.unwrap()
        };
        assert!(!answered("x", 1, true).await, "{name}: it is y's");
        assert!(answered("y", 5, true).await && answered("y", 2, false).await);
        assert!(!answered("y", 5, false).await, "{name}: it is answered");
        let mut lines = batches.lines(&first).await.unwrap();
        lines.sort_unstable();
        assert_eq!(lines, [2, 5], "{name}");
        let seen = batches.get(&first).await.unwrap().unwrap();
        assert_eq!((seen.completed, seen.failed), (1, 1), "{name}");
        assert!(!batches.save(&over(batch(1)), "x").await.unwrap(), "{name}");
        assert!(batches.save(&over(batch(1)), "y").await.unwrap(), "{name}");
        assert!(!batches.save(&batch(1), "y").await.unwrap(), "{name}");
        let seen = batches.get(&first).await.unwrap().unwrap();
        assert_eq!((seen.is_over(), seen.completed), (true, 2), "{name}");
        assert_eq!(batches.lines(&first).await.unwrap(), [0; 0], "{name}");
        assert_eq!(claimed("z", 9_000).await, Some(id("batch_", 2)), "{name}");
        batches.sweep(0).await.unwrap();
    }
}

#[tokio::test]
async fn a_batch_that_shall_stop_tells_its_runner() {
    for place in places().await {
        let (batches, name) = (&place.batches, place.name);
        let first = id("batch_", 1);
        batches.make(&batch(1)).await.unwrap();
        batches.claim(tenure("x", 100)).await.unwrap();
        batches.cancel(&first, 1_500).await.unwrap();
        batches.cancel(&first, 1_600).await.unwrap();
        let renewed = batches.renew(&first, tenure("x", 101)).await.unwrap();
        assert_eq!(renewed, Some(true), "{name}");
        assert!(batches.save(&batch(1), "x").await.unwrap());
        let seen = batches.get(&first).await.unwrap().unwrap();
        assert_eq!(seen.cancelling_at, Some(1_500), "{name}");
        assert!(batches.save(&over(batch(1)), "x").await.unwrap());
        let listed = batches.list(&listing(5)).await.unwrap();
        assert_eq!(listed.len(), 1, "{name}");
        assert_eq!(listed[0].cancelling_at, Some(1_500), "{name}");
    }
}

#[tokio::test]
async fn a_batch_goes_some_time_after_its_end() {
    for place in places().await {
        let (batches, name) = (&place.batches, place.name);
        for number in [1, 2] {
            batches.make(&batch(number)).await.unwrap();
        }
        batches.claim(tenure("x", 100)).await.unwrap();
        let over = over(batch(1));
        assert!(batches.save(&over, "x").await.unwrap(), "{name}");
        let end = over.ended_at().unwrap();
        assert_eq!(batch(1).ended_at(), None);
        for (time, left) in [(end - 1, 2), (end, 1), (u64::MAX >> 12, 1)] {
            batches.sweep(time).await.unwrap();
            let listed = batches.list(&listing(5)).await.unwrap();
            assert_eq!(listed.len(), left, "{name}");
        }
        assert!(batches.get(&over.id).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn answers_are_read_once_each_and_always_in_the_same_order() {
    for place in places().await {
        let (batches, name) = (&place.batches, place.name);
        let first = id("batch_", 1);
        batches.make(&batch(1)).await.unwrap();
        batches.claim(tenure("x", 100)).await.unwrap();
        let long = "y".repeat(300 << 10);
        for line in [9, 1, 7, 3, 5, 4, 8] {
            let answer = LineAnswer {
                text: format!("{{\"custom_id\":\"{line}\",\"long\":\"{long}\"}}"),
                ..answer(line, line != 4)
            };
            assert!(batches.answer(&first, "x", &answer).await.unwrap());
        }
        let mut reads = Vec::new();
        for _ in 0..2 {
            let (mut lines, mut place, mut rounds) = (Vec::new(), Some(0), 0);
            while let Some(from) = place {
                let (answers, next) = batches.answers(&first, from).await.unwrap();
                assert!(answers.len() < 7, "{name}: that is more than a piece");
                for answer in answers {
                    assert_eq!(answer.good, answer.line != 4);
                    assert!(answer.text.len() > 300 << 10);
                    lines.push(answer.line);
                }
                (place, rounds) = (next, rounds + 1);
            }
            assert!(rounds > 1, "{name}");
            reads.push(lines);
        }
        assert_eq!(reads[0], reads[1], "{name}");
        reads[0].sort_unstable();
        assert_eq!(reads[0], [1, 3, 4, 5, 7, 8, 9], "{name}");
    }
}

#[tokio::test]
async fn a_response_is_found_until_it_is_forgotten() {
    for place in places().await {
        let (responses, name) = (&place.responses, place.name);
        let id = "resp_0123456789abcdef0123456789abcdef";
        let kept = Bytes::from_static(b"{\"previous\":null}");
        assert_eq!(responses.get(id).await.unwrap(), None, "{name}");
        responses.put(id, kept.clone());
        assert_eq!(responses.get(id).await.unwrap(), Some(kept), "{name}");
        assert!(responses.remove(id).await.unwrap(), "{name}");
        assert!(!responses.remove(id).await.unwrap(), "{name}");
        assert_eq!(responses.get(id).await.unwrap(), None, "{name}");
    }
}
