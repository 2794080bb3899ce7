//! Files and batches of vendors with OpenAI's wire whose batches do not say what they consumed: their answers do.

use bytes::Bytes;
use http::Request;
use llm_types::{Op, Usage, Verb};
use serde::Deserialize;

use crate::{
    Call, Error, Framing, Outgoing, Protocol, Reply, Rewriter, Step, protocols::openai::OpenAi,
    rewrite::Consumed,
};

/// OpenAI's files, the answers in them counted.
#[derive(Debug)]
pub(crate) struct Counted;

impl Protocol for Counted {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        OpenAi.encode(call)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let mut step = OpenAi.decode(call, reply)?;
        if let Step::Done(answer) = &mut step {
            answer.usage = None;
        }
        Ok(step)
    }

    fn streams_files(&self, call: &Call<'_>) -> bool {
        OpenAi.streams_files(call)
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        OpenAi.framing(call)
    }

    fn rewriter(&self, call: &Call<'_>) -> Option<Box<dyn Rewriter>> {
        let is_content = (call.op, call.verb) == (Op::File, Verb::Content);
        is_content.then(|| Box::new(Counter::default()) as Box<dyn Rewriter>)
    }
}

/// Leaves lines as they are.
#[derive(Default)]
struct Counter(Consumed);

/// As much of a line as is counted.
#[derive(Deserialize)]
struct Line {
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    body: Option<Body>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    model: String,
    usage: Option<Usage>,
}

impl Rewriter for Counter {
    fn line(&mut self, line: &[u8]) -> Result<Option<Bytes>, Error> {
        if let Ok(read) = serde_json::from_slice::<Line>(line)
            && let Some(body) = read.response.and_then(|response| response.body)
            && let Some(usage) = body.usage
        {
            self.0.add(&body.model, &usage);
        }
        Ok(Some(Bytes::copy_from_slice(line)))
    }

    fn consumed(&self) -> &[(String, Usage)] {
        self.0.all()
    }
}
