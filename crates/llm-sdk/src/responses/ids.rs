//! The ids of responses that clients get: an id says which deployment knows the response.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use llm_router::Deployment;

const PREFIX: &str = "resp_";

/// With or without padding, as LiteLLM's older ids have it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an id of ours says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    /// The deployment that answered.
    pub(crate) deployment: String,
    /// The id as that deployment knows it.
    pub(crate) id: String,
}

/// An id that nobody can guess, for a response that no vendor keeps.
pub(crate) fn fresh() -> String {
    format!("{PREFIX}{}", uuid::Uuid::new_v4().simple())
}

/// The id that a client gets for `id` of `deployment`, in LiteLLM's form. The only place where such ids are made.
pub(crate) fn hand_out(deployment: &Deployment, id: &str) -> String {
    let provider = deployment.target.provider.name;
    let text = format!(
        "litellm:custom_llm_provider:{provider};model_id:{};response_id:{id}",
        deployment.id
    );
    format!("{PREFIX}{}", general_purpose::URL_SAFE_NO_PAD.encode(text))
}

/// What an id says; `None` if it is not one of ours.
pub(crate) fn read(id: &str) -> Option<Handed> {
    let text = id.strip_prefix(PREFIX)?.replace('+', "-").replace('/', "_");
    let text = String::from_utf8(LENIENT.decode(text).ok()?).ok()?;
    let rest = text.strip_prefix("litellm:custom_llm_provider:")?;
    let (_, rest) = rest.split_once(";model_id:")?;
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

    #[test]
    fn an_id_says_who_answered() {
        let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
        let deployment = Deployment::new("d;1", "g", target);
        let id = hand_out(&deployment, "resp_abc");
        let handed = read(&id).expect("ours");
        assert_eq!(
            (handed.deployment.as_str(), handed.id.as_str()),
            ("d;1", "resp_abc")
        );
        assert!(
            id.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        );
    }

    #[test]
    fn other_ids_are_not_ours() {
        for id in [
            "",
            "resp_",
            "resp_68d0e02c827881939fd06ddd6bc520ef",
            "msg_1",
            "resp_é",
            &fresh(),
        ] {
            assert_eq!(read(id), None, "{id}");
        }
    }

    #[test]
    fn litellms_own_form_is_read() {
        let text = "litellm:custom_llm_provider:openai;model_id:None;response_id:resp_1?>";
        let id = format!("resp_{}", general_purpose::STANDARD.encode(text));
        assert_eq!(read(&id).expect("ours").id, "resp_1?>");
    }
}
