//! Reads from a request and its answer what is billed besides tokens.

use std::collections::BTreeSet;

use llm_types::{JsonObject, Op};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;

use crate::{CostContext, Executed};

/// What a request asked for and its answer delivered, apart from tokens: the owned half of a [`CostContext`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measures {
    /// The tier that served it, else the one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Whether it was part of a batch.
    pub batch: bool,
    /// Seconds of the recording or the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// `720p`, `1080p`, ...: the shorter side of a video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Images made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// `1024x1024`, as price lists split images by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<String>,
    /// `low`, `high`, `hd`, ...: likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_quality: Option<String>,
    /// Characters to be spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_characters: Option<u64>,
    /// Units of search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<u64>,
    /// Results that a search was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<u64>,
    /// Pages read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Pages annotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotated_pages: Option<u64>,
    /// `low`, `medium`, `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_context_size: Option<String>,
    /// Web searches among the answer's items.
    #[serde(skip_serializing_if = "none")]
    pub web_searches: Option<u64>,
    /// File searches among the answer's items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_searches: Option<u64>,
    /// Code interpreters among the answer's items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_interpreter_sessions: Option<u64>,
    /// Runs of other tools of the vendor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_tools: Option<u64>,
    /// The tools that the answer told of so far.
    #[serde(skip)]
    pub executed: Executed,
}

impl Measures {
    /// Reads a request of operation `op` and, where there is one, its answer. What cannot be read stays unknown.
    pub fn of(op: Op, request: &JsonObject, answer: Option<&JsonObject>) -> Self {
        let both = Both { request, answer };
        let mut measures = Self {
            service_tier: both.text("service_tier"),
            ..Self::default()
        };
        match op {
            Op::Chat => measures.chat_search(&both),
            Op::Responses => measures.hosted_tools(&both),
            Op::ImageGeneration | Op::ImageEdit | Op::ImageVariation => measures.images(&both),
            Op::Speech => {
                let input = both.asked("input").and_then(|input| text(&input));
                measures.prompt_characters = input.map(|input| input.chars().count() as u64);
            }
            Op::Transcription | Op::Translation => {
                let billed = both
                    .answered("usage")
                    .and_then(|usage| usage.get("seconds")?.as_f64());
                measures.seconds =
                    billed.or_else(|| both.answered("duration").as_ref().and_then(number));
            }
            Op::Video => measures.video(&both),
            Op::Rerank => measures.queries = both.search_units(),
            Op::Search => {
                let most = both.asked("max_results");
                measures.results = most.as_ref().and_then(number).map(|most| most as u64);
            }
            Op::Ocr => measures.pages(&both),
            _ => {}
        }
        measures
    }

    /// The context of the bill, as far as these measures tell.
    pub fn context<'a>(&'a self, provider: &'a str) -> CostContext<'a> {
        CostContext {
            provider,
            service_tier: self.service_tier.as_deref(),
            batch: self.batch,
            seconds: self.seconds,
            resolution: self.resolution.as_deref(),
            images: self.images,
            image_size: self.image_size.as_deref().and_then(sides),
            prompt_characters: self.prompt_characters,
            queries: self.queries,
            results: self.results,
            pages: self.pages,
            annotated_pages: self.annotated_pages,
            search_context_size: self.search_context_size.as_deref(),
            web_searches: self.web_searches,
            file_searches: self.file_searches,
            code_interpreter_sessions: self.code_interpreter_sessions,
            server_tools: self.server_tools,
            ..CostContext::default()
        }
    }

    /// For an answer in OpenAI's chat format, whose usage does not say that the vendor searched: `model` may be one that always
    /// does, before its first word; of others what they cite shows it, which [`saw`](Self::saw) looks for.
    pub fn expect_searches(&mut self, model: &str, request: &JsonObject) {
        let asked = request.contains("web_search_options")
            || request
                .raw("tools")
                .is_some_and(|tools| hosts_search(tools));
        let always = SEARCHING.iter().any(|part| model.contains(part));
        let may = asked || ACTING.iter().any(|part| model.contains(part));
        self.web_searches = match always {
            true => Some(1),
            false => may.then_some(0),
        };
    }

    /// Looks at a piece of such an answer: it may tell what was done for it, and one that cites a page has searched for it.
    pub fn saw(&mut self, piece: &[u8]) {
        if self.web_searches.is_none() {
            return;
        }
        if self.executed.hear(piece) {
            self.web_searches = Some(self.executed.searches());
            self.server_tools = self.executed.others();
        } else if self.web_searches == Some(0)
            && memchr::memmem::find(piece, b"url_citation").is_some()
        {
            self.web_searches = Some(1);
        }
    }

    fn chat_search(&mut self, both: &Both<'_>) {
        let options = both.asked("web_search_options").unwrap_or_default();
        self.search_context_size = options.get("search_context_size").and_then(text);
        let model = both.asked("model").and_then(|model| text(&model));
        self.expect_searches(model.as_deref().unwrap_or_default(), both.request);
        if let Some(choices) = both.answer.and_then(|answer| answer.raw("choices")) {
            self.saw(choices);
        }
    }

    /// What the answer holds was made; a request that is still streaming says what will be.
    fn images(&mut self, both: &Both<'_>) {
        // The pictures themselves are megabytes of text that nobody needs here.
        // Google foretells them.
        let made = ["data", "predictions"].into_iter().find_map(|list| {
            let made = both.answered_as::<Vec<IgnoredAny>>(list)?;
            Some(made.len() as u64)
        });
        let asked = || both.asked("n").as_ref().and_then(number).map(|n| n as u64);
        self.images = made.or_else(asked).or(Some(1));
        // OpenAI's default, which others took over; what is left to the vendor stays unknown.
        let size = both.text("size").unwrap_or_else(|| "1024x1024".to_owned());
        self.image_size = Some(size).filter(|size| sides(size).is_some());
        self.image_quality = both.text("quality").filter(|quality| quality != "auto");
    }

    fn video(&mut self, both: &Both<'_>) {
        self.seconds = both.either("seconds").as_ref().and_then(number);
        let shorter = both
            .text("size")
            .and_then(|size| sides(&size))
            .map(|(w, h)| w.min(h));
        let named = shorter.map(|side| match side {
            2160 => "4k".to_owned(),
            1440 => "2k".to_owned(),
            side => format!("{side}p"),
        });
        self.resolution = named.or_else(|| both.text("resolution"));
    }

    fn pages(&mut self, both: &Both<'_>) {
        let usage = both.answered("usage_info");
        self.pages = usage.and_then(|usage| usage.get("pages_processed")?.as_u64());
        let annotates = ["document_annotation_format", "bbox_annotation_format"]
            .iter()
            .any(|field| both.asked(field).is_some());
        self.annotated_pages = self.pages.filter(|_| annotates);
    }

    /// OpenAI counts its hosted tools by the items of the answer; one container is one session.
    fn hosted_tools(&mut self, both: &Both<'_>) {
        let tools = both.asked("tools");
        let tools = tools.iter().filter_map(Value::as_array).flatten();
        self.search_context_size = tools
            .filter_map(|tool| text(tool.get("search_context_size")?))
            .next();
        let items: Vec<Item> = both.answered_as("output").unwrap_or_default();
        let some = |count: usize| (count > 0).then_some(count as u64);
        let count = |kind: &str| items.iter().filter(|item| item.kind == kind).count();
        // Opening a page that was found is no search.
        let opened = items.iter().filter(|item| {
            let action = item.action.get("type").and_then(Value::as_str);
            item.kind == "web_search_call" && !matches!(action, None | Some("search"))
        });
        self.web_searches = some(count("web_search_call") - opened.count());
        self.file_searches = some(count("file_search_call"));
        let containers: BTreeSet<&str> = items
            .iter()
            .filter_map(|item| item.container_id.as_str())
            .collect();
        self.code_interpreter_sessions = some(containers.len());
    }
}

/// Whether one of them is a search of the vendor's own, and no function of the client's.
fn hosts_search(tools: &[u8]) -> bool {
    // Schemas may be long, and are not read for nothing.
    memchr::memmem::find(tools, b"search").is_some()
        && serde_json::from_slice(tools).is_ok_and(|tools: Vec<Item>| {
            let mut kinds = tools.iter().filter_map(|tool| tool.kind.as_str());
            kinds.any(|kind| kind != "function" && kind.contains("search"))
        })
}

fn none(count: &Option<u64>) -> bool {
    count.unwrap_or(0) == 0
}

/// Parts of the names of OpenAI's models that search before every answer.
const SEARCHING: [&str; 2] = ["-search-preview", "-search-api"];

/// Parts of the names of Groq's systems that search and run programs unasked.
const ACTING: [&str; 1] = ["compound"];

/// What matters of an item of a Responses answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    #[serde(rename = "type")]
    kind: Value,
    action: Value,
    container_id: Value,
}

struct Both<'a> {
    request: &'a JsonObject,
    answer: Option<&'a JsonObject>,
}

impl Both<'_> {
    fn asked(&self, key: &str) -> Option<Value> {
        self.request.get(key).ok().flatten()
    }

    fn answered(&self, key: &str) -> Option<Value> {
        self.answered_as(key)
    }

    fn answered_as<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.answer?.get(key).ok().flatten()
    }

    /// The answer's word, else the request's.
    fn either(&self, key: &str) -> Option<Value> {
        self.answered(key).or_else(|| self.asked(key))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.either(key).and_then(|value| text(&value))
    }

    fn search_units(&self) -> Option<u64> {
        let meta = self
            .answered("meta")
            .and_then(|meta| meta.get("billed_units").cloned());
        let units = |holder: Option<Value>| holder?.get("search_units").and_then(number);
        units(meta)
            .or_else(|| units(self.answered("usage")))
            .map(|units| units as u64)
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Some vendors write numbers as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// `1024x1536` or `1024*1536`.
fn sides(size: &str) -> Option<(u32, u32)> {
    let (width, height) = size.split_once(['x', '*'])?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measures(op: Op, request: Value, answer: Value) -> Measures {
        let object = |value: Value| JsonObject::from_serialize(&value).unwrap();
        let answer = (!answer.is_null()).then(|| object(answer));
        Measures::of(op, &object(request), answer.as_ref())
    }

    #[test]
    fn images_are_counted_where_they_are() {
        let request = json!({"n": 3, "size": "1024x1536", "quality": "low"});
        let asked = measures(Op::ImageGeneration, request.clone(), Value::Null);
        assert_eq!(asked.images, Some(3));
        let made = measures(
            Op::ImageGeneration,
            request,
            json!({"data": [{}, {}], "quality": "high"}),
        );
        assert_eq!(
            (made.images, made.image_quality.as_deref()),
            (Some(2), Some("high"))
        );
        assert_eq!(made.context("openai").image_size, Some((1024, 1536)));
        assert_eq!(
            measures(Op::ImageGeneration, json!({"size": "auto"}), Value::Null).image_size,
            None
        );
    }

    #[test]
    fn recordings_speech_and_video_have_a_length() {
        let heard = measures(
            Op::Transcription,
            json!({}),
            json!({"duration": 1.7, "usage": {"type": "duration", "seconds": 2}}),
        );
        assert_eq!(heard.seconds, Some(2.0));
        assert_eq!(
            measures(Op::Transcription, json!({}), json!({"duration": "1.7"})).seconds,
            Some(1.7)
        );
        assert_eq!(
            measures(Op::Speech, json!({"input": "héllo"}), Value::Null).prompt_characters,
            Some(5)
        );
        let video = measures(
            Op::Video,
            json!({"seconds": "8", "size": "1280x720"}),
            json!({}),
        );
        assert_eq!(
            (video.seconds, video.resolution.as_deref()),
            (Some(8.0), Some("720p"))
        );
    }

    #[test]
    fn searches_and_pages_are_the_vendors_count() {
        let rerank = |answer| measures(Op::Rerank, json!({}), answer).queries;
        assert_eq!(
            rerank(json!({"meta": {"billed_units": {"search_units": 2}}})),
            Some(2)
        );
        assert_eq!(rerank(json!({"usage": {"search_units": 1}})), Some(1));
        assert_eq!(rerank(json!({})), None);
        let request = json!({"document_annotation_format": {}});
        let ocr = measures(
            Op::Ocr,
            request,
            json!({"usage_info": {"pages_processed": 6}}),
        );
        assert_eq!((ocr.pages, ocr.annotated_pages), (Some(6), Some(6)));
    }

    #[test]
    fn a_cited_chat_answer_searched_once() {
        let request = json!({"web_search_options": {"search_context_size": "high"}});
        let answer = json!({"choices": [{"message": {"annotations": [{"type": "url_citation"}]}}]});
        let cited = measures(Op::Chat, request.clone(), answer.clone());
        assert_eq!(
            (cited.web_searches, cited.search_context_size.as_deref()),
            (Some(1), Some("high"))
        );
        let silent = measures(Op::Chat, request, json!({"choices": []}));
        assert_eq!(silent.web_searches, Some(0));
        let unasked = measures(Op::Chat, json!({}), answer);
        assert_eq!(unasked.web_searches, None);
    }

    #[test]
    fn tools_that_were_run_are_told_by_the_message() {
        let request = json!({"tools": [{"type": "browser_search"}]});
        let answer = json!({"choices": [{"message": {"executed_tools": [
            {"index": 0, "type": "browser.search"}, {"index": 1, "type": "browser.open"}, {"index": 2, "type": "browser.search"},
        ]}}]});
        let measures = measures(Op::Chat, request, answer);
        assert_eq!(
            (measures.web_searches, measures.server_tools),
            (Some(2), Some(1))
        );
    }

    #[test]
    fn a_streamed_chat_answer_searched_where_it_cites_or_always_does() {
        let cited = br#"{"choices": [{"delta": {"annotations": [{"type": "url_citation"}]}}]}"#;
        let spoken = br#"{"choices": [{"delta": {"content": "Yes."}}]}"#;
        let searches = |model: &str, request: Value, pieces: &[&[u8]]| {
            let request = JsonObject::from_serialize(&request).unwrap();
            let mut measures = Measures::of(Op::Chat, &request, None);
            measures.expect_searches(model, &request);
            pieces.iter().for_each(|piece| measures.saw(piece));
            measures.web_searches
        };
        let asks = json!({"web_search_options": {}});
        let tools = json!({"tools": [{"type": "web_search"}]});
        let ran = br#"{"choices": [{"delta": {"executed_tools": [{"index": 0, "type": "browser_search"}]}}]}"#;
        let browses = json!({"tools": [{"type": "browser_search"}]});
        let own = json!({"tools": [{"type": "function", "function": {"name": "search"}}]});
        for (model, request, pieces, count) in [
            ("m", asks.clone(), vec![&cited[..], spoken], Some(1)),
            ("m", asks, vec![&spoken[..]], Some(0)),
            ("m", tools, vec![&cited[..], cited], Some(1)),
            ("m", own, vec![&cited[..]], None),
            ("m", json!({}), vec![&cited[..]], None),
            ("m", browses, vec![&ran[..], ran, cited], Some(1)),
            ("groq/compound", json!({}), vec![&ran[..]], Some(1)),
            ("groq/compound", json!({}), vec![&spoken[..]], Some(0)),
            (
                "gpt-4o-search-preview",
                json!({}),
                vec![&spoken[..]],
                Some(1),
            ),
        ] {
            let is = searches(model, request.clone(), &pieces);
            assert_eq!(is, count, "{model} {request}");
        }
    }

    #[test]
    fn hosted_tools_are_counted_by_their_items() {
        let answer = json!({"service_tier": "flex", "output": [
            {"type": "web_search_call"}, {"type": "web_search_call", "action": {"type": "search"}},
            {"type": "web_search_call", "action": {"type": "open_page"}}, {"type": "file_search_call"},
            {"type": "code_interpreter_call", "container_id": "a"},
            {"type": "code_interpreter_call", "container_id": "a"},
            {"type": "message"},
        ]});
        let request = json!({"service_tier": "auto", "tools": [{"type": "web_search", "search_context_size": "low"}]});
        let tools = measures(Op::Responses, request, answer);
        let context = tools.context("openai");
        assert_eq!(
            (
                context.web_searches,
                context.file_searches,
                context.code_interpreter_sessions
            ),
            (Some(2), Some(1), Some(1))
        );
        assert_eq!(
            (context.service_tier, context.search_context_size),
            (Some("flex"), Some("low"))
        );
    }
}
