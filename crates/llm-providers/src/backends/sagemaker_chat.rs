use crate::{Auth, Provider, Setting, auth::aws, protocols::sagemaker};

/// A server on SageMaker that speaks OpenAI's chat format: <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html>
pub(super) const ROW: Provider = Provider {
    name: "sagemaker_chat",
    base_url: "https://runtime.sagemaker.{aws_region_name}.amazonaws.com",
    auth: Auth::SigV4 {
        service: "sagemaker",
    },
    login: Some(aws::login_with_keys),
    settings: &[
        aws::REGION,
        Setting::new("sagemaker_base_url", &[]),
        Setting::new("hf_model_name", &[]),
    ],
    protocol: &sagemaker::Chat,
    docs: "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html",
    ..Provider::OPENAI_LIKE
};
