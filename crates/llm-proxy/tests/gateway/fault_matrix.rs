//! Every fault of a vendor, for one deployment and for three, without fallbacks and with two, whole and streamed, in three
//! dialects: how often who is asked, and what the client gets. The table in the reference is made from this.

use std::{collections::BTreeMap, fmt::Write, path::Path, sync::Arc, time::Duration};

use llm_providers::{Credential, Target, lookup};
use llm_router::{Deployment, Fallback, Timeouts};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    fault_server::{Fault, FaultServer},
    support::{Gateway, Got, Nothing},
};
use llm_proxy::settings::Settings;

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a whole answer.
    Answer,
    /// With this status.
    Refused(u16),
    /// With an error in the stream, after a part of the answer.
    Broken,
    /// With an answer that says that a filter stopped it.
    Stopped,
}

use End::{Answer, Broken, Refused, Stopped};

/// What becomes of a fault: attempts with one deployment and with three, the end, and whether fallbacks help.
type Outcome = (u32, u32, End, bool);

/// A fault, its name in the table, and what becomes of it, whole and streamed.
type Row = (Fault, &'static str, Outcome, Outcome);

const ROWS: &[Row] = &[
    same(
        Fault::Refused,
        "connection refused",
        (3, 3, Refused(500), true),
    ),
    same(Fault::Dns, "name not found", (3, 3, Refused(500), true)),
    same(
        Fault::Tls,
        "TLS handshake fails",
        (3, 3, Refused(500), true),
    ),
    same(
        Fault::Reset,
        "connection closed before an answer",
        (3, 3, Refused(500), true),
    ),
    same(Fault::Silent, "no response", (1, 3, Refused(408), true)),
    same(
        Fault::Slow,
        "headers, then nothing",
        (1, 3, Refused(408), true),
    ),
    (
        Fault::Stall,
        "stops in the middle",
        (1, 3, Refused(408), true),
        (1, 1, Broken, true),
    ),
    (
        Fault::Cut,
        "cut in the middle",
        (3, 3, Refused(500), true),
        (1, 1, Broken, true),
    ),
    same(Fault::Malformed, "malformed", (3, 3, Refused(502), true)),
    same(
        Fault::Garbled,
        "one event is malformed",
        (1, 1, Answer, true),
    ),
    (
        Fault::NoEnd,
        "no end mark",
        (3, 3, Refused(502), true),
        (1, 1, Broken, true),
    ),
    same(Fault::Status(400, None), "400", (1, 1, Refused(400), true)),
    same(Fault::Status(401, None), "401", (1, 3, Refused(401), true)),
    same(Fault::Status(402, None), "402", (1, 3, Refused(402), true)),
    same(Fault::Status(403, None), "403", (1, 3, Refused(403), true)),
    same(Fault::Status(404, None), "404", (1, 3, Refused(404), true)),
    same(Fault::Status(408, None), "408", (3, 3, Refused(408), true)),
    same(Fault::Status(413, None), "413", (1, 1, Refused(413), true)),
    same(Fault::Status(429, None), "429", (3, 3, Refused(429), true)),
    same(
        Fault::Status(429, Some(1)),
        "429, Retry-After: 1",
        (3, 3, Refused(429), true),
    ),
    same(Fault::Status(500, None), "500", (3, 3, Refused(500), true)),
    same(Fault::Status(502, None), "502", (3, 3, Refused(502), true)),
    same(Fault::Status(503, None), "503", (3, 3, Refused(503), true)),
    same(Fault::Status(504, None), "504", (3, 3, Refused(504), true)),
    same(Fault::Status(529, None), "529", (3, 3, Refused(529), true)),
    same(
        Fault::ErrorInside,
        "200 with an error inside",
        (3, 3, Refused(503), true),
    ),
    same(
        Fault::ContextWindow,
        "prompt too long",
        (1, 1, Refused(400), true),
    ),
    same(
        Fault::ContentPolicy,
        "content refused",
        (1, 1, Refused(400), false),
    ),
    same(
        Fault::WindowListed,
        "prompt too long, with `context_window_fallbacks`",
        (1, 1, Refused(400), true),
    ),
    same(
        Fault::PolicyListed,
        "content refused, with `content_policy_fallbacks`",
        (1, 1, Refused(400), true),
    ),
    same(
        Fault::Filtered,
        "answer stopped by a filter, with `content_policy_fallbacks`",
        (1, 1, Stopped, true),
    ),
    same(
        Fault::Flapping,
        "every second request fails",
        (2, 2, Answer, true),
    ),
];

const fn same(fault: Fault, name: &'static str, outcome: Outcome) -> Row {
    (fault, name, outcome, outcome)
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy)]
struct Cell {
    row: usize,
    pool: u32,
    fallbacks: bool,
    dialect: Dialect,
    stream: bool,
}

/// What a client speaks. The vendor speaks chat and Responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Chat,
    Messages,
    Responses,
}

use Dialect::{Chat, Messages, Responses};

/// What happened in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Happened {
    attempts: u32,
    end: End,
}

impl Cell {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for row in 0..ROWS.len() {
            for dialect in [Chat, Messages, Responses] {
                all.extend((0..8).map(|bits| Self {
                    row,
                    pool: if bits & 1 == 0 { 1 } else { 3 },
                    fallbacks: bits & 2 != 0,
                    dialect,
                    stream: bits & 4 != 0,
                }));
            }
        }
        all
    }

    fn group(&self) -> String {
        let Self { row, pool, .. } = self;
        let dialect = self.dialect as u8;
        let flags = [self.fallbacks, self.stream].map(u8::from);
        format!("r{row}p{pool}d{dialect}f{}s{}", flags[0], flags[1])
    }

    fn expected(&self) -> Happened {
        let (_, _, whole, stream) = ROWS[self.row];
        let (one, three, end, helps) = if self.stream { stream } else { whole };
        let own = if self.pool == 1 { one } else { three };
        if !self.fallbacks || !helps || end == Answer {
            return Happened { attempts: own, end };
        }
        if end == Broken || (end == Stopped && self.stream) {
            // The header that counts was sent when the stream began; the second fallback carries the answer on.
            return Happened {
                attempts: own,
                end: Answer,
            };
        }
        // The first fallback fails in the same way, the second answers.
        Happened {
            attempts: own + one + 1,
            end: Answer,
        }
    }

    /// The deployments of the cell's groups, and where failures lead.
    fn install(&self, server: &FaultServer, settings: &mut Settings) {
        let (group, fault) = (self.group(), ROWS[self.row].0);
        let mut add = |id: String, group: String, fault: Fault| {
            let url = server.url(&name(fault), fault, &id);
            let openai = lookup("openai").unwrap();
            let target = Target::new(openai, "m", Credential::key("sk-vendor")).at(&url);
            let mut deployment = Deployment::new(id, group, target);
            deployment.timeouts = limits(fault);
            settings.deployments.push(deployment);
        };
        for n in 0..self.pool {
            add(format!("{group}-{n}"), group.clone(), fault);
        }
        if self.fallbacks {
            add(format!("{group}-x"), format!("{group}-x"), fault);
            add(format!("{group}-y"), format!("{group}-y"), Fault::None);
            let to = ["x", "y"].map(|end| Fallback::to(format!("{group}-{end}")));
            let lists = &mut settings.router.fallbacks;
            let list = match fault {
                Fault::WindowListed => &mut lists.context_window,
                Fault::PolicyListed | Fault::Filtered => &mut lists.content_policy,
                _ => &mut lists.general,
            };
            list.insert(group, to.to_vec());
        }
    }

    /// Whether its fallbacks are those of one cause. Such a list, of whatever group, is all there is for that cause.
    fn is_listed(&self) -> bool {
        use Fault::{Filtered, PolicyListed, WindowListed};
        matches!(ROWS[self.row].0, WindowListed | PolicyListed | Filtered)
    }

    async fn run(&self, gateway: &Gateway) -> Happened {
        let mut body = json!({"model": self.group(), "stream": self.stream});
        let path = match self.dialect {
            Chat => "/v1/chat/completions",
            Messages => "/v1/messages",
            Responses => "/v1/responses",
        };
        if self.dialect == Responses {
            body["input"] = "Hi".into();
        } else {
            body["max_tokens"] = 5.into();
            body["messages"] = json!([{"role": "user", "content": "Hi"}]);
        }
        let headers = [("x-interlingua-debug", "router")];
        let got = gateway.send("POST", path, &headers, body.to_string()).await;
        let route: Value = serde_json::from_str(got.header("x-interlingua-route"))
            .unwrap_or_else(|e| panic!("{self:?}: {e}: {got:?}"));
        self.check_gaps(&route);
        Happened {
            attempts: u32::try_from(route["made"].as_u64().unwrap()).unwrap(),
            end: self.end(&got),
        }
    }

    /// Nobody is asked again before the back-off is over, which doubles, or before the vendor's own time is.
    fn check_gaps(&self, route: &Value) {
        let mut ended: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for attempt in route["attempts"].as_array().unwrap() {
            let number = |key: &str| attempt[key].as_u64().unwrap();
            let (began, took) = (number("began_ms"), number("took_ms"));
            let deployment = attempt["deployment"].as_str().unwrap();
            let (before, times) = ended.get(deployment).copied().unwrap_or_default();
            let least = match (times, ROWS[self.row].0) {
                (0, _) => 0,
                (_, Fault::Status(_, Some(seconds))) => u64::from(seconds) * 1000,
                (times, _) => 500 << (times - 1),
            };
            // Both ends are cut to whole milliseconds.
            let gap = (began + 2).saturating_sub(before);
            assert!(gap >= least, "{self:?}: {gap} ms, not {least}: {route}");
            ended.insert(deployment, (began + took, times + 1));
        }
    }

    /// What the client got: a whole answer, an error, or an answer that says that it broke. Nothing else is right.
    fn end(&self, got: &Got) -> End {
        let status = got.status.as_u16();
        if status != 200 {
            assert!(
                got.json()["error"]["message"].is_string(),
                "{self:?}: {got:?}"
            );
            return Refused(status);
        }
        let text = got.text();
        let (error, stopped) = match self.dialect {
            Chat => ("\"error\":", r#""finish_reason":"content_filter""#),
            Messages => ("event: error", r#""stop_reason":"refusal""#),
            Responses => ("event: error", r#""reason":"content_filter""#),
        };
        if self.stream && text.contains(error) {
            return Broken;
        }
        if text.contains(stopped) {
            return Stopped;
        }
        let whole = match (self.stream, self.dialect) {
            (false, Chat) => got.json()["choices"][0]["message"]["content"] == "Hello",
            (false, Messages) => got.json()["content"][0]["text"] == "Hello",
            (false, Responses) => got.json()["output"][0]["content"][0]["text"] == "Hello",
            (true, Chat) => text.contains("lo\"") && text.trim_end().ends_with("data: [DONE]"),
            (true, Messages) => text.contains("lo\"") && text.contains("\"type\":\"message_stop\""),
            (true, Responses) => {
                text.contains("lo\"") && text.contains("\"type\":\"response.completed\"")
            }
        };
        assert!(
            whole,
            "{self:?}: a part of an answer that passes for the whole: {text}"
        );
        Answer
    }
}

fn name(fault: Fault) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric();
    format!("{fault:?}").chars().filter(|c| plain(*c)).collect()
}

/// Short where silence is the fault, so long elsewhere that a busy machine is no fault.
fn limits(fault: Fault) -> Timeouts {
    let second = Duration::from_secs(1);
    let (first_byte, stall, total) = match fault {
        Fault::Silent | Fault::Slow => (second, second, second),
        Fault::Stall => (20 * second, second, 3 * second),
        _ => (20 * second, 20 * second, 20 * second),
    };
    Timeouts {
        first_byte: Some(first_byte),
        stall: Some(stall),
        total: Some(total),
        stream: None,
    }
}

/// Nothing takes longer than this, with all its retries.
const HANG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_fault_ends_as_the_reference_says() {
    let mut faults: BTreeMap<String, Fault> = ROWS.iter().map(|row| (name(row.0), row.0)).collect();
    faults.insert(name(Fault::None), Fault::None);
    let server = FaultServer::start(faults).await;
    let with = async |listed: bool| {
        let mut settings = Settings::base(&Nothing);
        settings.logs.requests = false;
        settings.logs.filter = "error".into();
        for cell in Cell::all() {
            if cell.is_listed() == listed {
                cell.install(&server, &mut settings);
            }
        }
        Arc::new(Gateway::with(settings).await)
    };
    let gateways = [with(false).await, with(true).await];
    let room = Arc::new(Semaphore::new(100));
    let mut running = JoinSet::new();
    for cell in Cell::all() {
        let gateway = &gateways[usize::from(cell.is_listed())];
        let (gateway, room) = (Arc::clone(gateway), Arc::clone(&room));
        running.spawn(async move {
            let _place = room.acquire().await.unwrap();
            (cell, tokio::time::timeout(HANG, cell.run(&gateway)).await)
        });
    }
    let mut wrong = Vec::new();
    while let Some(done) = running.join_next().await {
        let (cell, happened) = done.unwrap();
        let happened = happened.unwrap_or_else(|_| panic!("{cell:?}: it hangs"));
        let own = cell.expected();
        if happened != own {
            let fault = ROWS[cell.row].1;
            wrong.push(format!("{fault} {cell:?}: {happened:?}, not {own:?}"));
        }
        for n in 0..cell.pool {
            let asked = server.asked(&format!("{}-{n}", cell.group()));
            assert!(asked <= 3, "{cell:?}: asked {asked} times");
        }
    }
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} cells\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    check_reference();
}

/// The table in the reference is what the matrix says.
fn check_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/faults.md");
    let table = table();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == table,
        "docs/reference/faults.md is not what the matrix says: run the test with UPDATE_REFERENCE=1"
    );
}

fn table() -> String {
    let mut text = String::from(
        "# Faults\n\n<!-- Made by the test `every_fault_ends_as_the_reference_says`. Do not edit. -->\n\n\
         What becomes of a request when its vendor fails, with two retries (the default). Every cell is tested over \
         real sockets, for chat completions, for Anthropic's Messages and for Responses: none hangs, none ends in a part of an answer \
         that passes for the whole, and nobody is asked more than three times, or again before half a second is over, then a second, \
         or the time that its `Retry-After` says.\n\n\
         *Attempts*: with one deployment, with three that all fail in the same way; of a stream, until it begins. A stream \
         that breaks later is [carried on](../guides/failover.md). *Then*: what the client gets \
         where there is no fallback. *With fallbacks*: where there are two, of which the first fails in the same way.\n\n\
         | fault | attempts | then | with fallbacks | streamed: attempts | then | with fallbacks |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (_, name, whole, stream) in ROWS {
        let _ = writeln!(
            text,
            "| {name} | {} | {} |",
            columns(whole),
            columns(stream)
        );
    }
    text
}

fn columns((one, three, end, helps): &Outcome) -> String {
    let shown = match end {
        Answer => "an answer".to_owned(),
        Refused(status) => status.to_string(),
        Broken => "an error in the stream".to_owned(),
        Stopped => "the stopped answer".to_owned(),
    };
    let falls = if *end == Answer || !helps {
        "the same"
    } else {
        "an answer"
    };
    format!("{one}, {three} | {shown} | {falls}")
}
