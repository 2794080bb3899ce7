//! Embeddings in OpenAI's shape, from vendors that answer with bare vectors.

use llm_types::{Embedding, EmbeddingResponse, EmbeddingVector, Usage};

use crate::{Answer, Call, Error, embedding};

/// An answer of `vectors`, in the encoding that the client asked for.
pub(crate) fn answer(
    call: &Call<'_>,
    vectors: Vec<EmbeddingVector>,
    usage: Option<Usage>,
    extra: llm_types::Map,
) -> Result<Answer, Error> {
    let base64 = call.json()?.str("encoding_format").as_deref() == Some("base64");
    let data = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| Embedding {
            object: "embedding".into(),
            index: index as u64,
            embedding: if base64 { packed(vector) } else { vector },
        })
        .collect();
    let response = EmbeddingResponse {
        object: "list".into(),
        data,
        model: call.model().to_owned(),
        usage: usage.clone(),
        extra,
    };
    let body =
        serde_json::to_vec(&response).map_err(|e| Error::decode(call.target.provider.name, e))?;
    Ok(Answer::raw(body.into(), usage))
}

/// One answer of several, their vectors counted through.
pub(crate) fn join(call: &Call<'_>, answers: Vec<Answer>) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    let mut whole = EmbeddingResponse::default();
    let mut used: Option<Usage> = None;
    for answer in answers {
        if let Some(usage) = &answer.usage {
            match &mut used {
                Some(sum) => sum.add(usage),
                None => used = Some(usage.clone()),
            }
        }
        let part: EmbeddingResponse = serde_json::from_slice(&answer.into_bytes()?)
            .map_err(|e| Error::decode(provider, e))?;
        let data = std::mem::take(&mut whole.data);
        whole = EmbeddingResponse {
            data,
            ..part.clone()
        };
        whole.data.extend(part.data);
    }
    for (index, vector) in whole.data.iter_mut().enumerate() {
        vector.index = index as u64;
    }
    whole.usage = used.clone();
    let body = serde_json::to_vec(&whole).map_err(|e| Error::decode(provider, e))?;
    Ok(Answer::raw(body.into(), used))
}

/// Little-endian 32-bit floats in base64, as OpenAI's own clients ask for by default.
fn packed(vector: EmbeddingVector) -> EmbeddingVector {
    let EmbeddingVector::Floats(numbers) = vector else {
        return vector;
    };
    let floats: Vec<f32> = numbers
        .iter()
        .map(|number| number.as_f64().unwrap_or_default() as f32)
        .collect();
    EmbeddingVector::Base64(embedding::base64(&floats))
}

#[cfg(test)]
mod tests {
    use serde_json::Number;

    use super::*;

    #[test]
    fn floats_are_packed_as_openai_does() {
        let floats = EmbeddingVector::Floats(vec![
            Number::from_f64(1.0).expect("a number"),
            Number::from_f64(-0.5).expect("a number"),
        ]);
        assert_eq!(
            packed(floats),
            EmbeddingVector::Base64("AACAPwAAAL8=".into())
        );
    }
}
