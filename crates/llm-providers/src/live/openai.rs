//! OpenAI's own events: handed on as they are, and read in passing.

use bytes::Bytes;
use llm_types::{CompletionDetails, PromptDetails, Usage};
use memchr::memmem;
use serde::Deserialize;

use super::{
    Said, Says, Session,
    transcription::{Told, Transcription, Transcripts},
};
use crate::{Call, Error};

/// A session whose vendor speaks OpenAI's events.
#[derive(Debug, Default)]
pub(crate) struct OpenAiSession {
    usage: Option<Usage>,
    answering: bool,
    transcripts: Transcripts,
    /// A session that only writes down what is said.
    transcription: Option<Transcription>,
}

/// Of an event, what is read.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    response: Option<Response>,
    #[serde(flatten)]
    told: Told,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    usage: Option<Consumed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Consumed {
    total_tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    input_token_details: Option<Details>,
    output_token_details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: u64,
    text_tokens: Option<u64>,
    audio_tokens: u64,
    image_tokens: u64,
}

impl Session for OpenAiSession {
    fn client_said(&mut self, said: Said) -> Result<Says, Error> {
        let said = match (&self.transcription, said) {
            (Some(transcription), Said::Text(text)) => Said::Text(transcription.named(text)?),
            (_, said) => said,
        };
        Ok(Says {
            vendor: vec![said],
            ..Says::default()
        })
    }

    fn vendor_said(&mut self, said: Said) -> Result<Says, Error> {
        if let Said::Text(text) = &said {
            self.hear(text);
        }
        Ok(Says {
            client: vec![said],
            ..Says::default()
        })
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn heard(&self) -> &[(String, Usage)] {
        &self.transcripts.heard
    }

    fn is_answering(&self) -> bool {
        self.answering
    }
}

impl OpenAiSession {
    /// The session that `call` opens, whose client names the model `named`.
    pub(crate) fn new(call: &Call<'_>, model: &str, named: &str) -> Self {
        let transcription = Transcription::of(call, model, named);
        let mut session = Self::default();
        if transcription.is_some() {
            session.transcripts.model = model.to_owned();
        }
        session.transcription = transcription;
        session
    }

    /// Most events are pieces of sound, and are not parsed.
    fn hear(&mut self, text: &Bytes) {
        let has = |word: &[u8]| memmem::find(text, word).is_some();
        let words: [&[u8]; 4] = [
            b"response.created",
            b"response.done",
            b"session.",
            b"input_audio_transcription.completed",
        ];
        if !words.iter().any(|word| has(word)) {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event>(text) else {
            return;
        };
        match event.kind.as_str() {
            "response.created" => self.answering = true,
            "response.done" => {
                self.answering = false;
                let consumed = event.response.and_then(|response| response.usage);
                if let Some(usage) = consumed.map(Usage::from) {
                    self.usage.get_or_insert_default().add(&usage);
                }
            }
            kind => self.transcripts.hear(kind, event.told),
        }
    }
}

impl From<Consumed> for Usage {
    fn from(consumed: Consumed) -> Self {
        let input = consumed.input_token_details.unwrap_or_default();
        let output = consumed.output_token_details.unwrap_or_default();
        let (prompt, completion) = (consumed.input_tokens, consumed.output_tokens);
        Usage {
            total_tokens: consumed.total_tokens.max(prompt.saturating_add(completion)),
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: input.cached_tokens,
                audio_tokens: input.audio_tokens,
                image_tokens: input.image_tokens,
                text_tokens: input.text_tokens,
                ..PromptDetails::default()
            }),
            completion_tokens_details: Some(CompletionDetails {
                audio_tokens: output.audio_tokens,
                text_tokens: output.text_tokens,
                ..CompletionDetails::default()
            }),
            ..Usage::new(prompt, completion)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Said {
        Said::Text(Bytes::copy_from_slice(json.as_bytes()))
    }

    #[test]
    fn events_pass_as_they_are_and_answers_are_summed() {
        let mut session = OpenAiSession::default();
        let done = r#"{"type":"response.done","response":{"status":"completed","usage":{"total_tokens":30,"input_tokens":10,"output_tokens":20,"input_token_details":{"cached_tokens":4,"text_tokens":6,"audio_tokens":4},"output_token_details":{"text_tokens":5,"audio_tokens":15}}}}"#;
        for event in [
            r#"{"type":"session.created"}"#,
            r#"{"type":"response.created","response":{}}"#,
        ] {
            let said = text(event);
            assert_eq!(session.vendor_said(said.clone()).unwrap().client, [said]);
        }
        assert!(session.is_answering());
        for _ in 0..2 {
            session.vendor_said(text(done)).unwrap();
        }
        assert!(!session.is_answering());
        let usage = session.usage().unwrap();
        assert_eq!(
            (
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens
            ),
            (20, 40, 60)
        );
        assert_eq!(usage.cached_tokens(), 8);
        let output = usage.completion_tokens_details.as_ref().unwrap();
        assert_eq!((output.audio_tokens, output.text_tokens), (30, Some(10)));
    }

    #[test]
    fn words_that_look_like_events_are_none() {
        let mut session = OpenAiSession::default();
        for event in [
            r#"{"type":"response.output_text.delta","delta":"response.done"}"#,
            r#"{"type":"response.done"}"#,
            r#"{"type":"response.done","response":{"usage":"#,
            "response.done",
        ] {
            session.vendor_said(text(event)).unwrap();
        }
        assert_eq!(session.usage(), None);
    }
}
