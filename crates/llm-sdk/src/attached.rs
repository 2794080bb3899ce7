//! What a prompt has besides its text: pictures and documents, whose tokens are not those of their bytes.

use std::sync::LazyLock;

use llm_types::JsonObject;
use memchr::memmem::Finder;
use serde_json::{Map, Value};

/// The most that vendors document for one picture: Anthropic's at full resolution, above OpenAI's 1,445 by tiles and
/// 3,779 by patches, and Google's 2,240.
const PICTURE: u64 = 4_784;

/// A picture that is asked for as it is: OpenAI's most patches.
const ORIGINAL: u64 = 10_000;

/// A picture of OpenAI's that needs no detail: 256 patches, at the dearest factor.
const LOW: u64 = 630;

/// A model whose tokens are so cheap that pictures have more of them: with detail, and without.
const CHEAP: (&str, u64, u64) = ("gpt-4o-mini", 48_169, 2_833);

/// Models that take a word on how much detail is needed.
const OBEY_DETAIL: [&str; 4] = ["gpt-", "chatgpt-", "o1", "o3"];

/// Where prompts are.
const PROMPTS: [&str; 4] = ["messages", "input", "contents", "system"];

/// How words begin, and how they go on.
type Words = (Finder<'static>, &'static [&'static [u8]]);

/// Without one of these there is nothing but text. Escapes may hide a word.
static WORDS: LazyLock<[Words; 4]> = LazyLock::new(|| {
    [
        (Finder::new(b"\"i"), &[b"mage", b"nput_", b"nline"]),
        (Finder::new(b"\"file"), &[b""]),
        (Finder::new(b"\"document"), &[b""]),
        (Finder::new(b"\\u00"), &[b"5", b"6", b"7"]),
    ]
});

/// The parts of a prompt that are no text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Attached {
    pictures: u64,
    low: u64,
    original: u64,
    /// Bytes of pictures that the body brings along.
    pub(crate) bytes: u64,
    /// Something that may be as long as the model takes, which nobody documents: a document at an address, or one that
    /// the vendor keeps.
    pub(crate) endless: bool,
}

impl Attached {
    /// Those of `body`.
    pub(crate) fn of(body: &JsonObject) -> Self {
        let mut all = Self::default();
        for (_, value) in body.iter().filter(|(key, _)| PROMPTS.contains(key)) {
            if may_have(value) {
                // What cannot be read is refused elsewhere.
                let value = serde_json::from_slice(value).unwrap_or_default();
                all.look(&value, &mut Vec::new());
            }
        }
        all
    }

    /// The texts that bring pictures along in `value`, which stands under `key` of a request.
    pub(crate) fn brought<'v>(key: &str, value: &'v Value) -> Vec<&'v str> {
        let mut brought = Vec::new();
        if PROMPTS.contains(&key) {
            Self::default().look(value, &mut brought);
        }
        brought
    }

    /// The most tokens that its pictures have at `model`.
    pub(crate) fn tokens(self, model: &str) -> u64 {
        let bare = model.rsplit('/').next().unwrap_or(model);
        let (name, high, low) = CHEAP;
        let (high, low) = if bare.starts_with(name) {
            (high, low)
        } else if OBEY_DETAIL.iter().any(|start| bare.starts_with(start)) {
            (PICTURE, LOW)
        } else {
            (PICTURE, PICTURE)
        };
        let of = |count: u64, each: u64| count.saturating_mul(each);
        of(self.pictures, high)
            .saturating_add(of(self.low, low))
            .saturating_add(of(self.original, high.max(ORIGINAL)))
    }

    fn look<'v>(&mut self, value: &'v Value, brought: &mut Vec<&'v str>) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.look(one, brought)),
            Value::Object(part) if self.takes(part, brought) => {}
            Value::Object(part) => part.values().for_each(|one| self.look(one, brought)),
            _ => {}
        }
    }

    /// Whether this is a picture or a document, which counts.
    fn takes<'v>(&mut self, part: &'v Map<String, Value>, brought: &mut Vec<&'v str>) -> bool {
        let text = |name: &str| part.get(name).and_then(Value::as_str);
        let below = |name: &str| part.get(name).and_then(Value::as_object);
        let either = |a: &str, b: &str| below(a).or_else(|| below(b));
        // Google's clients name a part by its key alone.
        if either("fileData", "file_data").is_some() {
            self.endless = true;
            return true;
        }
        if let Some(data) = either("inlineData", "inline_data") {
            let kind = data.get("mimeType").or_else(|| data.get("mime_type"));
            let is_picture = kind
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.starts_with("image/"));
            if is_picture {
                self.picture(None, data.get("data"), brought);
            }
            return is_picture;
        }
        match text("type").unwrap_or_default() {
            "image_url" | "input_image" => {
                let within = below("image_url");
                let url = within.and_then(|image| image.get("url"));
                let url = url.or_else(|| part.get("image_url"));
                let detail = within.and_then(|image| image.get("detail")?.as_str());
                let data = url.filter(|url| url.as_str().is_some_and(is_data));
                self.picture(detail.or(text("detail")), data, brought);
            }
            "image" => {
                let source = below("source");
                let data = source.and_then(|source| source.get("data"));
                self.picture(None, data, brought);
            }
            "document" | "file" | "input_file" => {
                let source = either("source", "file").unwrap_or(part);
                let elsewhere = ["url", "file_url", "file_id"];
                self.endless |= elsewhere.iter().any(|name| source.contains_key(*name));
                // A document that is made of parts may have pictures.
                return !source.contains_key("content");
            }
            _ => return false,
        }
        true
    }

    fn picture<'v>(
        &mut self,
        detail: Option<&str>,
        data: Option<&'v Value>,
        brought: &mut Vec<&'v str>,
    ) {
        if let Some(data) = data.and_then(Value::as_str) {
            self.bytes = self.bytes.saturating_add(data.len() as u64);
            brought.push(data);
        }
        match detail {
            Some("low") => self.low += 1,
            Some("original") => self.original += 1,
            _ => self.pictures += 1,
        }
    }
}

/// Whether there may be something else than text in it.
fn may_have(prompt: &[u8]) -> bool {
    WORDS.iter().any(|(begin, ends)| {
        let rests = begin
            .find_iter(prompt)
            .filter_map(|at| prompt.get(at + begin.needle().len()..));
        let mut words = rests.filter(|rest| ends.iter().any(|end| rest.starts_with(end)));
        words.next().is_some()
    })
}

fn is_data(url: &str) -> bool {
    url.starts_with("data:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attached(prompt: Value) -> Attached {
        let body = json!({ "messages": [{"role": "user", "content": prompt}] });
        Attached::of(&JsonObject::from_serialize(&body).unwrap())
    }

    #[test]
    fn pictures_count_by_what_vendors_document_and_not_by_their_bytes() {
        let data = format!("data:image/png;base64,{}", "A".repeat(100_000));
        for (part, high, low) in [
            (
                json!({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}),
                1,
                0,
            ),
            (
                json!({"type": "image_url", "image_url": {"url": data, "detail": "low"}}),
                0,
                1,
            ),
            (
                json!({"type": "input_image", "image_url": data, "detail": "low"}),
                0,
                1,
            ),
            (json!({"type": "input_image", "file_id": "file-1"}), 1, 0),
            (
                json!({"type": "image", "source": {"type": "url", "url": "https://a.example/b"}}),
                1,
                0,
            ),
            (
                json!({"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}]}),
                1,
                0,
            ),
            (
                json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
                1,
                0,
            ),
        ] {
            let found = attached(json!([part]));
            assert_eq!(
                (found.pictures, found.low, found.endless),
                (high, low, false),
                "{part}"
            );
        }
        let two = attached(json!([
            {"type": "image_url", "image_url": {"url": data}},
            {"type": "image_url", "image_url": {"url": "https://a.example", "detail": "low"}},
        ]));
        assert_eq!(two.bytes, data.len() as u64);
        assert_eq!(two.tokens("gpt-4o"), PICTURE + LOW);
        assert_eq!(two.tokens("openai/gpt-4o-mini"), 48_169 + 2_833);
        // Whoever does not know the word is asked for all the detail.
        assert_eq!(two.tokens("claude-sonnet-4"), 2 * PICTURE);
    }

    #[test]
    fn documents_elsewhere_may_be_as_long_as_the_model_takes() {
        for part in [
            json!({"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}}),
            json!({"type": "document", "source": {"type": "file", "file_id": "file-1"}}),
            json!({"type": "file", "file": {"file_id": "file-1"}}),
            json!({"type": "input_file", "file_url": "https://a.example/b.pdf"}),
            json!({"fileData": {"fileUri": "gs://a/b.mp4"}}),
        ] {
            assert!(attached(json!([part])).endless, "{part}");
        }
        for part in [
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}),
            json!({"type": "document", "source": {"type": "text", "data": "words"}}),
        ] {
            assert_eq!(attached(json!([part])), Attached::default(), "{part}");
        }
        let parts = json!([{"type": "document", "source": {"type": "content", "content": [
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b"}},
        ]}}]);
        assert_eq!(attached(parts).pictures, 1);
    }

    #[test]
    fn words_are_no_pictures() {
        for said in [
            json!("an image_url of a file"),
            json!([{"type": "text", "text": "image"}]),
        ] {
            assert_eq!(attached(said), Attached::default());
        }
    }

    #[test]
    fn an_escape_hides_nothing() {
        let json = br#"{"messages":[{"content":[{"type":"im\u0061ge_url","image_url":"https://a.example"}]}]}"#;
        let body = JsonObject::parse(&bytes::Bytes::from_static(json)).unwrap();
        assert_eq!(Attached::of(&body).pictures, 1);
    }
}
