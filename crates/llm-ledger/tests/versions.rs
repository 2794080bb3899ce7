//! Journals that another version wrote.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod kit;

use std::fs;

use llm_ledger::{Error, Ledger, Settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_another_version_is_left_as_it_is() {
    let database = kit::sqlite();
    let store = database.open().await;
    let settings = || Settings::new(database.folder().join("journal"));
    let ledger = Ledger::open(store.clone(), settings()).await;
    ledger.unwrap().close().await;
    let record = [255, 1, 2, 3];
    let mut frame = u32::try_from(record.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(crc32fast::hash(&record).to_le_bytes());
    frame.extend(record);
    let journal = database.folder().join("journal");
    let files = fs::read_dir(&journal).unwrap();
    let mut files = files.map(|entry| entry.unwrap().path());
    let is_journal = |path: &std::path::PathBuf| path.extension().is_some_and(|it| it == "journal");
    let last = files.find(is_journal).unwrap();
    let before = fs::read(&last).unwrap();
    fs::write(&last, [before, frame].concat()).unwrap();
    let written = fs::read(&last).unwrap();

    let error = Ledger::open(store, settings()).await.unwrap_err();
    assert!(matches!(error, Error::JournalVersion(_)), "{error}");
    assert!(error.to_string().contains("format 255"), "{error}");
    assert_eq!(fs::read(&last).unwrap(), written);
}
