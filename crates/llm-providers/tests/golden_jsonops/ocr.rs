use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_providers::{Body, Call, CallOptions, Error, Fetched, Kind, Reply, Step};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{answered, both_ways, fixture, object, sent, target};

const LAYOUT: &str = "doc-intelligence/prebuilt-layout";

#[test]
fn every_provider_both_ways() {
    let cells = [
        ("mistral", "mistral-ocr-latest", "url", "mistral"),
        ("mistral", "mistral-ocr-latest", "file", "mistral"),
        ("azure_ai", "mistral-document-ai-2505", "image", "mistral"),
        ("azure_ai", LAYOUT, "url", "intelligence_done"),
        ("azure_ai", LAYOUT, "file", "intelligence_done"),
        ("vertex_ai", "mistral-ocr-2505", "image", "mistral"),
        ("litellm_proxy", "ocr", "url", "mistral"),
    ];
    for (provider, model, body, reply) in cells {
        let both = both_ways(
            Op::Ocr,
            &target(provider, model),
            &format!("ocr/{body}"),
            &format!("upstream/ocr/{reply}"),
        );
        let model = model.replace('/', "-");
        insta::assert_json_snapshot!(format!("ocr_{provider}_{model}_{body}"), both);
    }
}

#[test]
fn clouds_that_fetch_nothing_get_the_document() {
    for (provider, model) in [
        ("azure_ai", "mistral-document-ai-2505"),
        ("vertex_ai", "mistral-ocr-2505"),
    ] {
        let target = target(provider, model);
        let options = CallOptions::default();
        let body = Body::from(JsonObject::parse(&fixture("ocr/url")).expect("a body"));
        let mut call = Call::prepare(Op::Ocr, &target, body, &options).expect("a call");
        let urls = call.fetches();
        assert_eq!(urls, ["https://example.com/invoice.pdf"]);
        let fetched = Fetched {
            content_type: Some("application/pdf".into()),
            bytes: Bytes::from_static(b"%PDF"),
        };
        call.fetched.insert(urls[0].clone(), fetched);
        let sent = call.encode().expect("a request");
        let sent: Value =
            serde_json::from_slice(sent.body().bytes().expect("in memory")).expect("json");
        assert_eq!(
            sent["document"],
            json!({"type": "document_url", "document_url": "data:application/pdf;base64,JVBERg=="})
        );
        assert_eq!(sent["pages"], json!([0, 2]));
    }
    // Mistral fetches for itself, and so does Document Intelligence.
    for (provider, model) in [("mistral", "mistral-ocr-latest"), ("azure_ai", LAYOUT)] {
        let target = target(provider, model);
        let options = CallOptions::default();
        let body = Body::from(JsonObject::parse(&fixture("ocr/url")).expect("a body"));
        let call = Call::prepare(Op::Ocr, &target, body, &options).expect("a call");
        assert!(call.fetches().is_empty());
    }
}

fn step(status: u16, headers: &[(&'static str, &str)], body: Bytes) -> Result<Step, Error> {
    let target = target("azure_ai", LAYOUT);
    let options = CallOptions::default();
    let asked = Body::from(JsonObject::parse(&fixture("ocr/url")).expect("a body"));
    let call = Call::prepare(Op::Ocr, &target, asked, &options).expect("a call");
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a value"));
    }
    call.decode(Reply {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map,
        body,
    })
}

#[test]
fn an_analysis_is_asked_after_until_it_is_done() {
    let elsewhere = "https://evil.example/documentintelligence/documentModels/x/analyzeResults/r-1?api-version=9";
    let accepted = step(
        202,
        &[("operation-location", elsewhere), ("retry-after", "3")],
        Bytes::new(),
    );
    let Ok(Step::Again { request, after }) = accepted else {
        panic!("{accepted:?}")
    };
    // The key goes with it, so it goes where the first request went.
    assert_eq!(
        request.uri().to_string(),
        "https://r.services.ai.azure.com/documentintelligence/documentModels/prebuilt-layout/analyzeResults/r-1?api-version=2024-11-30"
    );
    assert_eq!(
        (request.method().as_str(), after),
        ("GET", Duration::from_secs(3))
    );
    let running = step(200, &[], fixture("upstream/ocr/intelligence_running"));
    assert!(matches!(running, Ok(Step::Later(after)) if after == Duration::from_secs(2)));
    let failed = step(200, &[], fixture("upstream/ocr/intelligence_failed"));
    let error = failed.expect_err("an error");
    assert_eq!(
        (error.kind, &*error.message),
        (Kind::BadRequest, "The file is corrupted.")
    );
}

#[test]
fn an_analysis_that_leads_nowhere_is_an_error() {
    assert!(step(202, &[], Bytes::new()).is_err());
    assert!(step(202, &[("operation-location", "https://x/")], Bytes::new()).is_err());
    assert!(
        step(
            202,
            &[("operation-location", "https://x/a/..")],
            Bytes::new()
        )
        .is_err()
    );
    assert!(step(200, &[], Bytes::from_static(b"{}")).is_err());
    assert!(step(200, &[], Bytes::from_static(br#"{"status":"succeeded"}"#)).is_err());
}

#[test]
fn what_document_intelligence_does_not_take_is_named() {
    let body = json!({"model": "m", "document": {"type": "document_url", "document_url": "https://x/a.pdf"},
        "include_image_base64": true, "image_limit": 3});
    let target = target("azure_ai", LAYOUT);
    let options = CallOptions::default();
    let error =
        Call::prepare(Op::Ocr, &target, Body::from(object(&body)), &options).expect_err("an error");
    assert_eq!(error.kind, Kind::UnsupportedParams);
    assert_eq!(error.param.as_deref(), Some("include_image_base64"));
}

#[test]
fn pages_that_are_annotated_are_counted_twice() {
    let body = json!({"model": "m", "document": {"type": "document_url", "document_url": "https://x/a.pdf"},
        "document_annotation_format": {"type": "json_schema"}});
    let body = serde_json::to_vec(&body).expect("json").into();
    let read = answered(
        Op::Ocr,
        &target("mistral", "mistral-ocr-latest"),
        &body,
        fixture("upstream/ocr/mistral"),
    )
    .expect("an answer");
    assert_eq!(read["units"], json!({"pages": 1, "annotated_pages": 1}));
}

#[test]
fn what_is_wrong_is_named() {
    for (provider, model) in [("mistral", "m"), ("azure_ai", LAYOUT), ("azure_ai", "m")] {
        let body = br#"{"model":"m"}"#.to_vec().into();
        let error = sent(Op::Ocr, &target(provider, model), &body).expect_err("an error");
        assert_eq!(error.param.as_deref(), Some("document"), "{provider}");
    }
    let stored = br#"{"document":{"type":"file","file_id":"f-1"}}"#.to_vec().into();
    let error = sent(Op::Ocr, &target("azure_ai", LAYOUT), &stored).expect_err("an error");
    assert_eq!(error.param.as_deref(), Some("document"));
    assert!(sent(Op::Ocr, &target("mistral", "m"), &stored).is_ok());
}
