//! Multipart forms as they go out.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::CONTENT_TYPE};
use llm_types::JsonObject;
use serde_json::value::RawValue;

use crate::{Body, Data, Error, Kind, Outgoing, Upload};

/// A `multipart/form-data` `POST` of `fields`, with the files of `body` that they refer to. Fields, and their order, are
/// the caller's. `boundary` is one that nobody could know who wrote the files.
pub(crate) fn request(
    uri: &str,
    fields: &JsonObject,
    body: &Body,
    boundary: &str,
) -> Result<Request<Outgoing>, Error> {
    let mut form = Form {
        boundary,
        text: Vec::new(),
        pieces: Vec::new(),
    };
    for (name, raw) in fields.iter() {
        form.field(name, raw, body)?;
    }
    let kind = format!("multipart/form-data; boundary={boundary}");
    let kind = HeaderValue::from_str(&kind)
        .map_err(|e| Error::new(Kind::BadRequest, "the form cannot be sent").because(e))?;
    let mut request = super::protocols::openai::empty(Method::POST, uri)?;
    *request.body_mut() = form.finish();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(request)
}

struct Form<'a> {
    boundary: &'a str,
    text: Vec<u8>,
    pieces: Vec<Data>,
}

impl Form<'_> {
    /// One field; of a list, one for each of its items.
    fn field(&mut self, name: &str, raw: &[u8], body: &Body) -> Result<(), Error> {
        if raw.starts_with(b"[") {
            let items: Vec<&RawValue> = serde_json::from_slice(raw)
                .map_err(|e| Error::bad_request(name, format!("'{name}': {e}")))?;
            for item in items {
                self.one(name, item.get().as_bytes(), body)?;
            }
            return Ok(());
        }
        self.one(name, raw, body)
    }

    fn one(&mut self, name: &str, raw: &[u8], body: &Body) -> Result<(), Error> {
        match raw.first() {
            Some(b'n') => {}
            Some(b'"') => {
                let text: String = serde_json::from_slice(raw)
                    .map_err(|e| Error::bad_request(name, format!("'{name}': {e}")))?;
                self.text(name, text.as_bytes());
            }
            Some(b'{') => match body.referred(raw).first() {
                Some(upload) => self.file(name, upload),
                None => self.text(name, raw),
            },
            _ => self.text(name, raw),
        }
        Ok(())
    }

    fn text(&mut self, name: &str, value: &[u8]) {
        self.head(name, None, None);
        self.text.extend_from_slice(value);
        self.text.extend_from_slice(b"\r\n");
    }

    fn file(&mut self, name: &str, upload: &Upload) {
        let kind = upload.content_type.as_deref();
        let kind = kind.unwrap_or("application/octet-stream");
        // A server takes a part without a file's name for a text.
        let filename = upload.filename.as_deref().unwrap_or("file");
        self.head(name, Some(filename), Some(kind));
        match &upload.data {
            Data::Memory(bytes) if bytes.len() < 4096 => self.text.extend_from_slice(bytes),
            data => {
                self.flush();
                self.pieces.push(data.clone());
            }
        }
        self.text.extend_from_slice(b"\r\n");
    }

    fn head(&mut self, name: &str, filename: Option<&str>, kind: Option<&str>) {
        let mut head = format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{}\"",
            self.boundary,
            quoted(name)
        );
        if let Some(filename) = filename {
            head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
        }
        if let Some(kind) = kind {
            let kind: String = kind.chars().filter(|c| !c.is_control()).collect();
            head.push_str(&format!("\r\ncontent-type: {kind}"));
        }
        head.push_str("\r\n\r\n");
        self.text.extend_from_slice(head.as_bytes());
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.pieces.push(Data::Memory(Bytes::from(text)));
        }
    }

    fn finish(mut self) -> Outgoing {
        let end = format!("--{}--\r\n", self.boundary);
        self.text.extend_from_slice(end.as_bytes());
        if self.pieces.is_empty() {
            return Outgoing::Bytes(self.text.into());
        }
        self.flush();
        Outgoing::Pieces(self.pieces)
    }
}

/// As browsers write names in a form's heads: what would end the name is escaped.
fn quoted(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_its_order_and_its_names() {
        let mut body = Body::default();
        body.fields.set_str("model", "whisper-1");
        body.attach(
            "file",
            Upload {
                content_type: Some("audio/wav\r\nx: y".into()),
                ..Upload::new("a\"b\r\n.wav", vec![7; 5000])
            },
        );
        body.fields.set_raw("temperature", "0.5");
        body.fields
            .set_raw("timestamp_granularities[]", r#"["word","segment"]"#);
        body.fields.set_raw("prompt", "null");
        body.fields.set_raw("chunking", r#"{"type":"auto"}"#);
        let request = request("https://a.example/v1/x", &body.fields, &body, "B").expect("a form");
        assert_eq!(
            request.headers()["content-type"],
            "multipart/form-data; boundary=B"
        );
        let text = request.body().read().expect("read");
        let text = String::from_utf8_lossy(&text).replace(&"\u{7}".repeat(5000), "BYTES");
        assert_eq!(
            text.replace("\r\n", "\n"),
            "--B\ncontent-disposition: form-data; name=\"model\"\n\nwhisper-1\n\
             --B\ncontent-disposition: form-data; name=\"file\"; filename=\"a%22b%0D%0A.wav\"\n\
             content-type: audio/wavx: y\n\nBYTES\n\
             --B\ncontent-disposition: form-data; name=\"temperature\"\n\n0.5\n\
             --B\ncontent-disposition: form-data; name=\"timestamp_granularities[]\"\n\nword\n\
             --B\ncontent-disposition: form-data; name=\"timestamp_granularities[]\"\n\nsegment\n\
             --B\ncontent-disposition: form-data; name=\"chunking\"\n\n{\"type\":\"auto\"}\n--B--\n"
        );
    }
}
