//! The chunks of another attempt as the rest of an answer.

use llm_providers::{Chunk, Error, Kind};
use llm_router::{Differs, DocumentSeam, Seam};
use llm_types::{ChatChunk, Delta, ToolCall};

use super::{Reading, Way, ask::given, said::Said};

/// Makes the chunks of an attempt continue those that a client has.
pub(crate) struct Splice {
    /// The chunks' dialect.
    reading: Reading,
    head: ChatChunk,
    seam: Joint,
    over: bool,
}

#[derive(Debug)]
enum Joint {
    Text(Seam),
    Document(DocumentSeam),
    /// `index`: the call's number at the client; `theirs`: in the chunks.
    Call {
        seam: DocumentSeam,
        name: String,
        index: u64,
        theirs: Option<u64>,
    },
}

impl Splice {
    /// The splice after `said`.
    pub(crate) fn after(said: &Said, way: Way, echoes: bool, reading: Reading) -> Self {
        let seam = match (way, said.calls.last()) {
            (Way::Call, Some(open)) => Joint::Call {
                seam: DocumentSeam::after(&open.arguments),
                name: open.name.clone(),
                index: open.index,
                theirs: None,
            },
            (Way::Document, _) => Joint::Document(DocumentSeam::after(&said.text)),
            (Way::Prefill, _) => {
                Joint::Text(Seam::prefilled(&said.text, given(said).len(), echoes))
            }
            (Way::Anew, _) => Joint::Text(Seam::prefilled(&said.text, 0, false)),
            _ => Joint::Text(Seam::asked(&said.text)),
        };
        Self {
            reading,
            head: said.head.clone(),
            seam,
            over: false,
        }
    }

    /// What of a vendor's chunk the client is to be told.
    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<Vec<ChatChunk>, Error> {
        let mut read = Vec::new();
        self.reading.push(chunk, &mut read)?;
        let told = read.into_iter().map(|chunk| self.fit(chunk));
        told.filter_map(Result::transpose).collect()
    }

    fn fit(&mut self, chunk: ChatChunk) -> Result<Option<ChatChunk>, Error> {
        let mut told = self.head.clone();
        for mut choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            let finish = choice.finish_reason.take().filter(|_| !self.over);
            choice.delta = self.delta(choice.delta)?;
            if let Some(reason) = finish {
                self.over = true;
                let rest = self.end()?;
                if !rest.is_empty() {
                    choice.delta.content.get_or_insert_default().push_str(&rest);
                }
                choice.finish_reason = Some(self.reason(reason));
            }
            choice.logprobs = None;
            if choice.finish_reason.is_some() || choice.delta != Delta::default() {
                told.choices.push(choice);
            }
        }
        told.usage = chunk.usage;
        Ok(Some(told).filter(|told| !told.choices.is_empty() || told.usage.is_some()))
    }

    /// Whether the answer's last word was said.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The new part of a delta. Its role was said, and thinking has no place any more.
    fn delta(&mut self, mut delta: Delta) -> Result<Delta, Error> {
        delta.role = None;
        delta.reasoning_content = None;
        delta.thinking_blocks.clear();
        for key in ["reasoning", "reasoning_details"] {
            delta.extra.shift_remove(key);
        }
        let text = delta.content.take().unwrap_or_default();
        let text = match &mut self.seam {
            Joint::Text(seam) => seam.push(&text),
            Joint::Document(seam) => seam.push(&text).map_err(differs)?,
            Joint::Call { .. } => String::new(),
        };
        delta.content = Some(text).filter(|text| !text.is_empty());
        if let Joint::Call { .. } = &self.seam {
            let calls = std::mem::take(&mut delta.tool_calls);
            for (call, place) in calls.into_iter().zip(0..) {
                delta.tool_calls.extend(self.call(call, place)?);
            }
        }
        Ok(delta)
    }

    /// The new part of a call's fragment, under the number and the id that the client knows.
    fn call(&mut self, call: ToolCall, place: u64) -> Result<Option<ToolCall>, Error> {
        let Joint::Call {
            seam,
            name,
            index,
            theirs,
        } = &mut self.seam
        else {
            return Ok(Some(call));
        };
        let number = call.index.unwrap_or(place);
        if theirs.is_none() && call.function.name.as_deref().is_none_or(|new| new == name) {
            *theirs = Some(number);
        }
        if *theirs != Some(number) {
            return Ok(None);
        }
        let arguments = seam.push(&call.function.arguments).map_err(differs)?;
        if arguments.is_empty() {
            return Ok(None);
        }
        let mut new = ToolCall {
            index: Some(*index),
            ..ToolCall::default()
        };
        new.function.arguments = arguments;
        Ok(Some(new))
    }

    /// The attempt's last word: what was held back.
    fn end(&mut self) -> Result<String, Error> {
        match &mut self.seam {
            Joint::Text(seam) => Ok(seam.finish()),
            Joint::Document(seam) | Joint::Call { seam, .. } => {
                seam.finish().map_err(differs)?;
                Ok(String::new())
            }
        }
    }

    /// Who is forced to call a tool ends with `stop` at some vendors.
    fn reason(&self, reason: String) -> String {
        match (&self.seam, reason.as_str()) {
            (Joint::Call { .. }, "stop") => "tool_calls".into(),
            _ => reason,
        }
    }
}

fn differs(_: Differs) -> Error {
    let mut error = Error::new(
        Kind::Decode,
        "the stream broke, and the new attempt's JSON is not the one that was begun",
    );
    error.mid_stream = true;
    error
}
