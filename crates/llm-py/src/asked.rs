//! What Python asks for, taken out of its objects.

use std::fs::File;

use bytes::Bytes;
use llm_providers::{Body, Data, Error, Stored, Upload};
use llm_sdk::Request;
use llm_types::{JsonObject, Op, Verb};
use pyo3::{exceptions::PyValueError, prelude::*};

/// A file: its name, its type, and its bytes or the path of a file that has them.
pub(crate) type PyFile = (Option<String>, Option<String>, Contents);

/// A file's bytes, or where they are.
#[derive(FromPyObject)]
pub(crate) enum Contents {
    /// The bytes.
    #[pyo3(transparent)]
    Bytes(Vec<u8>),
    /// The path of a file that has them: it is read while it is sent.
    #[pyo3(transparent)]
    Path(String),
}

/// What is asked for.
pub(crate) struct Asked {
    op: Op,
    verb: Verb,
    id: Option<String>,
    query: Vec<(String, String)>,
    body: Bytes,
    files: Vec<PyFile>,
}

impl Asked {
    /// Something by the name of its function.
    pub(crate) fn named(
        name: &str,
        body: &[u8],
        files: Option<Vec<PyFile>>,
        id: Option<String>,
        query: Option<Vec<(String, String)>>,
    ) -> PyResult<Self> {
        let all = Op::all().flat_map(|op| op.verbs().iter().map(move |verb| (op, *verb)));
        let (op, verb) = all
            .into_iter()
            .find(|(op, verb)| op.function(*verb) == name)
            .ok_or_else(|| PyValueError::new_err(format!("there is no operation '{name}'")))?;
        Ok(Self {
            op,
            verb,
            id,
            query: query.unwrap_or_default(),
            body: Bytes::copy_from_slice(body),
            files: files.unwrap_or_default(),
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.op.function(self.verb)
    }

    /// Whether a batch begins with it.
    pub(crate) fn begins_batch(&self) -> bool {
        (self.op, self.verb) == (Op::Batch, Verb::Create)
    }

    /// The request. Opens files.
    pub(crate) fn request(self) -> Result<Request, Error> {
        let fields = JsonObject::parse(&self.body)?;
        if self.verb != Verb::Create {
            let (id, query) = (self.id, self.query);
            return Ok(Request::resource(self.op, self.verb, id, query, fields)?);
        }
        let files: Result<Vec<_>, Error> = self.files.into_iter().map(upload).collect();
        let body = Body {
            fields,
            files: files?,
        };
        Ok(Request::from_body(self.op, body)?)
    }
}

fn upload((filename, content_type, contents): PyFile) -> Result<Upload, Error> {
    let data = match contents {
        Contents::Bytes(bytes) => Data::Memory(bytes.into()),
        Contents::Path(path) => {
            let stored = File::open(&path).and_then(Stored::new);
            let stored = stored
                .map_err(|e| Error::bad_request("file", format!("'{path}' cannot be read: {e}")))?;
            Data::Disk(stored)
        }
    };
    Ok(Upload {
        filename,
        content_type,
        data,
    })
}
