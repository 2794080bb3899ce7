//! Streamed answers: chunks pass through, and only those that are not OpenAI's are written anew.

use bytes::Bytes;
use llm_types::Usage;
use serde_json::{Value, json, value::RawValue};

use super::{object, repair::Repair, usage, wire, write};
use crate::{Call, Chunks, Decoder, Error, Kind, error_table, frame::Frame};

/// One streamed answer.
pub(super) struct Stream {
    provider: &'static str,
    include_usage: bool,
    is_chat: bool,
    repair: Repair,
    /// How many answers were asked for.
    wanted: usize,
    /// The choices seen so far, and whether each has its finish reason.
    choices: Vec<(u64, bool)>,
    /// The beginning of every chunk, for one that we must add ourselves.
    head: Option<Head>,
    /// The last document that was no chunk: the reason, if the answer stays incomplete.
    odd: Option<String>,
    done: bool,
}

struct Head {
    id: Value,
    model: Value,
    created: Value,
}

impl Stream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            is_chat: call.op == llm_types::Op::Chat,
            repair: Repair::new(call, true),
            wanted: wanted(call),
            choices: Vec::new(),
            head: None,
            odd: None,
            done: false,
        }
    }

    fn chunk(&mut self, data: Bytes, out: &mut Chunks) -> Result<(), Error> {
        let Some(document) = wire::read::<wire::Document<'_>>(&data) else {
            // Not of the shape we know: perhaps still JSON that can be put right.
            return self.repaired(&data, out);
        };
        if document.error.is_some_and(is_something) {
            return Err(self.refusal(&data));
        }
        let Some(choices) = &document.choices else {
            return self.without_choices(&document, &data, out);
        };
        let usage = document.usage.map(usage::read);
        if !self.repair.is_plain(&document, usage.as_ref()) || self.finishes_again(choices) {
            return self.repaired(&data, out);
        }
        for choice in choices {
            self.note(choice.index.unwrap_or(0), choice.finish_reason.is_some());
        }
        let usage = usage.flatten().map(|read| read.usage);
        let only_usage = choices.is_empty() && usage.is_some();
        self.keep_usage(usage, out);
        if self.head.is_none() {
            self.head = head(&data);
        }
        if !only_usage || self.include_usage {
            out.raw(None, data);
        }
        Ok(())
    }

    /// Writes a chunk anew.
    fn repaired(&mut self, data: &[u8], out: &mut Chunks) -> Result<(), Error> {
        let mut document = object(self.provider, data)?;
        if document
            .get("error")
            .is_some_and(|error| !is_nothing(error))
        {
            return Err(self.refusal(data));
        }
        let usage = self.repair.apply(&mut document);
        let Some(Value::Array(choices)) = document.get_mut("choices") else {
            self.odd = Some(error_table::cut(data));
            return Ok(());
        };
        for choice in choices.iter_mut().filter_map(Value::as_object_mut) {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            let finished = choice.get("finish_reason").is_some_and(Value::is_string);
            if finished && self.choices.contains(&(index, true)) {
                choice.insert("finish_reason".into(), Value::Null);
            }
            self.note(index, finished);
        }
        let only_usage = choices.is_empty() && usage.is_some();
        self.keep_usage(usage, out);
        let data = write(self.provider, &document)?;
        if self.head.is_none() {
            self.head = head(&data);
        }
        if !only_usage || self.include_usage {
            out.raw(None, data);
        }
        Ok(())
    }

    /// Usage alone, a note of the vendor's, or an error in a shape of its own.
    fn without_choices(
        &mut self,
        document: &wire::Document<'_>,
        data: &Bytes,
        out: &mut Chunks,
    ) -> Result<(), Error> {
        if let Some(error) = error_table::in_frame(self.provider, data) {
            return Err(error);
        }
        match document.usage.and_then(usage::read) {
            Some(read) => {
                self.keep_usage(Some(read.usage), out);
                if self.include_usage {
                    let mut document = object(self.provider, data)?;
                    document.insert("choices".into(), json!([]));
                    out.raw(None, write(self.provider, &document)?);
                }
            }
            None => self.odd = Some(error_table::cut(data)),
        }
        Ok(())
    }

    fn refusal(&self, data: &[u8]) -> Error {
        error_table::in_frame(self.provider, data)
            .unwrap_or_else(|| error_table::unreadable(self.provider, data))
    }

    fn finishes_again(&self, choices: &[wire::Choice<'_>]) -> bool {
        choices.iter().any(|choice| {
            choice.finish_reason.is_some()
                && self.choices.contains(&(choice.index.unwrap_or(0), true))
        })
    }

    fn note(&mut self, index: u64, finished: bool) {
        match self.choices.iter_mut().find(|(seen, _)| *seen == index) {
            Some((_, done)) => *done |= finished,
            None => self.choices.push((index, finished)),
        }
    }

    fn keep_usage(&self, usage: Option<Usage>, out: &mut Chunks) {
        if usage.is_some() {
            out.usage = usage;
        }
    }

    /// The end mark says that the answer is whole; a vendor that gave no reason meant this one.
    fn close(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if self.choices.is_empty() {
            return Err(self.incomplete("the stream ended without an answer"));
        }
        let open = self.choices.iter().filter(|(_, finished)| !finished);
        let (Some(head), true) = (&self.head, self.is_chat) else {
            return Ok(());
        };
        for (index, _) in open {
            let reason = self.repair.reason_for_the_end(*index);
            let chunk = json!({
                "id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model,
                "choices": [{"index": index, "delta": {}, "finish_reason": reason}],
            });
            out.raw(None, chunk.to_string().into());
        }
        for (_, finished) in &mut self.choices {
            *finished = true;
        }
        Ok(())
    }

    fn incomplete(&self, what: &str) -> Error {
        let error = match &self.odd {
            Some(odd) => Error::new(Kind::Decode, format!("{what}; the vendor said: {odd}")),
            None => Error::new(Kind::Connection, what),
        };
        error.of(self.provider)
    }
}

impl Decoder for Stream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let data = frame.data.slice_ref(frame.data.trim_ascii());
        if data.is_empty() || self.done {
            return Ok(());
        }
        if &data[..] == b"[DONE]" {
            self.done = true;
            self.close(out)?;
            out.done = true;
            return Ok(());
        }
        if frame.event() == "error" {
            return Err(self.refusal(&data));
        }
        if !data.starts_with(b"{") {
            return Err(error_table::unreadable(self.provider, &data));
        }
        self.chunk(data, out)
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        let finished =
            self.choices.len() >= self.wanted && self.choices.iter().all(|(_, done)| *done);
        if self.done || finished {
            out.done = true;
            return Ok(());
        }
        Err(self.incomplete("the stream ended before the answer was complete"))
    }
}

/// `n`, which counts where the vendor has no end mark.
fn wanted(call: &Call<'_>) -> usize {
    let n = call.fields().get("n").ok().flatten();
    n.unwrap_or(1).max(1)
}

/// Vendors write `"error": null`, `{}` or `""` where there is none.
fn is_something(raw: &RawValue) -> bool {
    !matches!(raw.get(), "{}" | "\"\"" | "false" | "[]")
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn head(data: &[u8]) -> Option<Head> {
    #[derive(serde::Deserialize)]
    struct Fields {
        #[serde(default)]
        id: Value,
        #[serde(default)]
        model: Value,
        #[serde(default)]
        created: Value,
    }
    let fields: Fields = serde_json::from_slice(data).ok()?;
    Some(Head {
        id: fields.id,
        model: fields.model,
        created: fields.created,
    })
}
