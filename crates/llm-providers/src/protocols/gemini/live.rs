//! Where sessions are opened.

use http::{Method, Request};

use crate::{Call, Error, Outgoing, path, protocols::openai};

/// The service that holds sessions.
const SERVICE: &str =
    "ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

/// The request that opens a session. The model is named in the session's first message.
pub(super) fn opening(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    refuse_query(call)?;
    let base = call.base_url();
    let versions = ["/v1beta", "/v1alpha", "/v1"];
    let host = versions
        .iter()
        .find_map(|version| base.strip_suffix(version));
    openai::empty(Method::GET, &path::join(host.unwrap_or(base), SERVICE))
}

/// What the client's address says besides the model means nothing to Google.
pub(crate) fn refuse_query(call: &Call<'_>) -> Result<(), Error> {
    match call.query.first() {
        None => Ok(()),
        Some((name, _)) => Err(Error::bad_request(
            name,
            format!("'{name}': Gemini's sessions take no parameters in their address"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use llm_types::{JsonObject, Op, Verb};

    use crate::{Call, CallOptions, Credential, Target, lookup};

    fn opened(row: &str, model: &str, base: Option<&str>, query: &[(&str, &str)]) -> String {
        let mut target = Target::new(lookup(row).unwrap(), model, Credential::None);
        if let Some(base) = base {
            target = target.at(base);
        }
        for (key, value) in [("vertex_project", "p"), ("vertex_location", "europe-west4")] {
            target.settings.insert(key.into(), value.into());
        }
        let options = CallOptions::default();
        let fields = JsonObject::new();
        let call = Call::resource(Op::Realtime, Verb::Create, None, &target, fields, &options);
        let mut call = match call {
            Ok(call) => call,
            Err(error) => return error.message,
        };
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        call.query = query.iter().map(pair).collect();
        match call.encode() {
            Ok(request) => request.uri().to_string(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn sessions_are_opened_where_google_holds_them() {
        let service = "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
        for base in [
            None,
            Some("https://generativelanguage.googleapis.com/v1beta"),
        ] {
            assert_eq!(
                opened("gemini", "gemini-live", base, &[]),
                format!("https://generativelanguage.googleapis.com/ws/{service}")
            );
        }
        let service = "google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent";
        assert_eq!(
            opened("vertex_ai", "gemini-live", None, &[]),
            format!("https://europe-west4-aiplatform.googleapis.com/ws/{service}")
        );
        assert_eq!(
            opened(
                "vertex_ai",
                "gemini-live",
                Some("http://h:1/v1/projects/x"),
                &[]
            ),
            format!("http://h:1/ws/{service}")
        );
    }

    #[test]
    fn what_cannot_be_opened_is_said() {
        let said = opened(
            "gemini",
            "gemini-live",
            None,
            &[("intent", "transcription")],
        );
        assert!(said.contains("'intent'"), "{said}");
        let said = opened("vertex_ai", "claude-sonnet-4", None, &[]);
        assert!(said.contains("realtime"), "{said}");
    }

    #[test]
    fn xai_speaks_openais_events() {
        let address = opened("xai", "grok-voice-latest", None, &[]);
        assert_eq!(
            address,
            "https://api.x.ai/v1/realtime?model=grok-voice-latest"
        );
    }
}
