//! Reads what an answer consumed while it passes by, and changes nothing of it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use llm_types::{JsonObject, Op, Usage, Verb};
use serde_json::value::RawValue;

use crate::{
    Call, CallOptions, Chunks, Decoder, Framing, Native, Reply, Shown, Step, Target,
    frame::{Frame, Splitter},
    protocols::bedrock,
    rewrite::Lines,
};

/// The longest answer that is read whole.
const LONGEST: usize = 64 << 20;

/// Reads one forwarded answer. What it cannot read it leaves alone.
pub struct Meter {
    target: Target,
    op: Op,
    /// What is shown that was made before.
    shown: Option<Shown>,
    fields: JsonObject,
    stream: bool,
    how: How,
    frames: Vec<Frame>,
    chunks: Chunks,
    /// What the headers said: the answer's own word is the better one.
    told: Option<Usage>,
}

enum How {
    /// Event by event.
    Events(Splitter, Box<dyn Decoder>),
    /// At its end.
    Whole(Vec<u8>),
    /// Line by line.
    Lines(Lines),
    /// Not at all any more.
    Deaf,
}

impl Meter {
    /// A meter for the answer with these `headers` to a request for `native` with the body `fields`; `None` where the
    /// vendor's wire for it is not known.
    pub fn new(
        target: &Target,
        native: &Native,
        fields: &JsonObject,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let op = native.op?;
        let mut target = target.clone();
        if !native.model.is_empty() {
            target.model.clone_from(&native.model);
        }
        target.provider = native.reader(&target);
        let kind = headers.get(header::CONTENT_TYPE);
        let is = |name: &[u8]| kind.is_some_and(|kind| kind.as_bytes().starts_with(name));
        // What a form asks for is not read; the answer says what it is.
        let streams = native.stream || is(b"text/event-stream");
        let mut meter = Self {
            target,
            op,
            shown: None,
            fields: fields.clone(),
            stream: streams,
            how: How::Deaf,
            frames: Vec::new(),
            chunks: Chunks::default(),
            told: bedrock::told(headers),
        };
        let options = CallOptions::default();
        let Some(call) = meter.call(&options) else {
            return meter.told.is_some().then_some(meter);
        };
        let how = match call.wire().framing(&call) {
            framing @ (Framing::Sse | Framing::Lines | Framing::AwsEventStream)
                if streams && !is(b"application/json") =>
            {
                How::Events(Splitter::new(framing), call.decoder().ok()?)
            }
            Framing::Bytes => return None,
            _ => How::Whole(Vec::new()),
        };
        drop(call);
        meter.how = how;
        Some(meter)
    }

    /// A meter for what is shown that was made before; `None` where it tells nothing of tokens.
    pub fn of_shown(target: &Target, shown: &Shown, headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE);
        // It is told again, event by event: what is over says it, too.
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return None;
        }
        let mut meter = Self {
            target: target.clone(),
            op: shown.op,
            shown: Some(shown.clone()),
            fields: JsonObject::new(),
            stream: false,
            how: How::Whole(Vec::new()),
            frames: Vec::new(),
            chunks: Chunks::default(),
            told: None,
        };
        let options = CallOptions::default();
        let call = meter.call(&options)?;
        let lines = call.wire().rewriter(&call).map(Lines::new);
        if call.verb == Verb::Content {
            let how = How::Lines(lines?);
            drop(call);
            meter.how = how;
        } else {
            drop(call);
        }
        Some(meter)
    }

    /// What a request consumes that no answer tells: the characters that are spoken, say.
    pub fn beforehand(target: &Target, native: &Native, fields: &JsonObject) -> Option<Usage> {
        let options = CallOptions::default();
        let fields = fields.clone();
        let call = Call::resource(native.op?, Verb::Create, None, target, fields, &options).ok()?;
        call.wire().spent(&call)
    }

    /// Whether the answer is read at its end only.
    pub fn is_whole(&self) -> bool {
        matches!(self.how, How::Whole(_))
    }

    /// Hears a piece of the answer.
    pub fn push(&mut self, bytes: &Bytes) {
        let heard = match &mut self.how {
            How::Events(splitter, decoder) => {
                let split = splitter.push(bytes.clone(), &mut self.frames);
                let all = self.frames.drain(..);
                let read = all.map(|frame| decoder.push(frame, &mut self.chunks));
                // An event that cannot be read says nothing; the next one may.
                for _ in read {}
                self.chunks.items.clear();
                split.is_ok()
            }
            How::Whole(held) => {
                held.extend_from_slice(bytes);
                held.len() <= LONGEST
            }
            How::Lines(lines) => lines.push(bytes).is_ok(),
            How::Deaf => true,
        };
        if !heard {
            self.how = How::Deaf;
        }
    }

    /// What was said of usage so far.
    pub fn so_far(&self) -> Option<&Usage> {
        self.chunks.usage.as_ref()
    }

    /// The answer is over: what it consumed, where it says so.
    pub fn finish(mut self) -> Option<Usage> {
        let told = self.told.take();
        self.read().or(told)
    }

    /// What is shown is all there: what each model consumed for it. An answer that cannot be read says nothing.
    pub fn shown(mut self) -> Vec<(String, Usage)> {
        match std::mem::replace(&mut self.how, How::Deaf) {
            How::Lines(mut lines) => match lines.finish() {
                Ok(_) => lines.consumed().to_vec(),
                Err(_) => Vec::new(),
            },
            How::Whole(held) => {
                let held = Bytes::from(held);
                let model = JsonObject::parse(&held).ok();
                let model = model.and_then(|object| object.str("model").map(Cow::into_owned));
                let usage = self.whole(held);
                usage
                    .map(|usage| (model.unwrap_or_default(), usage))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn read(mut self) -> Option<Usage> {
        match std::mem::replace(&mut self.how, How::Deaf) {
            How::Events(mut splitter, mut decoder) => {
                let _ = splitter.finish(&mut self.frames);
                for frame in self.frames.drain(..) {
                    let _ = decoder.push(frame, &mut self.chunks);
                }
                let _ = decoder.finish(&mut self.chunks);
                self.chunks.usage
            }
            How::Whole(held) => self.whole(held.into()),
            How::Lines(_) | How::Deaf => self.chunks.usage,
        }
    }

    fn whole(mut self, body: Bytes) -> Option<Usage> {
        let options = CallOptions::default();
        // Google streams a list of answers where nobody asked for events.
        if self.stream && body.trim_ascii_start().starts_with(b"[") {
            let mut decoder = self.call(&options)?.decoder().ok()?;
            let items: Vec<&RawValue> = serde_json::from_slice(&body).ok()?;
            for item in items {
                let frame = Frame::data(item.get().to_owned());
                let _ = decoder.push(frame, &mut self.chunks);
            }
            let _ = decoder.finish(&mut self.chunks);
            return self.chunks.usage;
        }
        let reply = Reply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body,
        };
        match self.call(&options)?.decode(reply).ok()? {
            Step::Done(answer) => answer.usage,
            _ => None,
        }
    }

    /// The call that would have been made for the same answer.
    fn call<'a>(&'a self, options: &'a CallOptions) -> Option<Call<'a>> {
        let fields = self.fields.clone();
        let (verb, id) = match &self.shown {
            Some(shown) => (shown.verb, Some(shown.id.clone())),
            None => (Verb::Create, None),
        };
        let mut call = Call::resource(self.op, verb, id, &self.target, fields, options).ok()?;
        call.stream = self.stream;
        call.include_usage = true;
        Some(call)
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("op", &self.op).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, lookup};

    fn heard(provider: &str, path: &str, kind: &str, answer: &str) -> Option<(u64, u64)> {
        let target = Target::new(lookup(provider).unwrap(), "any", Credential::None);
        let native = Native::read(path, Some(&body(path)));
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        let mut meter = Meter::new(&target, &native, &body(path), &headers)?;
        for piece in answer.as_bytes().chunks(7) {
            meter.push(&Bytes::copy_from_slice(piece));
        }
        let usage = meter.finish()?;
        Some((usage.prompt_tokens, usage.completion_tokens))
    }

    fn body(path: &str) -> JsonObject {
        let text = match path.ends_with("messages") || path.ends_with("completions") {
            true => r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#,
            false => r#"{"model":"m","contents":[]}"#,
        };
        JsonObject::parse(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn whole_answers_are_read() {
        let openai = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;
        assert_eq!(
            heard("openai", "chat/completions", "application/json", openai),
            Some((7, 2))
        );
        let responses = r#"{"id":"r","object":"response","status":"completed","output":[],"usage":{"input_tokens":7,"output_tokens":2,"total_tokens":9}}"#;
        assert_eq!(
            heard("openai", "v1/responses", "application/json", responses),
            Some((7, 2))
        );
        let claude = r#"{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":7,"output_tokens":2}}"#;
        assert_eq!(
            heard("anthropic", "v1/messages", "application/json", claude),
            Some((7, 2))
        );
        let gemini = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2,"totalTokenCount":9}}"#;
        assert_eq!(
            heard(
                "gemini",
                "v1beta/models/g:generateContent",
                "application/json",
                gemini
            ),
            Some((7, 2))
        );
        let list = format!("[{gemini},\n{gemini}]");
        assert_eq!(
            heard(
                "gemini",
                "v1beta/models/g:streamGenerateContent",
                "application/json",
                &list
            ),
            Some((7, 2))
        );
        let converse = r#"{"output":{"message":{"role":"assistant","content":[{"text":"x"}]}},"stopReason":"end_turn","usage":{"inputTokens":7,"outputTokens":2,"totalTokens":9},"metrics":{"latencyMs":1}}"#;
        assert_eq!(
            heard(
                "bedrock",
                "model/amazon.nova-lite-v1%3A0/converse",
                "application/json",
                converse
            ),
            Some((7, 2))
        );
        assert_eq!(
            heard(
                "bedrock",
                "model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke",
                "application/json",
                claude
            ),
            Some((7, 2))
        );
    }

    #[test]
    fn streams_are_read() {
        let openai = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\ndata: [DONE]\n\n";
        assert_eq!(
            heard("openai", "chat/completions", "text/event-stream", openai),
            Some((7, 2))
        );
        let claude = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        assert_eq!(
            heard(
                "anthropic",
                "v1/messages",
                "text/event-stream; charset=utf-8",
                claude
            ),
            Some((7, 2))
        );
    }

    #[test]
    fn vectors_are_read() {
        let google = r#"{"embeddings":[{"values":[0.5]},{"values":[0.25]}],"usageMetadata":{"promptTokenCount":7}}"#;
        let path = "v1beta/models/gemini-embedding-001:batchEmbedContents";
        assert_eq!(
            heard("gemini", path, "application/json", google),
            Some((7, 0))
        );
        let cohere = r#"{"id":"e","embeddings":{"float":[[0.5]]},"meta":{"billed_units":{"input_tokens":7}}}"#;
        assert_eq!(
            heard("cohere", "v2/embed", "application/json", cohere),
            Some((7, 0))
        );
    }

    #[test]
    fn aws_counts_in_its_headers_what_no_wire_tells() {
        let target = Target::new(lookup("bedrock").unwrap(), "any", Credential::None);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let path = "model/amazon.titan-text-express-v1/invoke";
        let native = Native::read(path, None);
        assert!(Meter::new(&target, &native, &body(path), &headers).is_none());
        headers.insert("x-amzn-bedrock-input-token-count", "7".parse().unwrap());
        headers.insert("x-amzn-bedrock-output-token-count", "2".parse().unwrap());
        let mut meter = Meter::new(&target, &native, &body(path), &headers).unwrap();
        meter.push(&Bytes::from_static(br#"{"results":[]}"#));
        assert_eq!(meter.finish(), Some(Usage::new(7, 2)));
    }

    #[test]
    fn what_nobody_knows_is_left_alone() {
        assert_eq!(heard("openai", "v1/files", "application/json", "{}"), None);
        assert_eq!(
            heard("openai", "chat/completions", "application/json", "nonsense"),
            None
        );
        assert_eq!(
            heard(
                "openai",
                "chat/completions",
                "text/event-stream",
                "data: nonsense\n\n"
            ),
            None
        );
    }
}
