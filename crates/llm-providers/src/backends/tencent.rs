use crate::Provider;

/// Tencent Hunyuan: <https://www.tencentcloud.com/document/product/1284>
pub(super) const ROW: Provider = Provider {
    name: "tencent",
    base_url: "https://tokenhub-intl.tencentcloudmaas.com/v1",
    base_env: &["TENCENT_API_BASE"],
    key_env: &["TENCENT_API_KEY"],
    docs: "https://www.tencentcloud.com/document/product/1284",
    ..Provider::OPENAI_LIKE
};
