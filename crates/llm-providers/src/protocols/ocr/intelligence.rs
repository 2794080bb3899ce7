//! Azure Document Intelligence: an analysis is begun, and asked after until it is done.

use std::time::Duration;

use http::{Method, Request, StatusCode, Uri};
use llm_types::{Map, OcrDimensions, OcrDocument, OcrPage, OcrRequest, OcrResponse, OcrUsage};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Call, Error, Kind, Outgoing, Reply, Step, Target, error_table, path,
    protocols::{azure, openai},
};

/// What marks a model of this service: `doc-intelligence/prebuilt-layout`.
const MARK: &str = "doc-intelligence/";

/// The version of the API where nobody says another.
const VERSION: &str = "2024-11-30";

/// How long to wait before asking again, where the service does not say.
const POLL: Duration = Duration::from_secs(2);

/// The longest it may make us wait.
const LONGEST: u64 = 30;

/// Pages are measured in inches; dots make them comparable with pictures.
const DPI: f64 = 96.0;

pub(super) fn is_meant(target: &Target) -> bool {
    target.model.starts_with(MARK)
}

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let request = OcrRequest::from_object(call.fields())?;
    let mut body = request.extra;
    let (key, source) = source(&request.document)?;
    body.insert(key.into(), source.into());
    // Positions in characters, so that pages can be cut out of the text.
    let mut query = vec![
        "outputContentFormat=markdown".to_owned(),
        "stringIndexType=unicodeCodePoint".to_owned(),
    ];
    if let Some(pages) = &request.pages {
        // It counts from one.
        let pages = pages.iter().map(|page| page.saturating_add(1).to_string());
        let pages = pages.collect::<Vec<_>>().join(",");
        query.push(format!("pages={}", path::query(&pages)));
    }
    let uri = format!("{}&{}", models(call, ":analyze")?, query.join("&"));
    openai::request(&uri, Value::from(body).to_string().into())
}

/// An address, or data.
fn source(document: &OcrDocument) -> Result<(&'static str, &str), Error> {
    let Some(url) = document.url() else {
        return Err(Error::bad_request(
            "document",
            "Document Intelligence reads addresses and data, no stored files",
        ));
    };
    match url.strip_prefix("data:") {
        None => Ok(("urlSource", url)),
        Some(data) => match data.split_once(";base64,") {
            Some((_, data)) => Ok(("base64Source", data)),
            None => Err(Error::bad_request("document", "the data is not base64")),
        },
    }
}

/// The address of the model with `rest`, and the version in the query.
fn models(call: &Call<'_>, rest: &str) -> Result<String, Error> {
    let model = call.model();
    let model = path::segment(model.strip_prefix(MARK).unwrap_or(model))?;
    let version = call.target.setting("api_version").unwrap_or(VERSION);
    let place = format!("documentintelligence/documentModels/{model}{rest}");
    Ok(azure::service_address(call, &place, version))
}

pub(super) fn decode(call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
    let provider = call.target.provider.name;
    let wait = reply
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    let after = wait.map_or(POLL, |seconds: u64| {
        Duration::from_secs(seconds.min(LONGEST))
    });
    if reply.status == StatusCode::ACCEPTED {
        let request = ask(result_address(call, &reply)?)?;
        return Ok(Step::Again { request, after });
    }
    let analysis: Analysis = serde_json::from_slice(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    match analysis.status.as_str() {
        "succeeded" => finished(call, analysis),
        "notStarted" | "running" => Ok(Step::Later(after)),
        _ => Err(failed(provider, analysis.error)),
    }
}

fn ask(uri: String) -> Result<Request<Outgoing>, Error> {
    Request::builder()
        .method(Method::GET)
        .uri(uri)
        .body(Outgoing::default())
        .map_err(|e| {
            Error::new(
                Kind::Decode,
                format!("where the result is cannot be read: {e}"),
            )
        })
}

/// Where the result will be. Only its id is taken from the reply: the key goes with the request, to nobody else.
fn result_address(call: &Call<'_>, reply: &Reply) -> Result<String, Error> {
    let provider = call.target.provider.name;
    let missing = || Error::decode(provider, "it does not say where the result will be");
    let address: Uri = reply
        .header("operation-location")
        .and_then(|text| text.parse().ok())
        .ok_or_else(missing)?;
    let id = address
        .path()
        .rsplit('/')
        .next()
        .filter(|id| !id.is_empty());
    result(call, id.ok_or_else(missing)?)
}

fn result(call: &Call<'_>, id: &str) -> Result<String, Error> {
    models(call, &format!("/analyzeResults/{}", path::segment(id)?))
}

fn failed(provider: &'static str, error: Option<Fault>) -> Error {
    let fault = error.unwrap_or_default();
    let kind = match fault.code.as_str() {
        "InvalidRequest" | "InvalidArgument" | "InvalidContent" => Kind::BadRequest,
        _ => Kind::Upstream,
    };
    let message = match fault.message.is_empty() {
        true => "the analysis failed".to_owned(),
        false => fault.message,
    };
    let mut error = Error::new(kind, message).of(provider);
    error.code = Some(fault.code).filter(|code| !code.is_empty());
    error
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    status: String,
    #[serde(default)]
    analyze_result: Option<AnalyzeResult>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnalyzeResult {
    #[serde(default)]
    content: String,
    #[serde(default)]
    pages: Vec<Page>,
    #[serde(flatten)]
    extra: Map,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    page_number: u64,
    #[serde(default)]
    width: f64,
    #[serde(default)]
    height: f64,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Span {
    offset: usize,
    length: usize,
}

#[derive(Deserialize)]
struct Line {
    content: String,
}

fn finished(call: &Call<'_>, analysis: Analysis) -> Result<Step, Error> {
    let provider = call.target.provider.name;
    let result = analysis
        .analyze_result
        .ok_or_else(|| Error::decode(provider, "there is no result in it"))?;
    let pages: Vec<OcrPage> = result
        .pages
        .iter()
        .map(|page| OcrPage {
            index: page.page_number.saturating_sub(1),
            markdown: page.text(&result.content),
            images: Vec::new(),
            dimensions: page.dimensions(),
            extra: Map::new(),
        })
        .collect();
    let mut extra = Map::from_iter([("object".to_owned(), "ocr".into())]);
    for key in ["tables", "keyValuePairs", "figures", "documents"] {
        if let Some(value) = result.extra.get(key) {
            extra.insert(key.into(), value.clone());
        }
    }
    extra.insert("content".into(), result.content.into());
    let response = OcrResponse {
        usage_info: Some(OcrUsage {
            pages_processed: pages.len() as u64,
            ..OcrUsage::default()
        }),
        pages,
        model: call.model().to_owned(),
        document_annotation: None,
        extra,
    };
    super::translated(call, &response)
}

impl Page {
    /// The page's part of the document's text; its lines, where it is not said which part that is.
    fn text(&self, content: &str) -> String {
        if self.spans.is_empty() {
            let lines = self.lines.iter().map(|line| line.content.as_str());
            return lines.collect::<Vec<_>>().join("\n");
        }
        let part = |span: &Span| -> String {
            content
                .chars()
                .skip(span.offset)
                .take(span.length)
                .collect()
        };
        self.spans.iter().map(part).collect::<Vec<_>>().join("\n")
    }

    fn dimensions(&self) -> Option<OcrDimensions> {
        if self.width <= 0.0 || self.height <= 0.0 {
            return None;
        }
        let scale = if self.unit == "inch" { DPI } else { 1.0 };
        Some(OcrDimensions {
            dpi: DPI as u64,
            height: (self.height * scale) as u64,
            width: (self.width * scale) as u64,
        })
    }
}
