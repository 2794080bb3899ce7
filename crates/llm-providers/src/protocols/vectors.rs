//! Embeddings in OpenAI's shape, from vendors that answer with bare vectors.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{Embedding, EmbeddingResponse, EmbeddingVector, JsonObject, Usage};
use serde_json::{Number, Value, value::RawValue};

use crate::{Answer, Call, Error, embedding};

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As numbers.
    Float,
    /// As base64 of little-endian 32-bit floats.
    Base64,
}

impl Encoding {
    /// What the client asked for; `None` where it left that to the vendor, or asked for a way of the vendor's own.
    pub(crate) fn asked(call: &Call<'_>) -> Option<Self> {
        match call.fields().str("encoding_format")?.as_ref() {
            "float" => Some(Self::Float),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }
}

/// Writes a vector anew where it is not written as was asked.
pub(crate) fn encode(vector: &mut Value, asked: Option<Encoding>) -> Result<(), String> {
    match (&*vector, asked) {
        (Value::Array(numbers), Some(Encoding::Base64)) => {
            let floats: Option<Vec<f32>> = numbers
                .iter()
                .map(|number| number.as_f64().map(|number| number as f32))
                .collect();
            let floats = floats.ok_or("a vector has something in it that is no number")?;
            *vector = embedding::base64(&floats).into();
        }
        (Value::String(text), Some(Encoding::Float)) => *vector = unpacked(text)?,
        _ => {}
    }
    Ok(())
}

/// The numbers in base64, each as short as a 32-bit float can be written.
fn unpacked(text: &str) -> Result<Value, String> {
    let bytes = STANDARD.decode(text).map_err(|e| e.to_string())?;
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("a vector ends in the middle of a number".into());
    }
    let number = |bytes: &[u8; 4]| {
        let short = f32::from_le_bytes(*bytes).to_string().parse::<f64>();
        short.ok().and_then(Number::from_f64).map(Value::Number)
    };
    let numbers: Option<Vec<Value>> = floats.iter().map(number).collect();
    numbers
        .map(Value::Array)
        .ok_or_else(|| "a vector has a number in it that is none".into())
}

/// An answer of `vectors`, in the encoding that the client asked for.
pub(crate) fn answer(
    call: &Call<'_>,
    vectors: Vec<EmbeddingVector>,
    usage: Option<Usage>,
    extra: llm_types::Map,
) -> Result<Answer, Error> {
    let base64 = Encoding::asked(call) == Some(Encoding::Base64);
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

/// The bodies of several requests with at most `most` inputs each; none where one request is enough.
pub(crate) fn split(call: &Call<'_>, most: usize) -> Result<Vec<JsonObject>, Error> {
    let body = call.fields();
    // A text alone, or a list of tokens, is one input.
    let is_one = |json: &RawValue| json.get().starts_with(|c: char| c.is_ascii_digit());
    let inputs: Vec<&RawValue> = match body.raw("input") {
        Some(json) if json.starts_with(b"[") => {
            serde_json::from_slice(json).map_err(|e| Error::bad_request("input", e.to_string()))?
        }
        _ => return Ok(Vec::new()),
    };
    if inputs.len() <= most || inputs.first().is_some_and(|first| is_one(first)) {
        return Ok(Vec::new());
    }
    let parts = inputs.chunks(most.max(1)).map(|inputs| {
        let mut part = body.clone();
        part.set("input", &inputs);
        part
    });
    Ok(parts.collect())
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
    use serde_json::json;

    use super::*;

    #[test]
    fn vectors_are_written_as_asked() {
        let written = |mut vector: Value, asked| encode(&mut vector, asked).map(|()| vector);
        let (floats, text) = (json!([1.0, -0.5, 0.1]), json!("AACAPwAAAL/NzMw9"));
        assert_eq!(
            written(floats.clone(), Some(Encoding::Base64)),
            Ok(text.clone())
        );
        assert_eq!(
            written(text.clone(), Some(Encoding::Float)),
            Ok(floats.clone())
        );
        for (vector, asked) in [
            (&floats, None),
            (&floats, Some(Encoding::Float)),
            (&text, None),
            (&text, Some(Encoding::Base64)),
        ] {
            assert_eq!(written(vector.clone(), asked).as_ref(), Ok(vector));
        }
        for odd in [json!("AAA="), json!("?"), json!("AADAfw==")] {
            assert!(
                written(odd.clone(), Some(Encoding::Float)).is_err(),
                "{odd}"
            );
        }
        assert!(written(json!([1, "x"]), Some(Encoding::Base64)).is_err());
    }

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
