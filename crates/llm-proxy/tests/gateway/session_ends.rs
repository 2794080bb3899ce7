//! Sessions whose key may not go on, and those whose process dies.

use std::{fs, path::Path, time::Duration};

use llm_proxy::settings::Settings;
use llm_store::Charged;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{governed::Kept, sessions::*, stored::kit, support::*};

const PLACE: &str = "/v1/realtime?model=gpt";

/// What one of the vendor's answers costs: ten tokens in, twenty out.
const ANSWER: f64 = 0.21;

fn priced(vendor: &Sessions) -> Settings {
    let mut settings = settings(&vendor.url);
    let info = &mut settings.deployments[0].model_info;
    info.insert("input_cost_per_token".into(), 0.001.into());
    info.insert("output_cost_per_token".into(), 0.01.into());
    settings
}

async fn opened(kept: &Kept, key: &str) -> WebSocketStream<TcpStream> {
    let bearer = format!("Bearer {key}");
    let header = [("authorization", bearer.as_str())];
    let (mut client, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    event(&mut client).await;
    client
}

/// The session's end: an error that says why, and a goodbye.
async fn told(client: &mut WebSocketStream<TcpStream>) -> Value {
    let said = event(client).await;
    assert_eq!(said["type"], "error", "{said}");
    let Message::Close(Some(frame)) = hear(client).await else {
        panic!("no goodbye");
    };
    assert_eq!(u16::from(frame.code), 1008);
    said["error"].clone()
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    for database in kit::databases().await {
        let mut vendor = Sessions::start().await;
        let kept = Kept::on(database, priced(&vendor)).await;
        let [blocked, deleted] = [kept.key(json!({})).await, kept.key(json!({})).await];
        let in_a_moment = kept.key(json!({"duration": "2s"})).await;
        let team = json!({"team_id": "t"});
        assert_eq!(kept.manage("/team/new", team).await.status, 200);
        let of_team = kept.key(json!({"team_id": "t"})).await;
        let other = kept.key(json!({})).await;
        let mut clients = Vec::new();
        for key in [&blocked, &deleted, &in_a_moment, &of_team, &other] {
            clients.push(opened(&kept, key).await);
        }
        let [first, second, third, fourth, fifth] = &mut clients[..] else {
            panic!("there are five");
        };
        answered(first).await;
        // Not even an answer that is under way goes on.
        say(first, json!({"type": "test.begin"})).await;
        assert_eq!(event(first).await["type"], "response.created");

        kept.manage("/key/block", json!({"key": blocked})).await;
        let error = told(first).await;
        assert_eq!(error["type"], "auth_error");
        assert!(error["message"].as_str().unwrap().contains("blocked"));
        kept.manage("/key/delete", json!({"keys": [deleted]})).await;
        let error = told(second).await;
        assert!(error["message"].as_str().unwrap().contains("deleted"));
        assert_eq!(told(third).await["type"], "expired_key");
        kept.manage("/team/block", json!({"team_id": "t"})).await;
        let error = told(fourth).await;
        assert!(error["message"].as_str().unwrap().contains("Team=t"));
        for _ in 0..4 {
            assert_eq!(vendor.ended.recv().await.unwrap(), Some(1000));
        }

        answered(fifth).await;
        fifth.close(None).await.unwrap();
        kept.gateway.settled().await;
        let spent: Vec<f64> = kept
            .rows()
            .await
            .iter()
            .map(|row| row.spend.to_f64())
            .filter(|spend| *spend > 0.0)
            .collect();
        assert_eq!(spent, [ANSWER, ANSWER]);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Whether the journal says of any request what it has cost so far.
fn is_noted(journal: &Path) -> bool {
    let files = fs::read_dir(journal).unwrap();
    let mut files = files.filter_map(|file| fs::read(file.unwrap().path()).ok());
    files.any(|bytes| records(&bytes).any(|one| Charged::unpack(one).is_ok_and(|one| one.renews)))
}

/// What lies in a journal's file behind a length and a checksum each.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, _) = bytes.split_first_chunk::<4>()?;
        let whole = 8 + usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let record = bytes.get(8..whole)?;
        bytes = &bytes[whole..];
        Some(record)
    })
}

#[tokio::test]
async fn a_session_is_charged_for_what_it_had_cost_when_its_process_died() {
    let vendor = Sessions::start().await;
    let kept = Kept::with(priced(&vendor)).await;
    let key = kept.key(json!({})).await;
    let mut client = opened(&kept, &key).await;
    answered(&mut client).await;
    while !is_noted(&kept.folder().join("journal")) {
        sleep(Duration::from_millis(5)).await;
    }
    // What is on the disk in this moment is all that a process leaves that dies in it.
    let left = kit::sqlite();
    copy(&kept.folder(), &left.folder());
    let next = Kept::on(left, priced(&vendor)).await;
    let rows = next.rows().await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.status.as_str(), row.spend.to_f64()))
        .collect();
    assert_eq!(rows, [("unknown", ANSWER)]);
    // Its own end is one row, too.
    client.close(None).await.unwrap();
    kept.gateway.settled().await;
    assert_eq!(kept.rows().await.len(), 1);
}
