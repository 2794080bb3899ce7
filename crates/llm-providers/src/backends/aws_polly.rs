use llm_types::Op;

use crate::{Auth, Call, Error, Provider, auth::aws, params, protocols::audio};

/// Amazon Polly: <https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html>
pub(super) const ROW: Provider = Provider {
    name: "aws_polly",
    base_url: "https://polly.{aws_region_name}.amazonaws.com",
    auth: Auth::SigV4 { service: "polly" },
    login: Some(aws::login),
    settings: &[aws::REGION],
    ops: &[Op::Speech],
    quirk: Some(quirk),
    protocol: &audio::POLLY,
    docs: "https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    params::refuse(call, &["instructions", "speed"])
}
