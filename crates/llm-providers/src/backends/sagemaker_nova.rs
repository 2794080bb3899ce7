use super::sagemaker_chat;
use crate::{Params, Provider};

/// Nova models, trained further and served on SageMaker: <https://docs.aws.amazon.com/sagemaker/latest/dg/nova-model-inference.html>
pub(super) const ROW: Provider = Provider {
    name: "sagemaker_nova",
    params: Params::REASONING,
    ..sagemaker_chat::ROW
};
