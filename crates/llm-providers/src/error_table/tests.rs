use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("a header"),
            )
        })
        .collect();
    Reply {
        status: StatusCode::from_u16(status).expect("a status"),
        headers,
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
    }
}

#[test]
fn kinds() {
    let cases: &[(&'static str, u16, &str, Kind)] = &[
        (
            "openai",
            401,
            r#"{"error":{"message":"Incorrect API key provided: x.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            Kind::Auth,
        ),
        (
            "openai",
            400,
            r#"{"error":{"message":"This model's maximum context length is 8 tokens.","code":"context_length_exceeded"}}"#,
            Kind::ContextWindow,
        ),
        (
            "openai",
            400,
            r#"{"error":{"message":"Invalid 'user': string too long. Expected a string with maximum length 64","code":"string_above_max_length"}}"#,
            Kind::BadRequest,
        ),
        (
            "openai",
            429,
            r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#,
            Kind::RateLimit,
        ),
        (
            "openai",
            400,
            r#"{"error":{"message":"x","code":"model_not_found"}}"#,
            Kind::NotFound,
        ),
        (
            "openai",
            403,
            r#"{"error":{"message":"rate limit policy forbids"}}"#,
            Kind::Denied,
        ),
        (
            "groq",
            413,
            r#"{"error":{"message":"Request too large for model `x` on tokens per minute","code":"rate_limit_exceeded"}}"#,
            Kind::RateLimit,
        ),
        (
            "xai",
            400,
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: in***ey."}"#,
            Kind::Auth,
        ),
        (
            "anthropic",
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Kind::Overloaded,
        ),
        (
            "anthropic",
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#,
            Kind::ContextWindow,
        ),
        (
            "bedrock",
            400,
            r#"{"message":"Input is too long for requested model."}"#,
            Kind::ContextWindow,
        ),
        (
            "bedrock",
            429,
            r#"{"message":"Too many tokens, please wait before trying again."}"#,
            Kind::RateLimit,
        ),
        ("bedrock", 500, r#"{"message":"oops"}"#, Kind::Overloaded),
        (
            "gemini",
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#,
            Kind::Auth,
        ),
        (
            "gemini",
            503,
            r#"{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}"#,
            Kind::RateLimit,
        ),
        (
            "gemini",
            503,
            r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
            Kind::Overloaded,
        ),
        (
            "azure",
            400,
            r#"{"error":{"message":"filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Kind::ContentPolicy,
        ),
        (
            "azure",
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"x"}}"#,
            Kind::NotFound,
        ),
        (
            "cohere",
            400,
            r#"{"message":"too many tokens: 9"}"#,
            Kind::ContextWindow,
        ),
        (
            "mistral",
            422,
            r#"{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"Input should be less"}]}}"#,
            Kind::Unprocessable,
        ),
        (
            "ollama",
            404,
            r#"{"error":"model 'x' not found"}"#,
            Kind::NotFound,
        ),
        (
            "openrouter",
            402,
            r#"{"error":{"code":402,"message":"Insufficient credits"}}"#,
            Kind::PaymentRequired,
        ),
        (
            "deepinfra",
            502,
            "<html><h1>502 Bad Gateway</h1></html>",
            Kind::BadGateway,
        ),
        ("cerebras", 500, "", Kind::Upstream),
    ];
    for (provider, status, body, kind) in cases {
        let error = classify(provider, &reply(*status, &[], body));
        assert_eq!(error.kind, *kind, "{provider} {status} {body}");
        assert!(!error.message.is_empty(), "{provider} {status} {body}");
        assert_eq!(error.provider, *provider);
    }
}

#[test]
fn aws_names_the_exception_in_a_header() {
    let kind = |name: &str, status| {
        classify(
            "bedrock",
            &reply(status, &[("x-amzn-errortype", name)], r#"{"message":"m"}"#),
        )
        .kind
    };
    assert_eq!(
        kind("ThrottlingException:http://internal.amazon.com/", 400),
        Kind::RateLimit
    );
    assert_eq!(kind("ExpiredTokenException", 400), Kind::Auth);
    assert_eq!(kind("ModelTimeoutException", 400), Kind::Timeout);
}

#[test]
fn messages_are_the_vendor_s_own() {
    let cases = [
        (r#"{"error":{"message":"a"}}"#, "a"),
        (r#"{"error":"b"}"#, "b"),
        (r#"{"message":"c"}"#, "c"),
        (r#"{"detail":"d"}"#, "d"),
        (
            r#"{"detail":[{"loc":["body","x"],"msg":"e"},{"loc":["body",1],"msg":"f"}]}"#,
            "body.x: e; body.1: f",
        ),
        (
            r#"{"errors":[{"code":7,"message":"g"}],"success":false}"#,
            "g",
        ),
        (r#"{"error":["h"]}"#, "h"),
        (r#"{"title":"t","detail":"i","status":422}"#, "i"),
        (
            r#"{"base_resp":{"status_code":1004,"status_msg":"j"}}"#,
            "j",
        ),
        ("plain text", "plain text"),
    ];
    for (body, message) in cases {
        assert_eq!(
            classify("x", &reply(400, &[], body)).message,
            message,
            "{body}"
        );
    }
}

#[test]
fn waiting_times() {
    type Case<'a> = (u16, &'a [(&'static str, &'a str)], &'a str, Option<f64>);
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let cases: &[Case<'_>] = &[
        (429, &[("retry-after", "7")], "", Some(7.0)),
        (429, &[("retry-after", "0.5")], "", Some(0.5)),
        (
            503,
            &[("retry-after-ms", "1500"), ("retry-after", "9")],
            "",
            Some(1.5),
        ),
        (
            429,
            &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date],
            "",
            Some(30.0),
        ),
        (
            429,
            &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")],
            "",
            None,
        ),
        (429, &[("retry-after", "-5")], "", None),
        (
            429,
            &[
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m1s"),
                ("x-ratelimit-remaining-requests", "5"),
                ("x-ratelimit-reset-requests", "9h0m0s"),
            ],
            "",
            Some(361.0),
        ),
        (
            400,
            &[
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6m1s"),
            ],
            "",
            None,
        ),
        (
            429,
            &[
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "1994-11-06T08:49:40Z"),
                date,
            ],
            "",
            Some(3.0),
        ),
        (
            429,
            &[],
            r#"{"error":{"details":[{"@type":"a"},{"retryDelay":"3.5s"}]}}"#,
            Some(3.5),
        ),
        (429, &[("retry-after", "99999999999")], "", Some(86_400.0)),
        (429, &[], "", None),
    ];
    for (status, headers, body, seconds) in cases {
        let error = classify("openai", &reply(*status, headers, body));
        assert_eq!(
            error.retry_after,
            seconds.map(Duration::from_secs_f64),
            "{headers:?} {body}"
        );
    }
}

#[test]
fn a_good_status_may_carry_an_error() {
    let of = |body: &str| in_answer("openrouter", &reply(200, &[], body));
    let error = of(r#"{"error":{"message":"down","code":502}}"#).expect("an error");
    assert_eq!(
        (error.kind, error.status),
        (Kind::BadGateway, Some(StatusCode::BAD_GATEWAY))
    );
    let error = of(r#"{"error":{"message":"odd"}}"#).expect("an error");
    assert_eq!((error.kind, error.status), (Kind::Upstream, None));
    let error =
        of(r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"},"choices":null}"#)
            .expect("an error");
    assert_eq!(error.kind, Kind::Auth);
    for fine in [
        r#"{"choices":[],"error":null}"#,
        r#"{"choices":[{"message":{"content":"an \"error\""}}]}"#,
        r#"{"base_resp":{"status_code":0},"choices":[]}"#,
    ] {
        assert!(of(fine).is_none(), "{fine}");
    }
}

#[test]
fn request_ids_come_from_headers_or_the_body() {
    let error = classify("x", &reply(400, &[("apim-request-id", "abc")], "{}"));
    assert_eq!(error.request_id.as_deref(), Some("abc"));
    let error = classify(
        "anthropic",
        &reply(
            400,
            &[],
            r#"{"request_id":"req_1","error":{"message":"m"}}"#,
        ),
    );
    assert_eq!(error.request_id.as_deref(), Some("req_1"));
}

proptest::proptest! {
    #[test]
    fn any_body_is_some_error(status in 400u16..600, bytes: Vec<u8>) {
        let reply = Reply { status: StatusCode::from_u16(status).expect("a status"), headers: HeaderMap::new(), body: bytes.into() };
        proptest::prop_assert!(!classify("openai", &reply).message.is_empty());
    }
}
