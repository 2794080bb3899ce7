//! Reads the texts of a form that is handed on as it is: its model decides who may ask for it, and what it costs.
//!
//! A form that could be read otherwise than it is read here is refused: two readings could pass one check and bill another.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use llm_types::JsonObject;
use memchr::memmem;

/// The longest head of a field.
const LONGEST_HEAD: usize = 16 << 10;
/// A longer text is nothing that anyone here reads.
const LONGEST_TEXT: usize = 64 << 10;
/// As many texts are kept.
const TEXTS: usize = 256;

/// What a form says, apart from its files.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Its texts. Of one that comes again the last is kept.
    pub(super) fields: JsonObject,
    /// Where in the body its model stands.
    pub(super) model: Option<Range<u64>>,
}

/// Why a form is not read.
pub(super) type Odd = &'static str;

/// Reads a form while it passes by.
#[derive(Debug)]
pub(super) struct Reader {
    /// `--BOUNDARY`.
    mark: Vec<u8>,
    held: Vec<u8>,
    /// Where the first byte that is held stands in the body.
    at: u64,
    state: State,
    form: Form,
}

#[derive(Debug)]
enum State {
    /// Before the first mark.
    Start,
    /// Behind a mark.
    Mark,
    /// In a field's headers.
    Head,
    /// In a text of this name.
    Text(String),
    /// In what is not kept.
    File,
    /// Behind the last mark.
    End,
    Odd(Odd),
}

impl Reader {
    /// A reader for a body with these headers; `None`: it is no form.
    pub(super) fn new(headers: &HeaderMap) -> Option<Self> {
        let mut kinds = headers.get_all(CONTENT_TYPE).into_iter();
        let kind = kinds.next()?.to_str().ok()?;
        let lower = kind.to_ascii_lowercase();
        if !lower.trim_start().starts_with("multipart/form-data") {
            return None;
        }
        let boundary = multer::parse_boundary(kind).unwrap_or_default();
        let is_plain = lower.matches("boundary").count() == 1 && kinds.next().is_none();
        let state = match is_plain && !boundary.is_empty() {
            true => State::Start,
            false => State::Odd("its content-type does not name one boundary"),
        };
        Some(Self {
            mark: ["--", &boundary].concat().into_bytes(),
            held: Vec::new(),
            at: 0,
            state,
            form: Form::default(),
        })
    }

    /// Hears a piece of the body.
    pub(super) fn push(&mut self, bytes: &Bytes) {
        if matches!(self.state, State::Odd(_)) {
            return;
        }
        self.held.extend_from_slice(bytes);
        while self.step() {}
    }

    /// The body is over.
    pub(super) fn finish(self) -> Result<Form, Odd> {
        match self.state {
            State::End => Ok(self.form),
            State::Odd(why) => Err(why),
            _ => Err("it ends before its last boundary"),
        }
    }

    /// Reads on; `false` if more bytes are needed for that.
    fn step(&mut self) -> bool {
        match &self.state {
            State::Start => self.start(),
            State::Mark => self.behind_mark(),
            State::Head => self.head(),
            State::Text(_) | State::File => self.content(),
            State::End => self.end(),
            State::Odd(_) => {
                self.held.clear();
                false
            }
        }
    }

    fn start(&mut self) -> bool {
        if self.held.starts_with(b"\r\n") {
            self.skip(2);
            return true;
        }
        let known = self.held.len().min(self.mark.len());
        if self.held[..known] != self.mark[..known] && self.held != b"\r" {
            return self.odd("it does not begin with its boundary");
        }
        if known < self.mark.len() {
            return false;
        }
        self.skip(known);
        self.turn(State::Mark)
    }

    fn behind_mark(&mut self) -> bool {
        let Some(next) = self.held.get(..2) else {
            return false;
        };
        let state = match next {
            b"\r\n" => State::Head,
            b"--" => State::End,
            _ => return self.odd("something stands behind a boundary"),
        };
        self.skip(2);
        self.turn(state)
    }

    fn head(&mut self) -> bool {
        let Some(end) = memmem::find(&self.held, b"\r\n\r\n") else {
            return self.held.len() > LONGEST_HEAD && self.odd("a field's head is too long");
        };
        let read = std::str::from_utf8(&self.held[..end]).map_or(Err("a head is no text"), name);
        let (name, is_file) = match read {
            Ok(read) => read,
            Err(why) => return self.odd(why),
        };
        self.skip(end + 4);
        if name == "model" && (is_file || self.form.model.is_some()) {
            return self.odd("'model' must be there once, as a text");
        }
        if name == "model" {
            self.form.model = Some(self.at..self.at);
        }
        let is_kept = !is_file && self.form.fields.len() < TEXTS;
        self.turn(match is_kept || name == "model" {
            true => State::Text(name),
            false => State::File,
        })
    }

    /// Reads up to the next mark.
    fn content(&mut self) -> bool {
        let Some(found) = memmem::find(&self.held, &self.mark) else {
            return self.wait();
        };
        let Some(text) = self.held[..found].strip_suffix(b"\r\n") else {
            return self.odd("a boundary does not stand on a line of its own");
        };
        if let State::Text(name) = &self.state {
            let Ok(text) = std::str::from_utf8(text) else {
                return self.odd("a text is not UTF-8");
            };
            if name == "model" {
                self.form.model = Some(self.at..self.at + text.len() as u64);
            }
            let name = name.clone();
            self.form.fields.set_str(name, text);
        }
        self.skip(found + self.mark.len());
        self.turn(State::Mark)
    }

    /// Holds a text, and of a file only what may be the beginning of a mark.
    fn wait(&mut self) -> bool {
        match &self.state {
            State::Text(name) if self.held.len() > LONGEST_TEXT => match name.as_str() {
                "model" => self.odd("'model' is too long"),
                _ => self.turn(State::File),
            },
            State::File => {
                let kept = self.mark.len() + 1;
                self.skip(self.held.len().saturating_sub(kept));
                false
            }
            _ => false,
        }
    }

    fn end(&mut self) -> bool {
        if memmem::find(&self.held, &self.mark).is_some() {
            return self.odd("something stands behind its last boundary");
        }
        let kept = self.mark.len();
        self.skip(self.held.len().saturating_sub(kept));
        false
    }

    fn skip(&mut self, count: usize) {
        self.held.drain(..count);
        self.at += count as u64;
    }

    fn turn(&mut self, state: State) -> bool {
        self.state = state;
        true
    }

    fn odd(&mut self, why: Odd) -> bool {
        self.turn(State::Odd(why))
    }
}

/// A field's name, and whether it is a file.
fn name(head: &str) -> Result<(String, bool), Odd> {
    let mut found = None;
    for line in head.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            return Err("a field's head is no header");
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" if found.is_some() => return Err("a field has two names"),
            "content-disposition" => found = Some(disposition(value)?),
            "content-transfer-encoding"
                if !["7bit", "8bit", "binary"]
                    .contains(&value.trim().to_ascii_lowercase().as_str()) =>
            {
                return Err("a field is encoded");
            }
            _ => {}
        }
        if line.starts_with([' ', '\t']) || line.contains(['\r', '\n']) {
            return Err("a field's head goes over several lines");
        }
    }
    found.ok_or("a field has no name")
}

/// `form-data; name="a"; filename="b"`.
fn disposition(value: &str) -> Result<(String, bool), Odd> {
    const ODD: Odd = "a field's name cannot be read";
    let mut rest = value.trim();
    rest = rest.strip_prefix("form-data").ok_or(ODD)?.trim_start();
    let (mut name, mut is_file) = (None, false);
    while let Some(next) = rest.strip_prefix(';') {
        let next = next.trim_start();
        let (key, after) = next.split_once('=').ok_or(ODD)?;
        let (text, after) = parameter(after).ok_or(ODD)?;
        match key.trim().to_ascii_lowercase().as_str() {
            "name" if name.is_none() => name = Some(text),
            "filename" | "filename*" => is_file = true,
            "name" | "name*" => return Err(ODD),
            _ => {}
        }
        rest = after.trim_start();
    }
    match name {
        Some(name) if rest.is_empty() => Ok((name, is_file)),
        _ => Err(ODD),
    }
}

/// A parameter's value, quoted or not, and what stands behind it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (!value.contains('"')).then(|| (value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=XX";

    fn read(kind: &'static str, body: &[u8], piece: usize) -> Result<Form, Odd> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        let mut reader = Reader::new(&headers).unwrap();
        for bytes in body.chunks(piece) {
            reader.push(&Bytes::copy_from_slice(bytes));
        }
        assert!(reader.held.len() < LONGEST_TEXT + LONGEST_HEAD);
        reader.finish()
    }

    fn part(head: &str, content: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn texts_are_read_and_files_are_not_held() {
        let file = "\r\n--X".repeat(40_000);
        let body = [
            part("name=\"n\"", "2"),
            part(
                "name=\"file\"; filename=\"a;\\\"b.wav\"\r\nContent-Type: audio/wav",
                &file,
            ),
            part("name=model", "whisper-1"),
            part("name=\"prompt\"", "a\r\nb"),
            part("name=\"empty\"", ""),
            "--XX--\r\n".to_owned(),
        ]
        .concat();
        for piece in [1, 3, 1000, body.len()] {
            let form = read(KIND, body.as_bytes(), piece).unwrap();
            let place = form.model.unwrap();
            let (from, to) = (place.start as usize, place.end as usize);
            assert_eq!(&body[from..to], "whisper-1");
            assert_eq!(
                form.fields.to_bytes(),
                r#"{"n":"2","model":"whisper-1","prompt":"a\r\nb","empty":""}"#
            );
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let good = part("name=\"model\"", "a");
        let end = "--XX--";
        for (body, why) in [
            (format!("{good}{good}{end}"), "once"),
            (
                format!("{}{end}", part("name=\"model\"; filename=\"x\"", "a")),
                "once",
            ),
            (format!("--YY\r\n{good}{end}"), "begin"),
            (format!("{good}--XX \r\n{end}"), "behind a boundary"),
            (
                format!("{}{end}", part("name=\"a\"", "x\n--XX\ny")),
                "line of its own",
            ),
            (format!("{good}{end}\r\n{good}"), "last boundary"),
            (good.clone(), "ends before"),
            (String::new(), "ends before"),
            (
                format!("{}{end}", part("name=\"model\"; name=\"b\"", "a")),
                "name",
            ),
            (format!("{}{end}", part("name*=utf-8''model", "a")), "name"),
            (format!("{}{end}", part("filename=\"b\"", "a")), "name"),
            (
                format!(
                    "{}{end}",
                    part(
                        "name=\"model\"\r\nContent-Transfer-Encoding: base64",
                        "YQ=="
                    )
                ),
                "encoded",
            ),
            (
                format!("{}{end}", part("name=\"model\"\r\n folded: x", "a")),
                "several lines",
            ),
            (
                format!("{}{end}", part("name=\"model\"", &"x".repeat(70_000))),
                "too long",
            ),
        ] {
            for piece in [1, 4096] {
                let error = read(KIND, body.as_bytes(), piece).unwrap_err();
                assert!(error.contains(why), "{error}: {body}");
            }
        }
        let twice = "multipart/form-data; boundary=XX; boundary=YY";
        let body = format!("{good}{end}");
        assert!(read(twice, body.as_bytes(), 99).is_err());
        assert!(read("multipart/form-data", body.as_bytes(), 99).is_err());
    }

    #[test]
    fn other_bodies_are_no_forms() {
        let mut headers = HeaderMap::new();
        assert!(Reader::new(&headers).is_none());
        headers.insert(CONTENT_TYPE, "audio/wav".parse().unwrap());
        assert!(Reader::new(&headers).is_none());
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            body in "(--XX|\r\n|\n|--|Content-Disposition: form-data; name=\"(model|a)\"|: |[a-z]|\r\n\r\n){0,30}",
            piece in 1_usize..9,
        ) {
            let whole = read(KIND, body.as_bytes(), 4096).map(|form| (form.fields.to_bytes(), form.model));
            let cut = read(KIND, body.as_bytes(), piece).map(|form| (form.fields.to_bytes(), form.model));
            prop_assert_eq!(whole.is_ok(), cut.is_ok());
            if let (Ok(whole), Ok(cut)) = (whole, cut) {
                prop_assert_eq!(whole, cut);
            }
        }
    }
}
