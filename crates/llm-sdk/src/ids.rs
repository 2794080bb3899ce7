//! The ids that clients get of what a deployment keeps: responses, files, batches, videos, jobs. An id says which
//! deployment that is, and nobody but us can make one.

use std::{fmt, sync::Arc};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use llm_providers::{Error, Kind};
use llm_router::Deployment;

/// With or without padding, as LiteLLM's older ids have it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// What the text in an id begins with, in LiteLLM's form.
const MARK: &str = "litellm:custom_llm_provider:";
/// How long a seal is: half of its hash, against which nobody can try guesses but at our door.
const SEAL: usize = 16;

/// Makes ids, and reads them again.
#[derive(Clone, Default)]
pub struct Ids {
    /// Without a key ids carry no seal: a program trusts its own.
    key: Option<Arc<hmac::Key>>,
}

/// What an id of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handed {
    /// The deployment that keeps it.
    pub(crate) deployment: String,
    /// The id as that deployment knows it.
    pub(crate) id: String,
}

impl Ids {
    /// Ids that are sealed with `secret`: every instance that has the same one reads them.
    pub fn sealed(secret: &[u8]) -> Self {
        Self {
            key: Some(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        }
    }

    /// The id that a client gets for `id` of `deployment`. It begins as the vendor's does, for people who look at it.
    pub(crate) fn hand_out(&self, deployment: &Deployment, id: &str) -> String {
        let provider = deployment.target.provider.name;
        let text = format!(
            "{MARK}{provider};model_id:{};response_id:{id}",
            deployment.id
        );
        let mut bytes = match &self.key {
            Some(key) => seal(key, text.as_bytes()).to_vec(),
            None => Vec::new(),
        };
        bytes.extend_from_slice(text.as_bytes());
        format!(
            "{}{}",
            prefix(id),
            general_purpose::URL_SAFE_NO_PAD.encode(bytes)
        )
    }

    /// What an id says; `None` if it is not one of ours. One that somebody else made is an error.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Handed>, Error> {
        let Some((sealed, bytes)) = decoded(id) else {
            return Ok(None);
        };
        let text = &bytes[if sealed { SEAL } else { 0 }..];
        let Some(handed) = std::str::from_utf8(text).ok().and_then(parse) else {
            return Ok(None);
        };
        if let Some(key) = &self.key {
            let genuine =
                sealed && verify_slices_are_equal(&seal(key, text), &bytes[..SEAL]).is_ok();
            if !genuine {
                return Err(Error::new(Kind::NotFound, "there is nothing with this id"));
            }
        }
        Ok(Some(handed))
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids")
            .field("sealed", &self.key.is_some())
            .finish()
    }
}

/// An id that nobody can guess, for a response that no vendor keeps.
pub(crate) fn fresh() -> String {
    format!("resp_{}", uuid::Uuid::new_v4().simple())
}

/// Whether a response of this id may be one that we made: a vendor's ids have other lengths.
pub fn is_kept_id(id: &str) -> bool {
    let rest = id.strip_prefix("resp_");
    rest.is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn seal(key: &hmac::Key, text: &[u8]) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    let tag = hmac::sign(key, text);
    for (to, from) in seal.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    seal
}

/// `resp_`, `file-`, `batch_`, `video_`: letters and one mark, as vendors' ids begin.
fn prefix(id: &str) -> &str {
    let letters = id.bytes().take_while(u8::is_ascii_alphabetic).count();
    match id.as_bytes().get(letters) {
        Some(b'_' | b'-') if (1..=16).contains(&letters) => &id[..=letters],
        _ => "",
    }
}

/// The bytes in an id, and whether a seal comes before its text.
fn decoded(id: &str) -> Option<(bool, Vec<u8>)> {
    let text = id[prefix(id).len()..].replace('+', "-").replace('/', "_");
    let bytes = LENIENT.decode(text).ok()?;
    if bytes.starts_with(MARK.as_bytes()) {
        return Some((false, bytes));
    }
    let sealed = bytes.get(SEAL..)?.starts_with(MARK.as_bytes());
    sealed.then_some((true, bytes))
}

fn parse(text: &str) -> Option<Handed> {
    let (_, rest) = text.strip_prefix(MARK)?.split_once(";model_id:")?;
    let (deployment, id) = rest.rsplit_once(";response_id:")?;
    Some(Handed {
        deployment: deployment.to_owned(),
        id: id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use llm_providers::{Credential, Target, lookup};

    use super::*;

    fn deployment() -> Deployment {
        let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
        Deployment::new("d;1", "g", target)
    }

    #[test]
    fn an_id_says_who_keeps_it() {
        for ids in [Ids::default(), Ids::sealed(b"secret")] {
            for (id, begins) in [
                ("resp_abc", "resp_"),
                ("file-9_x", "file-"),
                ("batch_1", "batch_"),
                ("projects/1/jobs/2", ""),
            ] {
                let shown = ids.hand_out(&deployment(), id);
                let handed = ids.read(&shown).expect("genuine").expect("ours");
                assert_eq!(
                    (handed.deployment.as_str(), handed.id.as_str()),
                    ("d;1", id)
                );
                assert!(shown.starts_with(begins), "{shown}");
                let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                assert!(shown.bytes().all(safe), "{shown}");
            }
        }
    }

    #[test]
    fn nobody_else_can_make_one() {
        let ids = Ids::sealed(b"secret");
        let others = [
            Ids::default().hand_out(&deployment(), "file-1"),
            Ids::sealed(b"guess").hand_out(&deployment(), "file-1"),
        ];
        for id in others {
            assert_eq!(ids.read(&id).unwrap_err().kind, Kind::NotFound, "{id}");
        }
        let good = ids.hand_out(&deployment(), "file-1");
        let mut bytes = general_purpose::URL_SAFE_NO_PAD
            .decode(&good["file-".len()..])
            .expect("base64");
        let last = bytes.len() - 1;
        bytes[last] = b'2';
        let moved = format!("file-{}", general_purpose::URL_SAFE_NO_PAD.encode(bytes));
        assert!(ids.read(&moved).is_err());
    }

    #[test]
    fn other_ids_are_not_ours() {
        for id in [
            "",
            "resp_",
            "resp_68d0e02c827881939fd06ddd6bc520ef",
            "msg_1",
            "resp_é",
            "é",
            &fresh(),
        ] {
            assert_eq!(
                Ids::sealed(b"x").read(id).expect("no forgery"),
                None,
                "{id}"
            );
        }
    }

    #[test]
    fn litellms_own_form_is_read_where_nothing_is_sealed() {
        let text = "litellm:custom_llm_provider:openai;model_id:None;response_id:resp_1?>";
        let id = format!("resp_{}", general_purpose::STANDARD.encode(text));
        let read = Ids::default().read(&id).expect("no seal");
        assert_eq!(read.expect("ours").id, "resp_1?>");
        assert!(Ids::sealed(b"x").read(&id).is_err());
    }
}
