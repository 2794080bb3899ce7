use llm_providers::{Credential, lookup};
use llm_types::ImageUsage;
use serde_json::json;

use super::*;

fn dollars(provider: &str, model: &str, usage: &Usage) -> Option<String> {
    let row = lookup(provider).expect("a row");
    let target = Target::new(row, model, Credential::None);
    let rates = Rates {
        prices: Arc::new(Prices::of_process()),
        deployment: Arc::new(Deployment::new("d", "g", target)),
        model: model.to_owned(),
        measures: Measures::default(),
        started: Instant::now(),
    };
    rates
        .charge(Some(usage))
        .total()
        .map(|total| total.to_string())
}

#[test]
fn a_token_of_a_kept_prompt_has_its_own_price() {
    let row = lookup("anthropic").expect("a row");
    let target = Target::new(row, "claude-sonnet-4-5", Credential::None);
    let of = |info: Value| {
        let info = info.as_object().expect("an object");
        of_tokens(&Prices::of_process().table(), &target, info).expect("it is known")
    };
    let listed = of(json!({}));
    assert_eq!(listed.cached.map(|cached| cached * 10), Some(listed.input));
    let own = of(json!({"input_cost_per_token": 0.00001, "output_cost_per_token": 0.00001}));
    assert_eq!((own.input, own.cached), (10_000_000_000, None));
}

#[test]
fn tools_that_a_vendor_ran_are_charged() {
    let object = |text: &str| JsonObject::parse(&text.to_owned().into()).expect("an object");
    let row = lookup("openai").expect("a row");
    let target = Target::new(row, "gpt-4.1", Credential::None);
    let mut rates = Rates {
        prices: Arc::new(Prices::of_process()),
        deployment: Arc::new(Deployment::new("d", "g", target)),
        model: "gpt-4.1".into(),
        measures: Measures::default(),
        started: Instant::now(),
    };
    let answer = r#"{"output":[{"type":"web_search_call","action":{"type":"search"}},{"type":"file_search_call"},
        {"type":"code_interpreter_call","container_id":"c"},{"type":"message"}]}"#;
    let total = |rates: &Rates| rates.charge(Some(&Usage::default())).total();
    rates.used(Op::Responses, &object("{}"), &answer.into());
    assert_eq!(total(&rates), Some(NanoDollars(0)));
    let asked = object(r#"{"tools":[{"type":"web_search"}]}"#);
    rates.used(Op::Responses, &asked, &answer.into());
    let bill = rates.charge(Some(&Usage::default()));
    let kinds: Vec<Kind> = bill
        .cost
        .iter()
        .flat_map(|cost| &cost.parts)
        .map(|part| part.what)
        .collect();
    assert_eq!(
        kinds,
        [
            Kind::WebSearch,
            Kind::CodeInterpreterSession,
            Kind::FileSearchThousand
        ]
    );
}

fn picture(provider: &str, model: &str, request: &str, answer: &str) -> Option<String> {
    let object = |text: &str| JsonObject::parse(&text.to_owned().into()).expect("an object");
    let row = lookup(provider).expect("a row");
    let target = Target::new(row, model, Credential::None);
    let (request, answer) = (object(request), object(answer));
    let rates = Rates {
        prices: Arc::new(Prices::of_process()),
        deployment: Arc::new(Deployment::new("d", "g", target)),
        model: model.to_owned(),
        measures: Measures::of(Op::ImageGeneration, &request, Some(&answer)),
        started: Instant::now(),
    };
    let mut usage = Usage::default();
    if let Some(Ok(counts)) = answer.raw("usage").map(|raw| serde_json::from_slice(raw)) {
        usage = ImageUsage::normalise(counts);
    }
    let total = rates.charge(Some(&usage)).total();
    total.map(|total| total.to_string())
}

#[test]
fn images_are_charged_by_number_size_quality_and_token() {
    let two = r#"{"data":[{},{}]}"#;
    let tokens = r#"{"data":[{}],"usage":{"input_tokens":100,"output_tokens":1000,
        "input_tokens_details":{"text_tokens":100,"image_tokens":0},"total_tokens":1100}}"#;
    let ticks = r#"{"data":[{}],"usage":{"cost_in_usd_ticks":200000000}}"#;
    let cases = [
        ("black_forest_labs", "flux-dev", "{}", two, "0.05"),
        ("fal_ai", "fal-ai/flux/schnell", r#"{"n":4}"#, two, "0.006"),
        (
            "bedrock",
            "amazon.titan-image-generator-v2:0",
            "{}",
            two,
            "0.016",
        ),
        (
            "azure",
            "dall-e-3",
            r#"{"quality":"hd","size":"1024x1024"}"#,
            r#"{"data":[{}]}"#,
            "0.087999958",
        ),
        ("azure", "dall-e-3", "{}", r#"{"data":[{}]}"#, "0.044000032"),
        ("azure", "gpt-image-1-mini", "{}", tokens, "0.0082"),
        ("xai", "grok-imagine-image", "{}", ticks, "0.02"),
    ];
    for (provider, model, request, answer, expected) in cases {
        let charged = picture(provider, model, request, answer);
        assert_eq!(charged.as_deref(), Some(expected), "{provider}/{model}");
    }
}

fn film(provider: &str, model: &str, answer: &str) -> Option<String> {
    let answer = JsonObject::parse(&answer.to_owned().into()).expect("an object");
    let row = lookup(provider).expect("a row");
    let target = Target::new(row, model, Credential::None);
    let mut rates = Rates {
        prices: Arc::new(Prices::of_process()),
        deployment: Arc::new(Deployment::new("d", "g", target)),
        model: model.to_owned(),
        measures: Measures::of(Op::Video, &JsonObject::new(), Some(&answer)),
        started: Instant::now(),
    };
    rates.sharpen();
    let mut usage = Usage::default();
    usage.units.seconds = rates.measures.seconds;
    let total = rates.charge(Some(&usage)).total();
    total.map(|total| total.to_string())
}

#[test]
fn videos_are_charged_by_the_second_at_their_resolution() {
    let cases = [
        (
            "openai",
            "sora-2",
            r#"{"seconds":"4","size":"720x1280"}"#,
            "0.4",
        ),
        (
            "openai",
            "sora-2-pro",
            r#"{"seconds":"4","size":"720x1280"}"#,
            "1.2",
        ),
        (
            "azure",
            "sora-2-pro",
            r#"{"seconds":"4","size":"1792x1024"}"#,
            "2",
        ),
        (
            "vertex_ai",
            "veo-3.1-generate-001",
            r#"{"seconds":"8","size":"3840x2160"}"#,
            "4.8",
        ),
        (
            "gemini",
            "veo-3.1-lite-generate-preview",
            r#"{"seconds":"8"}"#,
            "0.4",
        ),
        (
            "runwayml",
            "seedance2_5",
            r#"{"seconds":"5","size":"1920x1080"}"#,
            "3.4",
        ),
    ];
    for (provider, model, answer, expected) in cases {
        let charged = film(provider, model, answer);
        assert_eq!(charged.as_deref(), Some(expected), "{provider}/{model}");
    }
}

#[test]
fn what_is_no_token_is_charged_too() {
    let mut searches = Usage::default();
    searches.units.queries = Some(3);
    let mut pages = Usage::default();
    pages.units.pages = Some(2);
    let mut picture = Usage::default();
    picture.units.input_images = Some(1);
    let cases = [
        ("cohere", "rerank-v3.5", &searches, "0.006"),
        ("mistral", "mistral-ocr-latest", &pages, "0.008"),
        ("tavily", "search", &searches, "0.024"),
        ("vertex_ai", "multimodalembedding@001", &picture, "0.0001"),
    ];
    for (provider, model, usage, expected) in cases {
        let charged = dollars(provider, model, usage);
        assert_eq!(charged.as_deref(), Some(expected), "{provider}/{model}");
    }
}
