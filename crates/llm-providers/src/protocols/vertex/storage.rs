//! Google Cloud Storage, as far as Vertex AI's jobs read from it and write to it.

use crate::{Call, path};

/// Google's own host; an address of one's own in front of Vertex stands for it, too.
const HOST: &str = "https://storage.googleapis.com";

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bucket: String,
    pub(crate) name: String,
}

impl Object {
    /// The object of a `gs://` address.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        let (bucket, name) = address.strip_prefix("gs://")?.split_once('/')?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_bucket = bucket.len() >= 3 && bucket.bytes().all(fits) && !bucket.starts_with('.');
        (is_bucket && !name.is_empty()).then(|| Self {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Where its bytes are.
    pub(crate) fn content(&self, call: &Call<'_>) -> String {
        format!("{}?alt=media", self.address(call))
    }

    /// Where it is described.
    pub(crate) fn address(&self, call: &Call<'_>) -> String {
        // A name is one segment here, slashes and all.
        let (bucket, name) = (&self.bucket, path::query(&self.name));
        format!("{}/storage/v1/b/{bucket}/o/{name}", host(call))
    }
}

pub(super) fn host<'a>(call: &'a Call<'_>) -> &'a str {
    let base = call.base_url().trim_end_matches('/');
    if base == call.target.provider.base_url {
        return HOST;
    }
    // The host alone: what follows it leads to Vertex.
    let start = base.find("://").map_or(0, |at| at + 3);
    base[start..]
        .find('/')
        .map_or(base, |at| &base[..start + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_buckets_and_names() {
        let object = Object::parse("gs://my-bucket/films/a b.mp4").expect("an object");
        assert_eq!(
            (&*object.bucket, &*object.name),
            ("my-bucket", "films/a b.mp4")
        );
        for other in [
            "gs://my-bucket",
            "gs://my-bucket/",
            "gs://../x",
            "gs://a?b/c",
            "gs:///x",
            "s3://my-bucket/x",
            "https://my-bucket/x",
        ] {
            assert_eq!(Object::parse(other), None, "{other}");
        }
    }
}
