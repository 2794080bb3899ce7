use proptest::prelude::*;

use super::*;
use crate::Credential;

#[test]
fn paths_from_the_host_on_and_from_the_base_on() {
    for (base, path, whole) in [
        (
            "https://a.b/v1",
            "chat/completions",
            "https://a.b/v1/chat/completions",
        ),
        (
            "https://a.b/v1",
            "v1/chat/completions",
            "https://a.b/v1/chat/completions",
        ),
        ("https://a.b/gw/v1", "v1/x", "https://a.b/gw/v1/x"),
        (
            "https://a.b/v1beta",
            "v1/models/m:x",
            "https://a.b/v1/models/m:x",
        ),
        (
            "https://a.b/v1beta",
            "upload/v1beta/files",
            "https://a.b/upload/v1beta/files",
        ),
        ("https://a.b", "v2/chat", "https://a.b/v2/chat"),
        (
            "https://a.b/openai/v1/",
            "openai/deployments/d/x",
            "https://a.b/openai/deployments/d/x",
        ),
        ("http://a.b:1/", "", "http://a.b:1/"),
    ] {
        assert_eq!(joined(base, path), whole, "{base} {path}");
    }
}

#[test]
fn what_is_asked_for() {
    for (path, op, model, stream) in [
        ("v1/chat/completions", Some(Op::Chat), "b", false),
        ("responses", Some(Op::Responses), "b", false),
        ("v1/messages", Some(Op::Messages), "b", false),
        ("v1/messages/count_tokens", None, "b", false),
        ("v1/my_messages", None, "b", false),
        (
            "v1beta/models/gemini-x:generateContent",
            Some(Op::GenerateContent),
            "gemini-x",
            false,
        ),
        (
            "v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
            Some(Op::GenerateContent),
            "g",
            true,
        ),
        (
            "model/eu.a%3A0/converse-stream",
            Some(Op::Chat),
            "eu.a:0",
            true,
        ),
        ("model/a/invoke", Some(Op::Messages), "a", false),
        (
            "openai/deployments/d/chat/completions",
            Some(Op::Chat),
            "d",
            false,
        ),
        ("v1/files", None, "b", false),
        ("v1/audio/speech", Some(Op::Speech), "b", false),
        ("v1/ocr", Some(Op::Ocr), "b", false),
        ("v1/videos", Some(Op::Video), "b", false),
        ("v2/embed", Some(Op::Embedding), "b", false),
        (
            "v1beta/models/gemini-embedding-001:embedContent",
            Some(Op::Embedding),
            "gemini-embedding-001",
            false,
        ),
        (
            "v1/projects/p/locations/l/publishers/google/models/imagen-4.0-generate-001:predict",
            Some(Op::ImageGeneration),
            "imagen-4.0-generate-001",
            false,
        ),
        (
            "v1/projects/p/locations/l/endpoints/7:predict",
            None,
            "b",
            false,
        ),
        ("v1/videos/v1/remix", None, "b", false),
    ] {
        let body = JsonObject::parse(&bytes::Bytes::from_static(br#"{"model":"b"}"#)).unwrap();
        let read = Native::read(path, Some(&body));
        assert_eq!(
            (read.op, read.model.as_str(), read.stream),
            (op, model, stream),
            "{path}"
        );
    }
}

#[test]
fn no_path_hides_what_it_asks_for() {
    for path in [
        "v1/chat/%63ompletions",
        "v1/chat%2Fcompletions",
        "v1beta/models%2Fg:generateContent",
        "v1beta/models/g%3AgenerateContent",
        "model%2fa%2finvoke",
    ] {
        assert!(Native::is_disguised(&Method::POST, path), "{path}");
    }
    for path in [
        "v1/chat/completions",
        "model/arn%3Aaws%3Ax%2Fy/converse",
        "v1/files/a%20b",
        "v1beta/models/a%2Fb:generateContent",
    ] {
        assert!(!Native::is_disguised(&Method::POST, path), "{path}");
    }
}

#[test]
fn another_model_takes_the_place_of_the_named_one() {
    let path = "model/a/converse";
    let read = Native::read(path, None);
    assert_eq!(
        read.path_for(path, "b:0/x").unwrap(),
        "model/b%3A0%2Fx/converse"
    );
}

fn target(provider: &str) -> Target {
    Target::new(lookup(provider).unwrap(), "any", Credential::None)
}

fn object(text: &'static str) -> JsonObject {
    JsonObject::parse(&bytes::Bytes::from_static(text.as_bytes())).unwrap()
}

#[test]
fn answers_are_read_by_the_wire_of_their_path() {
    for (provider, path, reader) in [
        ("openai", "v1/chat/completions", "openai"),
        ("groq", "openai/v1/chat/completions", "groq"),
        ("azure", "openai/deployments/d/chat/completions", "azure"),
        ("gemini", "v1beta/openai/chat/completions", "pass_through"),
        ("gemini", "v1beta/openai/embeddings", "pass_through"),
        ("anthropic", "v1/chat/completions", "pass_through"),
        (
            "cohere",
            "compatibility/v1/chat/completions",
            "pass_through",
        ),
        ("cohere", "v2/chat", "cohere"),
        ("voyage", "v1/embeddings", "voyage"),
        ("anthropic", "v1/messages", "anthropic"),
        ("bedrock", "model/m/invoke", "bedrock"),
        ("minimax", "anthropic/v1/messages", "anthropic"),
    ] {
        let native = Native::read(path, None);
        let read = native.reader(&target(provider)).name;
        assert_eq!(read, reader, "{provider} {path}");
    }
}

#[test]
fn streams_are_asked_for_their_usage_where_that_is_understood() {
    let plain = r#"{"model":"m","stream":true,"x":1.50}"#;
    let asked = r#"{"model":"m","stream":true,"x":1.50,"stream_options":{"include_usage":true}}"#;
    let declined = r#"{"stream":true,"stream_options":{"include_usage":false,"y":1}}"#;
    let odd = r#"{"stream":true,"stream_options":7}"#;
    let still = r#"{"model":"m"}"#;
    for (provider, path, body, sent) in [
        ("openai", "v1/chat/completions", plain, Some(asked)),
        ("openai", "v1/completions", plain, Some(asked)),
        (
            "azure",
            "openai/deployments/d/chat/completions",
            plain,
            Some(asked),
        ),
        ("openai", "v1/chat/completions", asked, None),
        (
            "openai",
            "v1/chat/completions",
            declined,
            Some(r#"{"stream":true,"stream_options":{"include_usage":true,"y":1}}"#),
        ),
        ("openai", "v1/chat/completions", odd, None),
        ("openai", "v1/chat/completions", still, None),
        ("openai", "v1/responses", plain, None),
        ("cohere", "v2/chat", plain, None),
        ("cohere", "compatibility/v1/chat/completions", plain, None),
    ] {
        let body = object(body);
        let native = Native::read(path, Some(&body));
        let asking = native.asking_for_usage(&target(provider), &body);
        let asking = asking.map(|body| String::from_utf8(body.to_bytes().into()).unwrap());
        assert_eq!(asking.as_deref(), sent, "{provider} {path}");
    }
    let target = Target::new(&ELSEWHERE, "", Credential::None);
    let native = Native::read("chat/completions", Some(&object(plain)));
    let asking = native.asking_for_usage(&target, &object(plain));
    assert!(asking.is_none());
}

#[test]
fn vendors_are_known_by_their_hosts() {
    assert_eq!(vendor_at("https://api.groq.com/openai/v1/x").name, "groq");
    assert_eq!(
        vendor_at("https://evilapi.groq.com.example").name,
        "pass_through"
    );
    assert_eq!(vendor_at("http://127.0.0.1:1/x").name, "pass_through");
}

proptest! {
    #[test]
    fn no_path_leaves_its_place(path in "([a-z.@:?#%\\\\/]|%2e|%2f|%5c|//|\\.\\.){0,24}") {
        let target = Target::new(lookup("openai").unwrap(), "m", Credential::None).at("https://api.test/in/v1");
        if let Ok(uri) = address(&target, &path, None) {
            prop_assert_eq!(uri.host(), Some("api.test"));
            prop_assert_eq!(uri.scheme_str(), Some("https"));
            let decoded = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
            prop_assert!(!decoded.split(['/', '\\']).any(|part| part == ".."), "{}", decoded);
        }
    }
}
