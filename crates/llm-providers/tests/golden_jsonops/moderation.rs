use llm_providers::{Body, Call, CallOptions, Reply, Step};
use llm_types::{JsonObject, Op};

use crate::{answered, both_ways, fixture, sent, target};

#[test]
fn every_provider_both_ways() {
    let cells = [
        ("openai", "omni-moderation-latest", "text", "openai"),
        ("openai", "omni-moderation-latest", "parts", "openai"),
        ("azure", "omni-moderation-latest", "text", "openai"),
        ("mistral", "mistral-moderation-latest", "texts", "mistral"),
        (
            "mistral",
            "mistral-moderation-latest",
            "conversation",
            "mistral",
        ),
        ("azure_ai", "content-safety", "text", "content_safety"),
        ("litellm_proxy", "moderation", "texts", "openai"),
    ];
    for (provider, model, body, reply) in cells {
        let both = both_ways(
            Op::Moderation,
            &target(provider, model),
            &format!("moderation/{body}"),
            &format!("upstream/moderation/{reply}"),
        );
        insta::assert_json_snapshot!(format!("moderation_{provider}_{body}"), both);
    }
}

#[test]
fn openai_may_choose_the_model() {
    let sent = sent(
        Op::Moderation,
        &target("openai", ""),
        &fixture("moderation/text"),
    );
    let body = sent.expect("a request")["body"].clone();
    assert_eq!(body, serde_json::json!({"input": "I will hurt him."}));
}

#[test]
fn openai_s_answers_pass_as_they_are() {
    let target = target("openai", "omni-moderation-latest");
    let options = CallOptions::default();
    let body = Body::from(JsonObject::parse(&fixture("moderation/text")).expect("a body"));
    let call = Call::prepare(Op::Moderation, &target, body, &options).expect("a call");
    let reply = fixture("upstream/moderation/openai");
    let Step::Done(answer) = call.decode(Reply::ok(reply.clone())).expect("a step") else {
        panic!("at once")
    };
    assert_eq!(answer.into_bytes().expect("bytes"), reply);
}

#[test]
fn content_safety_is_asked_once_for_each_text() {
    let target = target("azure_ai", "content-safety");
    let options = CallOptions::default();
    let body = Body::from(JsonObject::parse(&fixture("moderation/texts")).expect("a body"));
    let call = Call::prepare(Op::Moderation, &target, body, &options).expect("a call");
    let parts = call.split().expect("parts");
    assert_eq!(parts.len(), 2);
    let answers = parts.iter().map(|part| {
        match part.decode(Reply::ok(fixture("upstream/moderation/content_safety"))) {
            Ok(Step::Done(answer)) => answer,
            other => panic!("{other:?}"),
        }
    });
    let whole = call.join(answers.collect()).expect("an answer");
    let whole: llm_types::ModerationResponse =
        serde_json::from_slice(&whole.into_bytes().expect("bytes")).expect("json");
    assert_eq!(whole.results.len(), 2);
    assert!(whole.results.iter().all(|verdict| verdict.flagged));
    let picture = sent(Op::Moderation, &target, &fixture("moderation/parts"));
    assert_eq!(
        picture.expect_err("an error").param.as_deref(),
        Some("input")
    );
}

#[test]
fn what_is_wrong_is_named() {
    for provider in ["openai", "mistral", "azure_ai"] {
        let body = br#"{"model":"m"}"#.to_vec().into();
        let error = sent(Op::Moderation, &target(provider, "m"), &body).expect_err("an error");
        assert_eq!(error.param.as_deref(), Some("input"), "{provider}");
        let text = fixture("moderation/text");
        let page = b"<html>".to_vec().into();
        assert!(answered(Op::Moderation, &target(provider, "m"), &text, page).is_err());
    }
}
