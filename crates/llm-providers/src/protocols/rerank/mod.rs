//! Rerankers. Nearly all of them take Cohere's flat body, under names of their own; what differs is data.

mod answer;
mod nested;

use http::Request;
use llm_types::{JsonObject, RerankDocument, RerankRequest};

use super::{azure, cohere, openai};
use crate::{Call, Error, Outgoing, Protocol, Reply, Step, path};

pub(crate) use answer::{Consumed, Ranking, billed_in_hundreds, flat};
pub(crate) use nested::{DashScope, DeepInfra, Nim};

/// A reranker with Cohere's flat body.
#[derive(Debug)]
pub struct Reranker {
    /// Where it answers.
    address: fn(&Call<'_>) -> Result<String, Error>,
    /// Which documents it takes, at that address.
    documents: fn(&str) -> Documents,
    /// Its own names for Cohere's: ours, theirs.
    names: &'static [(&'static str, &'static str)],
    /// Of Cohere's parameters, those that it does not know: their work is done here, on the answer.
    done_here: &'static [&'static str],
    /// Whether the body names the model.
    model: bool,
}

/// Which documents a reranker takes. What it does not take goes as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Documents {
    /// Texts and objects, of which `rank_fields` says what counts.
    Objects,
    /// Texts and objects with a text or a picture.
    Parts,
    /// Texts.
    Texts,
}

/// Everything as Cohere first had it, at the row's path.
pub(crate) const PLAIN: Reranker = Reranker {
    address: |call| Ok(openai::address(call)),
    documents: |_| Documents::Objects,
    names: &[],
    done_here: &[],
    model: true,
};

/// The same from services that take texts only.
pub(crate) const TEXTS: Reranker = Reranker {
    documents: |_| Documents::Texts,
    ..PLAIN
};

/// The same from services that also see pictures.
pub(crate) const PARTS: Reranker = Reranker {
    documents: |_| Documents::Parts,
    ..PLAIN
};

/// Voyage AI.
pub(crate) const VOYAGE: Reranker = Reranker {
    names: &[("top_n", "top_k")],
    ..TEXTS
};

/// Text Embeddings Inference: one model, texts, every score.
pub(crate) const TEI: Reranker = Reranker {
    address: |call| {
        let base = call.base_url();
        if base == call.target.provider.base_url {
            return Err(Error::bad_request(
                "api_base",
                "the router does not rerank: set api_base to a server of text-embeddings-inference",
            ));
        }
        let root = base.strip_suffix("/v1").unwrap_or(base);
        Ok(match root.ends_with("/rerank") {
            true => root.to_owned(),
            false => path::join(root, "rerank"),
        })
    },
    names: &[("documents", "texts"), ("return_documents", "return_text")],
    done_here: &["top_n"],
    model: false,
    ..TEXTS
};

/// Cohere: its first version takes objects, its second texts.
pub(crate) const COHERE: Reranker = Reranker {
    address: |call| Ok(cohere::rerank_address(call)),
    documents: by_version,
    ..PLAIN
};

/// Cohere's models on Azure.
pub(crate) const AZURE: Reranker = Reranker {
    address: |call| Ok(azure::rerank_address(call)),
    documents: by_version,
    ..PLAIN
};

fn by_version(address: &str) -> Documents {
    match address.contains("/v1/") {
        true => Documents::Objects,
        false => Documents::Texts,
    }
}

impl Protocol for Reranker {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let address = (self.address)(call)?;
        let mut body = call.fields().clone();
        let request = RerankRequest::from_object(&body)?;
        if !self.model {
            body.remove("model");
        } else if body.str("model").as_deref() != Some(call.model()) {
            body.set_str("model", call.model());
        }
        let kind = (self.documents)(&address);
        if !request
            .documents
            .iter()
            .all(|one| kind.takes(one, &request))
        {
            body.set("documents", &texts(&request));
        }
        if kind != Documents::Objects {
            body.remove("rank_fields");
        }
        for name in self.done_here {
            body.remove(name);
        }
        for (ours, theirs) in self.names {
            body.rename(ours, *theirs);
        }
        openai::request(&address, body.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        answer::flat(call, reply)
    }
}

impl Documents {
    fn takes(self, document: &RerankDocument, request: &RerankRequest) -> bool {
        const PARTS: [&str; 3] = ["text", "image", "content"];
        match (self, document) {
            (_, RerankDocument::Text(_)) | (Self::Objects, _) => true,
            (Self::Parts, RerankDocument::Object(map)) => {
                request.rank_fields.is_none() && PARTS.iter().any(|part| map.contains_key(*part))
            }
            (Self::Texts, _) => false,
        }
    }
}

/// The documents as texts; of objects, the fields that count.
pub(crate) fn texts(request: &RerankRequest) -> Vec<String> {
    let fields = request.rank_fields.as_deref();
    request.documents.iter().map(|d| d.text(fields)).collect()
}

/// The vendor's own parameters: everything that is not Cohere's.
pub(crate) fn own(body: &JsonObject) -> Result<llm_types::Map, Error> {
    Ok(RerankRequest::from_object(body)?.extra)
}
