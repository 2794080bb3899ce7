use llm_types::Op;

use crate::Provider;

/// ModelScope: <https://modelscope.cn/docs/model-service/API-Inference/intro>
pub(super) const ROW: Provider = Provider {
    name: "modelscope",
    base_url: "https://api-inference.modelscope.cn/v1",
    base_env: &["MODELSCOPE_API_BASE"],
    key_env: &["MODELSCOPE_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    docs: "https://modelscope.cn/docs/model-service/API-Inference/intro",
    ..Provider::OPENAI_LIKE
};
