use crate::{Call, Error, Params, Provider};

/// Clarifai: <https://docs.clarifai.com/compute/inference/open-ai/>
pub(super) const ROW: Provider = Provider {
    name: "clarifai",
    base_url: "https://api.clarifai.com/v2/ext/openai/v1",
    key_env: &["CLARIFAI_API_KEY", "CLARIFAI_PAT"],
    params: Params::CLASSIC.without(&[
        "n",
        "stop",
        "logit_bias",
        "seed",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
    ]),
    quirk: Some(quirk),
    docs: "https://docs.clarifai.com/compute/inference/open-ai/",
    ..Provider::OPENAI_LIKE
};

/// `user.app.model` stands for the model's address.
fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    let parts: Vec<&str> = call.target.model.split('.').collect();
    if let [user, app, model] = parts[..]
        && !call.target.model.contains('/')
    {
        call.model = Some(format!("https://clarifai.com/{user}/{app}/models/{model}"));
    }
    Ok(())
}
