//! AWS: which region, and where its credentials come from.

use crate::{
    Target,
    protocols::bedrock::{arn_region, is_region},
};

/// Where LiteLLM asks if nobody says.
const DEFAULT_REGION: &str = "us-west-2";

/// The region of `target`: the model's own (in its ARN, or before its name), else the deployment's.
pub(crate) fn region(target: &Target) -> &str {
    let in_model = target
        .model
        .split('/')
        .find_map(|part| arn_region(part).or_else(|| is_region(part).then_some(part)));
    in_model
        .or_else(|| target.setting("aws_region_name"))
        .unwrap_or(DEFAULT_REGION)
}

/// `target`'s base URL with its region filled in.
pub(crate) fn in_region(target: &Target) -> String {
    let region = region(target);
    let base = target.base_url.replace("{region}", region);
    if region.starts_with("cn-") && target.base_url.contains("{region}") {
        // China's regions have a domain of their own.
        return base.replacen(".amazonaws.com", ".amazonaws.com.cn", 1);
    }
    base
}
