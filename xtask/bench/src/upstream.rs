//! A vendor that costs next to nothing: its answers are made once, and a thread per connection writes them.

use std::{
    io::{self, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use anyhow::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    say,
    scenario::{CHUNKS, PACE, PACED, WORD},
    wire,
};

/// Every answer, ready to be written.
#[derive(Debug)]
struct Answers {
    chat: Vec<u8>,
    /// The head and each event, with its chunk's frame.
    stream: Vec<Vec<u8>>,
    embeddings: Vec<u8>,
    messages: Vec<u8>,
    missing: Vec<u8>,
}

/// What of a request decides its answer.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    model: String,
    #[serde(default)]
    stream: bool,
}

/// Serves until the process ends.
pub(crate) fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&format!("http://{}", listener.local_addr()?))?;
    let answers = Arc::new(Answers::new());
    for socket in listener.incoming() {
        let socket = socket?;
        let answers = Arc::clone(&answers);
        // Whoever hangs up ends its own thread only.
        thread::spawn(move || serve(&socket, &answers));
    }
    Ok(())
}

fn serve(socket: &TcpStream, answers: &Answers) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(64 << 10, socket);
    let mut output = socket;
    let mut body = Vec::new();
    while let Some(head) = wire::read_head(&mut input)? {
        wire::read_body(&mut input, &head, &mut body)?;
        let asked: Asked = serde_json::from_slice(&body)?;
        let path = head.first.split(' ').nth(1).unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "completions" if asked.stream && asked.model == PACED => {
                for part in &answers.stream {
                    output.write_all(part)?;
                    thread::sleep(PACE);
                }
            }
            "completions" if asked.stream => output.write_all(&answers.stream.concat())?,
            "completions" => output.write_all(&answers.chat)?,
            "embeddings" => output.write_all(&answers.embeddings)?,
            "messages" => output.write_all(&answers.messages)?,
            _ => output.write_all(&answers.missing)?,
        }
    }
    Ok(())
}

impl Answers {
    fn new() -> Self {
        Self {
            chat: whole("200 OK", &chat()),
            stream: stream(),
            embeddings: whole("200 OK", &embeddings()),
            messages: whole("200 OK", &messages()),
            missing: whole(
                "404 Not Found",
                &json!({"error": {"message": "no such path"}}),
            ),
        }
    }
}

fn whole(status: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn text() -> String {
    format!("The ship goes past the {WORD}, around the cape and into the harbour behind it. ")
        .repeat(2)
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 14, "completion_tokens": 36, "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

fn chat() -> Value {
    json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": text(), "refusal": null},
            "logprobs": null, "finish_reason": "stop",
        }],
        "usage": usage(), "service_tier": "default", "system_fingerprint": "fp_bench",
    })
}

fn messages() -> Value {
    json!({
        "id": "msg_bench", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": text()}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {
            "input_tokens": 14, "output_tokens": 36,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        },
    })
}

fn embeddings() -> Value {
    let vector: Vec<f64> = (0..1536).map(|i| f64::from(i - 768) / 65_536.0).collect();
    json!({
        "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": "text-embedding-3-small", "usage": {"prompt_tokens": 14, "total_tokens": 14},
    })
}

fn stream() -> Vec<Vec<u8>> {
    let chunk = |choices: Value, usage: Value| {
        json!({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000,
            "model": "gpt-4o-2024-08-06", "system_fingerprint": "fp_bench", "choices": choices, "usage": usage,
        })
    };
    let delta = |delta: Value, finish: Value| {
        chunk(
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]),
            Value::Null,
        )
    };
    let mut events = vec![delta(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    let word = json!({"content": format!(" {WORD}")});
    events.extend((0..CHUNKS).map(|_| delta(word.clone(), Value::Null)));
    events.push(delta(json!({}), json!("stop")));
    events.push(chunk(json!([]), usage()));
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut parts = vec![head.as_bytes().to_vec()];
    parts.extend(events.iter().map(|event| framed(&event.to_string())));
    let mut last = framed("[DONE]");
    last.extend_from_slice(b"0\r\n\r\n");
    parts.push(last);
    parts
}

/// An event of a stream, in a chunk of its own.
fn framed(data: &str) -> Vec<u8> {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::events;

    fn read(message: &[u8]) -> String {
        let mut input = message;
        let head = wire::read_head(&mut input).unwrap().unwrap();
        let mut body = Vec::new();
        wire::read_body(&mut input, &head, &mut body).unwrap();
        assert!(input.is_empty());
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn the_stream_is_one_that_clients_read() {
        let body = read(&Answers::new().stream.concat());
        assert_eq!(events(body.as_bytes()), CHUNKS + 3);
        let events: Vec<&str> = body.split_terminator("\n\n").collect();
        assert_eq!(events.last(), Some(&"data: [DONE]"));
        let chunks: Vec<Value> = events[..events.len() - 1]
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        let said: String = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(said, format!(" {WORD}").repeat(CHUNKS));
        assert_eq!(chunks[CHUNKS + 1]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[CHUNKS + 2]["usage"]["total_tokens"], 50);
    }

    #[test]
    fn whole_answers_are_json() {
        let answers = Answers::new();
        let embedded: Value = serde_json::from_str(&read(&answers.embeddings)).unwrap();
        assert_eq!(
            embedded["data"][0]["embedding"].as_array().unwrap().len(),
            1536
        );
        for answer in [&answers.chat, &answers.messages] {
            let text = read(answer);
            assert!(text.contains(WORD));
            serde_json::from_str::<Value>(&text).unwrap();
        }
    }
}
