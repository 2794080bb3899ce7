//! The rest of an answer that broke, and the end of any.

use llm_providers::{Chunk, Error, Kind, bridges};
use llm_types::{ChatChunk, JsonObject, Map, Op};

use super::{AnswerStream, Event, Source, event};

/// The extension field of an answer that was carried on.
const EXTENSION: &str = "interlingua";

impl AnswerStream {
    /// Tells the client a chunk of the rest of its answer.
    pub(super) fn tell(&mut self, mut chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(usage) = &mut chunk.usage {
            self.usage_told = true;
            *usage = self.bill.with(Some(usage)).unwrap_or_default();
        }
        let last = chunk.usage.is_some() || chunk.choices.iter().any(|c| c.finish_reason.is_some());
        if last {
            chunk
                .extra
                .insert(EXTENSION.into(), self.extension().into());
        }
        self.sent.tell(&chunk);
        let Some(bridge) = &mut self.bridge else {
            let data = Chunk::Chat(Box::new(chunk)).into_data()?;
            out.push(Event { name: None, data });
            return Ok(());
        };
        let mut made = Vec::new();
        bridge.push(chunk, &mut made)?;
        out.extend(made.into_iter().map(event));
        Ok(())
    }

    /// What a client is told of an answer that was carried on.
    pub(super) fn extension(&self) -> Map {
        let mut extension = Map::new();
        if !self.continued.is_empty()
            && let Ok(continued) = serde_json::to_value(&self.continued)
        {
            extension.insert("continued".into(), continued);
        }
        if self.bill.estimated {
            extension.insert("usage_estimated".into(), true.into());
        }
        extension
    }

    /// The vendor has ended the answer: closes what is open.
    pub(super) fn last(&mut self) -> Result<Vec<Event>, Error> {
        let mut out = std::mem::take(&mut self.waiting);
        self.sent.flush();
        self.began = true;
        if self.splice.as_ref().is_some_and(|splice| !splice.is_over()) {
            let message = "the stream broke, and the rest ended before the answer was complete";
            return Err(Error::new(Kind::Connection, message));
        }
        self.usage_chunk(&mut out)?;
        let mut bridged = Vec::new();
        if let Some(bridge) = &mut self.bridge {
            bridge.finish(&mut bridged)?;
        }
        for mut event in bridged.into_iter().map(event) {
            if self.splice.is_some() {
                self.extend(&mut event);
            }
            out.push(event);
        }
        Ok(out)
    }

    /// Tells the client the usage that it waits for, where its vendor did not say it.
    pub(super) fn usage_chunk(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        let carried_on = self.splice.is_some();
        let told = match &self.source {
            Source::Vendor(stream) if !carried_on => stream.usage().is_some(),
            _ => self.usage_told || !carried_on,
        };
        let op = self.op();
        if told || !self.wants_usage() {
            return Ok(());
        }
        let Some(usage) = self.own_usage(false) else {
            return Ok(());
        };
        if self.bridge.is_none() && op != Op::Chat {
            let Some(bridge) = bridges::over_chat(op).filter(|_| op == Op::Completion) else {
                return Ok(());
            };
            self.bridge = self
                .onward
                .as_ref()
                .map(|onward| bridge.stream(&onward.network.body));
        }
        let mut chunk = self.sent.said(op).head.clone();
        chunk.usage = Some(usage);
        self.tell(chunk, out)
    }

    /// Puts the extension into the event that ends an answer, in dialects whose bridges write that themselves.
    pub(super) fn extend(&self, event: &mut Event) {
        const LAST: [&[u8]; 3] = [
            b"message_delta",
            b"response.completed",
            b"response.incomplete",
        ];
        let name = event.name.as_deref();
        let named = name.is_some_and(|name| LAST.contains(&name));
        // Google's events have no names: only the last one comes with the end.
        if (named || self.op() == Op::GenerateContent)
            && let Ok(mut object) = JsonObject::parse(&event.data)
        {
            object.set(EXTENSION, &self.extension());
            event.data = object.to_bytes();
        }
    }

    /// Whether the client expects usage in the stream.
    pub(super) fn wants_usage(&self) -> bool {
        let Some(onward) = &self.onward else {
            return false;
        };
        if !matches!(onward.network.op, Op::Chat | Op::Completion) {
            return true;
        }
        let options = onward
            .network
            .body
            .get::<Map>("stream_options")
            .ok()
            .flatten();
        options.is_some_and(|options| options.get("include_usage") == Some(&true.into()))
    }
}
