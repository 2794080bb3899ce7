//! Whole conversations, as both sides see them.

use serde_json::{Value, json};

use super::*;
use crate::{CallOptions, Credential, Target, lookup};
use llm_types::{JsonObject, Op, Verb};

/// A session, and what was said in it.
struct Talk {
    session: GeminiSession,
    told: Vec<Value>,
    asked: Vec<Value>,
}

impl Talk {
    fn with(options: &CallOptions) -> Self {
        let row = lookup("gemini").unwrap();
        let target = Target::new(row, "gemini-live", Credential::None);
        let call = Call::resource(
            Op::Realtime,
            Verb::Create,
            None,
            &target,
            JsonObject::new(),
            options,
        );
        let session = GeminiSession::new(&call.unwrap(), "models/gemini-live".into()).unwrap();
        let mut talk = Self {
            session,
            told: Vec::new(),
            asked: Vec::new(),
        };
        let says = talk.session.opening();
        talk.note(says);
        talk
    }

    fn new() -> Self {
        Self::with(&CallOptions::default())
    }

    fn note(&mut self, says: Says) {
        let read = |said: Said| match said {
            Said::Text(json) | Said::Binary(json) => serde_json::from_slice(&json).unwrap(),
        };
        self.told.extend(says.client.into_iter().map(read));
        self.asked.extend(says.vendor.into_iter().map(read));
    }

    fn client(&mut self, event: Value) -> &mut Self {
        let says = self.session.client_said(text(&event)).unwrap();
        self.note(says);
        self
    }

    fn refused(&mut self, event: Value) -> String {
        let error = self.session.client_said(text(&event)).unwrap_err();
        error.param.unwrap_or_default()
    }

    fn vendor(&mut self, message: Value) -> &mut Self {
        let binary = Said::Binary(message.to_string().into());
        let says = self.session.vendor_said(binary).unwrap();
        self.note(says);
        self
    }

    /// Set up, with nothing said.
    fn ready(session: Value) -> Self {
        let mut talk = Self::new();
        talk.client(json!({"type": "session.update", "session": session}));
        talk.client(json!({"type": "response.create"}));
        talk.vendor(json!({"setupComplete": {}}));
        talk.vendor(json!({"serverContent": {"turnComplete": true}}));
        talk.forget();
        talk
    }

    fn forget(&mut self) {
        self.told.clear();
        self.asked.clear();
    }

    /// The names of what the client was told, in short.
    fn kinds(&self) -> Vec<&str> {
        let kinds = self
            .told
            .iter()
            .map(|event| event["type"].as_str().unwrap());
        kinds.collect()
    }

    fn event(&self, kind: &str) -> &Value {
        let mut found = self.told.iter().filter(|event| event["type"] == kind);
        found
            .next()
            .unwrap_or_else(|| panic!("{kind}: {:?}", self.kinds()))
    }
}

fn say(text: &str) -> Value {
    json!({"type": "conversation.item.create", "item": {
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}],
    }})
}

fn spoken(sound: &str, words: &str) -> Value {
    json!({"serverContent": {
        "modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}]},
        "outputTranscription": {"text": words},
    }})
}

fn over(prompt: u64, answer: u64) -> Value {
    json!({"serverContent": {"turnComplete": true}, "usageMetadata": {
        "promptTokenCount": prompt, "responseTokenCount": answer, "totalTokenCount": prompt + answer,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": answer}],
    }})
}

#[test]
fn the_setup_waits_for_the_clients_words() {
    let mut talk = Talk::new();
    assert_eq!(talk.kinds(), ["session.created", "conversation.created"]);
    assert_eq!(talk.told[0]["session"]["model"], "gemini-live");
    let mut update = json!({"type": "session.update", "session": {"instructions": "Be brief."}});
    talk.client(update.clone());
    update["session"] = json!({"audio": {"output": {"voice": "Puck"}}});
    talk.client(update.clone());
    talk.client(say("Hello"));
    assert!(talk.asked.is_empty(), "{:?}", talk.asked);
    talk.client(json!({"type": "response.create"}));
    assert_eq!(talk.asked.len(), 1);
    let setup = &talk.asked[0]["setup"];
    assert_eq!(setup["model"], "models/gemini-live");
    assert_eq!(setup["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(
        setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"],
        "Puck"
    );
    // What was said before Gemini is ready waits.
    talk.vendor(json!({"setupComplete": {}}));
    assert_eq!(
        talk.asked[1],
        json!({"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hello"}]}], "turnComplete": true}})
    );
    // The same again changes nothing; something else would.
    talk.client(update.clone());
    update["session"] = json!({"instructions": "Be long."});
    assert_eq!(talk.refused(update), "session");
}

#[test]
fn an_answer_is_spoken_transcribed_and_counted() {
    let mut talk = Talk::ready(json!({}));
    talk.client(json!({"type": "response.create", "response": {"instructions": "Say hello.", "metadata": {"a": "b"}}}));
    assert_eq!(
        talk.asked[0]["clientContent"]["turns"][0]["parts"][0]["text"],
        "Say hello."
    );
    talk.forget();
    talk.vendor(
        json!({"serverContent": {"modelTurn": {"parts": [{"text": "hm", "thought": true}]}}}),
    );
    assert!(!talk.session.is_answering());
    talk.vendor(spoken("AAAA", "Hel"));
    assert!(talk.session.is_answering());
    talk.vendor(spoken("BBBB", "lo"));
    talk.vendor(json!({"serverContent": {"generationComplete": true}}));
    talk.vendor(over(10, 20));
    assert_eq!(
        talk.kinds(),
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    let done = &talk.event("response.done")["response"];
    assert_eq!(
        (&done["status"], &done["metadata"]),
        (&json!("completed"), &json!({"a": "b"}))
    );
    assert_eq!(
        done["output"][0]["content"],
        json!([{"type": "output_audio", "transcript": "Hello"}])
    );
    assert_eq!(
        done["usage"],
        json!({
            "total_tokens": 30, "input_tokens": 10, "output_tokens": 20,
            "input_token_details": {"text_tokens": 10, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 0, "audio_tokens": 20},
        })
    );
    talk.client(json!({"type": "response.create"}));
    talk.vendor(spoken("AAAA", "More")).vendor(over(40, 5));
    let usage = talk.session.usage().unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (50, 25));
    assert_eq!(
        usage
            .completion_tokens_details
            .as_ref()
            .unwrap()
            .audio_tokens,
        25
    );
}

#[test]
fn the_earlier_version_has_its_own_names() {
    let mut talk = Talk::with(&CallOptions {
        extra_headers: vec![("openai-beta".into(), "realtime=v1".into())],
        ..CallOptions::default()
    });
    assert_eq!(talk.told[0]["session"]["output_audio_format"], "pcm16");
    talk.client(json!({"type": "session.update", "session": {"modalities": ["text"]}}));
    talk.client(json!({"type": "response.create"}));
    talk.vendor(json!({"setupComplete": {}}));
    talk.forget();
    talk.vendor(json!({"serverContent": {"modelTurn": {"parts": [{"text": "Hi"}]}}}));
    talk.vendor(over(1, 1));
    assert_eq!(
        talk.kinds(),
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.created",
            "response.content_part.added",
            "response.text.delta",
            "response.text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    let content = &talk.event("response.done")["response"]["output"][0]["content"];
    assert_eq!(content, &json!([{"type": "text", "text": "Hi"}]));
}

#[test]
fn speech_is_heard_transcribed_and_interrupts() {
    let mut talk = Talk::ready(json!({"audio": {"input": {"transcription": {"model": "any"}}}}));
    // A second of sound.
    let second = "A".repeat(64_000);
    talk.client(json!({"type": "input_audio_buffer.append", "audio": second}));
    assert_eq!(
        talk.asked[0]["realtimeInput"]["audio"]["mimeType"],
        "audio/pcm;rate=24000"
    );
    talk.vendor(json!({"serverContent": {"inputTranscription": {"text": "How are "}}}));
    talk.vendor(json!({"serverContent": {"inputTranscription": {"text": "you?"}}}));
    talk.vendor(spoken("AAAA", "Fine, and"));
    let begun = [
        "conversation.item.added",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.committed",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ];
    assert_eq!(talk.kinds()[..6], begun);
    let understood = talk.event("conversation.item.input_audio_transcription.completed");
    assert_eq!(understood["transcript"], "How are you?");
    talk.forget();
    talk.client(json!({"type": "input_audio_buffer.append", "audio": second}));
    talk.vendor(json!({"serverContent": {"interrupted": true}}));
    let started = talk.event("input_audio_buffer.speech_started").clone();
    assert_eq!(started["audio_start_ms"], 2000);
    let done = &talk.event("response.done")["response"];
    assert_eq!(
        (
            &done["status"],
            &done["status_details"]["reason"],
            &done["output"][0]["status"]
        ),
        (
            &json!("cancelled"),
            &json!("turn_detected"),
            &json!("incomplete")
        )
    );
    talk.forget();
    talk.vendor(json!({"serverContent": {"turnComplete": true}}));
    assert!(talk.told.is_empty(), "{:?}", talk.told);
    talk.vendor(spoken("AAAA", "Yes?"));
    // The item is the one that was spoken of.
    assert_eq!(
        talk.event("conversation.item.added")["item"]["id"],
        started["item_id"]
    );
}

#[test]
fn a_client_may_say_itself_when_a_turn_ends() {
    let mut talk = Talk::ready(json!({"turn_detection": null}));
    assert_eq!(
        talk.refused(json!({"type": "input_audio_buffer.commit"})),
        "input_audio_buffer"
    );
    let sound = json!({"type": "input_audio_buffer.append", "audio": "AAAA"});
    talk.client(sound.clone()).client(sound);
    talk.client(json!({"type": "input_audio_buffer.commit"}));
    assert_eq!(
        talk.kinds(),
        ["conversation.item.added", "input_audio_buffer.committed"]
    );
    talk.client(json!({"type": "response.create"}));
    let said: Vec<&Value> = talk
        .asked
        .iter()
        .map(|asked| &asked["realtimeInput"])
        .collect();
    assert_eq!(said.len(), 4);
    assert_eq!(
        (said[0], said[3]),
        (&json!({"activityStart": {}}), &json!({"activityEnd": {}}))
    );
}

#[test]
fn functions_are_called_and_answered() {
    let tools = json!([{"type": "function", "name": "get.weather!", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]);
    let mut talk = Talk::ready(json!({ "tools": tools }));
    let name = protocols::gemini::function_name("get.weather!").into_owned();
    talk.vendor(json!({"toolCall": {"functionCalls": [
        {"id": "c1", "name": name, "args": {"city": "Rome"}}, {"id": "c2", "name": "unheard"},
    ]}, "usageMetadata": {"promptTokenCount": 5, "responseTokenCount": 3, "totalTokenCount": 8}}));
    let done = &talk.event("response.done")["response"];
    assert_eq!(done["status"], "completed");
    assert_eq!(done["usage"]["total_tokens"], 8);
    let call = &done["output"][0];
    assert_eq!(
        (&call["name"], &call["arguments"], &call["call_id"]),
        (
            &json!("get.weather!"),
            &json!("{\"city\":\"Rome\"}"),
            &json!("c1")
        )
    );
    assert_eq!(done["output"][1]["arguments"], "{}");
    let output = |id: &str| json!({"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": id, "output": "sunny"}});
    talk.forget();
    assert_eq!(talk.refused(output("c9")), "item.call_id");
    talk.client(output("c1")).client(output("c2"));
    assert!(talk.asked.is_empty(), "{:?}", talk.asked);
    talk.client(json!({"type": "response.create"}));
    assert_eq!(
        talk.asked,
        [json!({"toolResponse": {"functionResponses": [
            {"id": "c1", "name": name, "response": {"output": "sunny"}},
            {"id": "c2", "name": "unheard", "response": {"output": "sunny"}},
        ]}})]
    );
}

#[test]
fn what_happened_before_is_told_first() {
    let mut talk = Talk::new();
    let items = [
        json!({"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind."}]}),
        json!({"id": "mine", "type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}),
        json!({"type": "function_call_output", "call_id": "c1", "output": "noon"}),
    ];
    for item in items {
        talk.client(json!({"type": "conversation.item.create", "item": item}));
    }
    let ids: Vec<&Value> = talk
        .told
        .iter()
        .filter(|event| event["type"] == "conversation.item.added")
        .map(|event| &event["previous_item_id"])
        .collect();
    assert_eq!(ids[2], "mine");
    talk.client(json!({"type": "input_audio_buffer.append", "audio": "AAAA"}));
    talk.vendor(json!({"setupComplete": {}}));
    assert_eq!(
        talk.asked[0]["setup"]["systemInstruction"]["parts"][0]["text"],
        "Be kind."
    );
    let content = &talk.asked[1]["clientContent"];
    assert_eq!(content["turnComplete"], false);
    assert_eq!(
        content["turns"],
        json!([
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "clock", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "clock", "response": {"output": "noon"}}}]},
        ])
    );
    assert!(talk.asked[2]["realtimeInput"]["audio"].is_object());
}

#[test]
fn a_cancelled_answer_is_not_told_any_further() {
    let mut talk = Talk::ready(json!({}));
    assert_eq!(talk.refused(json!({"type": "response.cancel"})), "response");
    talk.vendor(spoken("AAAA", "Once upon"));
    assert_eq!(talk.refused(json!({"type": "response.create"})), "response");
    talk.client(json!({"type": "response.cancel"}));
    let details = &talk.event("response.done")["response"]["status_details"];
    assert_eq!(details["reason"], "client_cancelled");
    talk.forget();
    talk.vendor(spoken("AAAA", " a time"));
    talk.vendor(json!({"toolCall": {"functionCalls": [{"id": "c1", "name": "f"}]}}));
    assert_eq!(
        talk.asked[0]["toolResponse"]["functionResponses"][0]["id"],
        "c1"
    );
    talk.vendor(over(7, 3));
    assert!(talk.told.is_empty(), "{:?}", talk.told);
    assert_eq!(talk.session.usage().unwrap().total_tokens, 10);
    talk.client(json!({"type": "response.create"}));
    talk.vendor(spoken("AAAA", "Well"));
    assert!(talk.session.is_answering());
}

#[test]
fn what_gemini_cannot_do_is_said() {
    let mut talk = Talk::ready(json!({}));
    for (event, param) in [
        (
            json!({"type": "conversation.item.delete", "item_id": "x"}),
            "type",
        ),
        (json!({"type": "brand.new"}), "type"),
        (json!({"no": "type"}), "type"),
        (
            json!({"type": "response.create", "response": {"conversation": "none"}}),
            "response.conversation",
        ),
        (
            json!({"type": "conversation.item.create", "previous_item_id": "far", "item": {}}),
            "previous_item_id",
        ),
        (
            json!({"type": "conversation.item.create", "item": 7}),
            "item",
        ),
        (json!([1]), "event"),
    ] {
        assert_eq!(talk.refused(event.clone()), param, "{event}");
    }
    talk.client(json!({"type": "input_audio_buffer.clear"}));
    talk.client(json!({"type": "input_audio_buffer.append", "audio": "AAAA"}));
    assert_eq!(
        talk.refused(json!({"type": "input_audio_buffer.clear"})),
        "type"
    );
    talk.client(json!({"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 5}));
    assert_eq!(
        talk.kinds()[..2],
        ["input_audio_buffer.cleared", "conversation.item.truncated"]
    );
    let bad = talk.session.vendor_said(Said::Text("no json".into()));
    assert!(bad.is_err());
}

#[test]
fn what_waits_for_gemini_is_bounded() {
    let mut talk = Talk::new();
    let piece = json!({"type": "input_audio_buffer.append", "audio": "A".repeat(1 << 20)});
    let refused = (0..10).any(|_| talk.session.client_said(text(&piece)).is_err());
    assert!(refused);
}
