//! SageMaker endpoints: OpenAI's chat format, or Hugging Face's text generation, inside SageMaker's envelope.

use bytes::Bytes;
use http::{HeaderValue, Request};
use llm_types::{
    ChatRequest, ChatResponse, Choice, ChunkChoice, Content, Delta, EmbeddingRequest,
    EmbeddingVector, Map, Message, Op,
};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::{
    bedrock,
    emit::{self, Emitter},
    openai::{self, OpenAi},
    prompt::Template,
    vectors,
};
use crate::{
    Answer, Call, Chunks, Decoder, Error, Framing, Outgoing, Protocol, Reply, Step, Target,
    auth::aws,
    frame::{Frame, Splitter},
    path,
};

/// A server behind the endpoint that speaks OpenAI's chat format.
#[derive(Debug)]
pub struct Chat;

impl Protocol for Chat {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        invoke(call, openai::body(call)?.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        OpenAi.decode(call, reply)
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(Unwrap::new(call, OpenAi.decoder(call)?)))
    }

    fn framing(&self, _: &Call<'_>) -> Framing {
        Framing::AwsEventStream
    }
}

/// Hugging Face's text generation server behind the endpoint: one prompt in, one text out.
#[derive(Debug)]
pub struct Generate;

impl Protocol for Generate {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let body = match call.op {
            Op::Chat => generation(call)?,
            Op::Embedding => {
                let request = EmbeddingRequest::from_object(call.fields())?;
                json!({ "text_inputs": request.input })
            }
            _ => return Err(call.unsupported()),
        };
        invoke(call, body.to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let broken = |e: serde_json::Error| Error::decode(call.target.provider.name, e);
        if call.op == Op::Embedding {
            let wire: Vectors = serde_json::from_slice(&reply.body).map_err(broken)?;
            let vectors = wire.embedding.into_iter().map(EmbeddingVector::Floats);
            return Ok(vectors::answer(call, vectors.collect(), None, Map::new())?.into());
        }
        let wire: Generated = serde_json::from_slice(&reply.body).map_err(broken)?;
        let texts = match wire {
            Generated::One(one) => vec![one],
            Generated::Many(many) => many,
        };
        Ok(Answer::chat(answer(call, texts)?).into())
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        let tokens = Tokens {
            provider: call.target.provider.name,
            emitter: Emitter::new(call),
            opened: false,
        };
        Ok(Box::new(Unwrap::new(call, Box::new(tokens))))
    }

    fn framing(&self, _: &Call<'_>) -> Framing {
        Framing::AwsEventStream
    }
}

/// `POST /endpoints/{endpoint}/invocations`, of one component where the endpoint has several.
fn invoke(call: &Call<'_>, body: Bytes) -> Result<Request<Outgoing>, Error> {
    let target = call.target;
    let uri = match target.setting("sagemaker_base_url") {
        Some(whole) => whole.to_owned(),
        None => address(target, call.stream)?,
    };
    let mut request = openai::request(&uri, body)?;
    if let Some(component) = target.setting("model_id") {
        let value = HeaderValue::from_str(component)
            .map_err(|_| Error::bad_request("model_id", "is not a valid header"))?;
        request
            .headers_mut()
            .insert("x-amzn-sagemaker-inference-component", value);
    }
    Ok(request)
}

fn address(target: &Target, stream: bool) -> Result<String, Error> {
    let endpoint = path::segment(&target.model)?;
    let action = if stream {
        "invocations-response-stream"
    } else {
        "invocations"
    };
    let base = aws::in_region(target)?;
    Ok(path::join(&base, &format!("endpoints/{endpoint}/{action}")))
}

/// The prompt and its parameters, by Hugging Face's names.
fn generation(call: &Call<'_>) -> Result<Value, Error> {
    let request = ChatRequest::from_object(call.fields())?;
    let mut parameters = Map::new();
    if let Some(limit) = request.output_limit() {
        parameters.insert("max_new_tokens".into(), limit.into());
    }
    if let Some(temperature) = &request.temperature {
        // The server refuses zero, and means the same by a hundredth.
        let zero = temperature.as_f64() == Some(0.0);
        let value = if zero {
            json!(0.01)
        } else {
            json!(temperature)
        };
        parameters.insert("temperature".into(), value);
    }
    if let Some(top_p) = &request.top_p {
        parameters.insert("top_p".into(), json!(top_p));
    }
    if let Some(stop) = &request.stop {
        parameters.insert("stop".into(), json!(stop));
    }
    if let Some(n) = request.n.filter(|n| *n > 1) {
        parameters.insert("best_of".into(), n.into());
        parameters.insert("do_sample".into(), true.into());
    }
    for (key, value) in &request.extra {
        parameters.insert(key.clone(), value.clone());
    }
    let mut body = Map::new();
    body.insert("inputs".into(), prompt(call, &request.messages).into());
    body.insert("parameters".into(), parameters.into());
    if call.stream {
        body.insert("stream".into(), true.into());
    }
    Ok(body.into())
}

/// The conversation as one text, as the model was trained to read it.
fn prompt(call: &Call<'_>, messages: &[Message]) -> String {
    let trained = call.target.setting("hf_model_name");
    Template::of(trained.unwrap_or(&call.target.model)).render(messages)
}

fn answer(call: &Call<'_>, texts: Vec<Text>) -> Result<ChatResponse, Error> {
    let request = ChatRequest::from_object(call.fields())?;
    let prompt = prompt(call, &request.messages);
    let choices = texts.into_iter().enumerate().map(|(i, text)| {
        let whole = text.generated_text;
        // Some servers repeat the prompt.
        let said = whole.strip_prefix(&prompt).unwrap_or(&whole).to_owned();
        Choice {
            index: i as u64,
            message: Message {
                role: "assistant".into(),
                content: Some(Content::Text(said)),
                ..Message::default()
            },
            finish_reason: Some(reason(text.details.as_ref()).into()),
            ..Choice::default()
        }
    });
    Ok(ChatResponse {
        object: "chat.completion".into(),
        model: call.target.model.clone(),
        choices: choices.collect(),
        ..ChatResponse::default()
    })
}

fn reason(details: Option<&Details>) -> &'static str {
    match details.and_then(|details| details.finish_reason.as_deref()) {
        Some("length") => "length",
        _ => "stop",
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Generated {
    Many(Vec<Text>),
    One(Text),
}

#[derive(Deserialize)]
struct Text {
    generated_text: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Vectors {
    embedding: Vec<Vec<Number>>,
}

/// One event of a stream: a token; with the last one, the whole text again.
#[derive(Deserialize)]
struct Token {
    token: TokenText,
    #[serde(default)]
    generated_text: Option<String>,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct TokenText {
    text: String,
    #[serde(default)]
    special: bool,
}

/// Reads the server's tokens.
struct Tokens {
    provider: &'static str,
    emitter: Emitter,
    opened: bool,
}

impl Decoder for Tokens {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        let event: Token =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))?;
        if !self.opened {
            self.opened = true;
            out.chat(self.emitter.delta(emit::opening()));
        }
        if !event.token.special && !event.token.text.is_empty() {
            out.chat(self.emitter.delta(Delta {
                content: Some(event.token.text),
                ..Delta::default()
            }));
        }
        if event.generated_text.is_some() {
            out.chat(self.emitter.choice(ChunkChoice {
                finish_reason: Some(reason(event.details.as_ref()).into()),
                ..ChunkChoice::default()
            }));
            out.done = true;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        Err(Error::cut(self.provider))
    }
}

/// Takes the server's own event stream out of the `PayloadPart`s, which are cut anywhere.
struct Unwrap {
    provider: &'static str,
    splitter: Splitter,
    frames: Vec<Frame>,
    inner: Box<dyn Decoder>,
}

impl Unwrap {
    fn new(call: &Call<'_>, inner: Box<dyn Decoder>) -> Self {
        Self {
            provider: call.target.provider.name,
            splitter: Splitter::new(Framing::Sse),
            frames: Vec::new(),
            inner,
        }
    }

    fn pass_on(&mut self, out: &mut Chunks) -> Result<(), Error> {
        for frame in self.frames.drain(..) {
            self.inner.push(frame, out)?;
        }
        Ok(())
    }
}

impl Decoder for Unwrap {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if frame.exception {
            return Err(bedrock::exception(self.provider, &frame));
        }
        self.splitter.push(frame.data, &mut self.frames)?;
        self.pass_on(out)
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        self.splitter.finish(&mut self.frames)?;
        self.pass_on(out)?;
        self.inner.finish(out)
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue as AwsValue, Message as AwsMessage};
    use llm_types::{ChatChunk, JsonObject};

    use crate::{Body, CallOptions, Credential, lookup};

    use super::*;

    fn target(provider: &str, model: &str) -> Target {
        Target::new(lookup(provider).expect("a row"), model, Credential::None)
    }

    fn body(text: &str) -> Body {
        Body::from(JsonObject::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("an object"))
    }

    fn parts(pieces: &[&str]) -> Bytes {
        let mut out = Vec::new();
        for piece in pieces {
            let header = |name: &'static str, value: &'static str| {
                Header::new(name, AwsValue::String(value.into()))
            };
            let message = AwsMessage::new(Bytes::copy_from_slice(piece.as_bytes()))
                .add_header(header(":message-type", "event"))
                .add_header(header(":event-type", "PayloadPart"));
            write_message_to(&message, &mut out).expect("a message");
        }
        out.into()
    }

    fn streamed(call: &Call<'_>, bytes: Bytes) -> Result<Vec<ChatChunk>, Error> {
        let mut splitter = Splitter::new(call.target.provider.protocol.framing(call));
        let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
        let mut decoder = call.decoder()?;
        splitter.push(bytes, &mut frames)?;
        for frame in frames.drain(..) {
            decoder.push(frame, &mut chunks)?;
        }
        decoder.finish(&mut chunks)?;
        chunks
            .items
            .into_iter()
            .map(crate::Chunk::into_chat)
            .collect()
    }

    const ASK: &str = r#"{"model":"x","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],
        "temperature":0,"max_tokens":9,"top_k":3,"stream":true}"#;

    #[test]
    fn a_prompt_in_the_words_of_the_model() {
        let target = target("sagemaker", "my-llama2-endpoint").with("model_id", "part-1");
        let options = CallOptions::default();
        let call = Call::prepare(Op::Chat, &target, body(ASK), &options).expect("a call");
        let request = call.encode().expect("a request");
        assert_eq!(
            request.uri(),
            "https://runtime.sagemaker.us-west-2.amazonaws.com/endpoints/my-llama2-endpoint/invocations-response-stream"
        );
        assert_eq!(
            request.headers()["x-amzn-sagemaker-inference-component"],
            "part-1"
        );
        assert_eq!(
            request.body().bytes().expect("in memory"),
            r#"{"inputs":"<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]","parameters":{"max_new_tokens":9,"temperature":0.01,"top_k":3},"stream":true}"#
        );
    }

    #[test]
    fn tokens_arrive_in_parts_that_are_cut_anywhere() {
        let target = target("sagemaker", "e");
        let options = CallOptions::default();
        let call = Call::prepare(Op::Chat, &target, body(ASK), &options).expect("a call");
        let pieces = [
            "data:{\"token\":{\"text\":\"Hel\"},\"generated_text\":null}\n\ndata:{\"token\":{\"te",
            "xt\":\"lo\"}}\n\ndata:{\"token\":{\"text\":\"</s>\",\"special\":true},\"generated_text\":\"Hello\",\"details\":{\"finish_reason\":\"length\"}}\n\n",
        ];
        let chunks = streamed(&call, parts(&pieces)).expect("chunks");
        let text: String = chunks
            .iter()
            .filter_map(|chunk| chunk.choices[0].delta.content.clone())
            .collect();
        assert_eq!(text, "Hello");
        let last = chunks.last().expect("a chunk");
        assert_eq!(last.choices[0].finish_reason.as_deref(), Some("length"));
        assert!(streamed(&call, parts(&pieces[..1])).is_err(), "cut short");
    }

    #[test]
    fn chat_passes_through_the_envelope() {
        let target = target("sagemaker_chat", "e").with("aws_region_name", "eu-west-1");
        let options = CallOptions::default();
        let call = Call::prepare(Op::Chat, &target, body(ASK), &options).expect("a call");
        let request = call.encode().expect("a request");
        assert_eq!(
            request.uri().path(),
            "/endpoints/e/invocations-response-stream"
        );
        assert_eq!(
            request.uri().host(),
            Some("runtime.sagemaker.eu-west-1.amazonaws.com")
        );
        let pieces = [
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"con",
            "tent\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DO",
            "NE]\n\n",
        ];
        let chunks = streamed(&call, parts(&pieces)).expect("chunks");
        assert_eq!(chunks[0].choices[0].delta.content.as_deref(), Some("Hi"));
        assert!(streamed(&call, parts(&pieces[..1])).is_err(), "cut short");
    }

    #[test]
    fn texts_come_alone_or_in_a_list_and_may_repeat_the_prompt() {
        let target = target("sagemaker", "e");
        let options = CallOptions::default();
        let ask = r#"{"model":"x","messages":[{"role":"user","content":"Say hi."}]}"#;
        let call = Call::prepare(Op::Chat, &target, body(ask), &options).expect("a call");
        for answer in [
            r#"[{"generated_text":"user: Say hi.\nassistant: Hi!"}]"#,
            r#"{"generated_text":" Hi!"}"#,
        ] {
            let step = call.decode(Reply::ok(answer)).expect("an answer");
            let Step::Done(answer) = step else {
                panic!("not done");
            };
            let answer = answer.into_chat().expect("chat");
            let content = answer.choices[0].message.content.as_ref();
            assert_eq!(content.map(Content::text).as_deref(), Some(" Hi!"));
        }
    }
}
