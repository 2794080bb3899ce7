//! The laws of the fuzzers, over some thousand inputs: random bytes, and fixtures with something changed in them.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "../fuzz/laws/frames.rs"]
mod frames;
#[path = "../fuzz/laws/requests.rs"]
mod requests;
#[path = "../fuzz/laws/streams.rs"]
mod streams;

use std::{path::Path, sync::LazyLock};

use llm_providers::{Provider, backends};
use proptest::{prelude::*, sample::Index};

/// Every fixture's bytes.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push(std::fs::read(path).unwrap());
            }
        }
    }
    all.retain(|bytes| bytes.len() < 16 << 10);
    // Folders are listed in any order, and a failure is to be found again.
    all.sort();
    all
});

/// One change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Drop(Index, usize),
    Repeat(Index, usize),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        let at = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match self {
            Change::Cut(index) => bytes.truncate(at(index, bytes)),
            Change::Set(index, byte) => {
                let at = at(index, bytes);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Change::Insert(index, more) => {
                let at = at(index, bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Drop(index, count) => {
                let at = at(index, bytes);
                let end = bytes.len().min(at + count);
                bytes.drain(at..end);
            }
            Change::Repeat(index, count) => {
                let at = at(index, bytes);
                let end = bytes.len().min(at + count);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let json = prop::sample::select(vec![
        "null",
        "[]",
        "{}",
        "-1",
        "1e999",
        "\"\"",
        "true",
        "[{}]",
        "\u{1f600}",
        "\n\n",
        "data: ",
        "\0",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), json).prop_map(|(at, text)| Change::Insert(at, text.into())),
        (any::<Index>(), 1..200usize).prop_map(|(at, count)| Change::Drop(at, count)),
        (any::<Index>(), 1..200usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

/// Random bytes, or a fixture with a few changes.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let changed =
        (any::<Index>(), prop::collection::vec(change(), 0..4)).prop_map(|(which, changes)| {
            let mut bytes = which.get(&CORPUS[..]).clone();
            changes.iter().for_each(|change| change.make(&mut bytes));
            bytes
        });
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..500),
        9 => changed,
    ]
}

/// Some of the backends, so that many inputs together meet all of them.
fn some() -> impl Strategy<Value = Vec<&'static Provider>> {
    prop::sample::subsequence(backends::ALL.to_vec(), 6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_cut_anywhere_are_the_same_frames(cut: usize, bytes in input()) {
        frames::holds(cut, &bytes);
    }

    #[test]
    fn any_body_is_translated_or_refused(rows in some(), bytes in input()) {
        requests::holds(&rows, &bytes);
    }

    #[test]
    fn any_bytes_are_a_stream_or_an_error(rows in some(), bytes in input()) {
        streams::holds(&rows, &bytes);
    }
}
