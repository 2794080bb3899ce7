//! Forms that clients send: texts stay in memory, and files of any size go through it to the disk.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use hyper::body::Incoming;
use llm_providers::{Body, Data, Stored, Upload};
use llm_types::JsonObject;
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::Value;

use crate::{body, disk::aside, error::Refusal, settings::Limits};

/// A file up to this long stays in memory.
const SMALL: usize = 256 << 10;
/// The longest text of all fields together.
const TEXTS: usize = 8 << 20;
/// The most fields.
const FIELDS: usize = 1000;

/// Whether a request brings a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    kind.is_some_and(|kind| {
        kind.to_ascii_lowercase()
            .starts_with(b"multipart/form-data")
    })
}

/// Reads a form. Its fields become an object's keys, in their order.
pub(crate) async fn read(
    incoming: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Body, Refusal> {
    if body::announced(headers).is_some_and(|length| length > limits.upload) {
        Box::pin(body::discard(incoming, headers, limits)).await;
        return Err(body::too_large(limits.upload));
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let boundary = multer::parse_boundary(kind.unwrap_or_default());
    let boundary = boundary
        .map_err(|_| Refusal::bad("request_body", "the form's content-type names no boundary"))?;
    let limits = *limits;
    let pieces = stream::try_unfold(incoming, move |mut incoming| async move {
        let next = body::next(&mut incoming, &limits).await;
        next.map(|piece| piece.map(|piece| (piece, incoming)))
            .map_err(|refusal| io::Error::other(Broken(refusal)))
    });
    let sizes = SizeLimit::new().whole_stream(limits.upload);
    let constraints = Constraints::new().size_limit(sizes);
    let mut form = Multipart::with_constraints(pieces, boundary, constraints);
    let mut read = Reading::default();
    while let Some(field) = form.next_field().await.map_err(|e| refusal(e, &limits))? {
        read.field(field, &limits).await?;
    }
    Ok(read.body)
}

/// A body that could not be read, on its way through the form's reader.
#[derive(Debug)]
struct Broken(Refusal);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Broken {}

#[derive(Default)]
struct Reading {
    body: Body,
    texts: usize,
    fields: usize,
}

impl Reading {
    async fn field(&mut self, mut field: Field<'_>, limits: &Limits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > FIELDS {
            return Err(Refusal::bad("request_body", "the form has too many fields"));
        }
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(Refusal::bad(
                "request_body",
                "a field of the form has no name",
            ));
        };
        if field.file_name().is_none() {
            let text = self.text(&name, &mut field, limits).await?;
            add(&mut self.body.fields, name, text.into());
            return Ok(());
        }
        let upload = Upload {
            filename: field.file_name().map(str::to_owned),
            content_type: field.content_type().map(ToString::to_string),
            data: file(&mut field, limits).await?,
        };
        let number = self.body.files.len();
        self.body.files.push(upload);
        add(
            &mut self.body.fields,
            name,
            serde_json::json!({ "$file": number }),
        );
        Ok(())
    }

    async fn text(
        &mut self,
        name: &str,
        field: &mut Field<'_>,
        limits: &Limits,
    ) -> Result<String, Refusal> {
        let mut text = BytesMut::new();
        while let Some(piece) = field.chunk().await.map_err(|e| refusal(e, limits))? {
            self.texts += piece.len();
            if self.texts > TEXTS.min(limits.body) {
                let message = format!("'{name}' is too long for a text: a file needs a file name");
                return Err(Refusal {
                    status: StatusCode::PAYLOAD_TOO_LARGE,
                    ..Refusal::bad(name.to_owned(), message)
                });
            }
            text.extend_from_slice(&piece);
        }
        String::from_utf8(text.into())
            .map_err(|_| Refusal::bad(name.to_owned(), format!("'{name}' is not UTF-8 text")))
    }
}

/// A field; one that comes again makes a list.
fn add(fields: &mut JsonObject, name: String, value: Value) {
    let before: Option<Value> = fields.get(&name).ok().flatten();
    let value = match before {
        None => value,
        Some(Value::Array(mut all)) => {
            all.push(value);
            Value::Array(all)
        }
        Some(one) => Value::Array(vec![one, value]),
    };
    fields.set(name, &value);
}

/// A file's bytes: a short one's in memory, a longer one's in a file without a name.
async fn file(field: &mut Field<'_>, limits: &Limits) -> Result<Data, Refusal> {
    let mut start = BytesMut::new();
    while let Some(piece) = field.chunk().await.map_err(|e| refusal(e, limits))? {
        start.extend_from_slice(&piece);
        if start.len() > SMALL {
            return spool(start.freeze(), field, limits).await;
        }
    }
    Ok(Data::Memory(start.freeze()))
}

async fn spool(start: Bytes, field: &mut Field<'_>, limits: &Limits) -> Result<Data, Refusal> {
    let mut file = aside(tempfile::tempfile).await?;
    let mut piece = Some(start);
    while let Some(bytes) = piece {
        file = aside(move || file.write_all(&bytes).map(|()| file)).await?;
        piece = collected(field, limits).await?;
    }
    let stored = aside(move || Stored::new(file)).await?;
    Ok(Data::Disk(stored))
}

/// The next pieces together: a hop to another thread for each network read would cost more than the writing.
async fn collected(field: &mut Field<'_>, limits: &Limits) -> Result<Option<Bytes>, Refusal> {
    let mut all = BytesMut::new();
    while all.len() < SMALL {
        match field.chunk().await.map_err(|e| refusal(e, limits))? {
            Some(piece) => all.extend_from_slice(&piece),
            None => break,
        }
    }
    Ok((!all.is_empty()).then(|| all.freeze()))
}

fn refusal(error: multer::Error, limits: &Limits) -> Refusal {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => {
            body::too_large(limits.upload)
        }
        multer::Error::StreamReadFailed(inner) => match broken(inner) {
            Some(refusal) => refusal,
            None => Refusal::bad("request_body", "the form could not be read"),
        },
        other => Refusal::bad("request_body", format!("the form cannot be read: {other}")),
    }
}

/// The refusal that a failed read carries.
fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> Option<Refusal> {
    let error = error.downcast::<io::Error>().ok()?;
    let inner = error.into_inner()?.downcast::<Broken>().ok()?;
    Some(inner.0)
}
