//! What can be known to fail before it is tried: LiteLLM's pre-call checks.

use llm_types::Op;

use crate::{Ask, Deployment, Field, Filter, Reason, View};

/// Leaves out deployments whose model's window is too short for the prompt, which are outside the region that the
/// request must stay in, or whose model does not know one of the parameters that the request cannot do without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreCallChecks {
    /// Whether they are made.
    pub enabled: bool,
}

impl Filter for PreCallChecks {
    fn apply(&self, field: &mut Field<'_>, view: &View<'_>) {
        // A region is a promise to somebody, and is kept in any case.
        if let Some(region) = &view.ask.region {
            field.skip(|deployment| (!is_in(deployment, region)).then_some(Reason::Region));
        }
        if self.enabled {
            field.skip(|deployment| cannot(deployment, view.ask));
        }
    }
}

fn cannot(deployment: &Deployment, ask: &Ask) -> Option<Reason> {
    let facts = &deployment.target.facts;
    let too_long = |window: u64| ask.prompt_tokens > window;
    if facts.max_input_tokens.is_some_and(too_long) {
        return Some(Reason::ContextWindow);
    }
    if ask.params.is_empty() || ask.drop_params || deployment.options.drop_params {
        return None;
    }
    let target = &deployment.target;
    let taken = target.provider.params_of(&target.model, facts);
    let unknown = |param: &String| {
        let refused =
            param == "response_format" && facts.supports("response_schema") == Some(false);
        refused || !taken.takes(Op::Chat, param, facts)
    };
    ask.params.iter().any(unknown).then_some(Reason::Parameter)
}

/// Whether a deployment is in `region`: `eu`, `us`, or a vendor's own name. One whose region nobody knows is not.
fn is_in(deployment: &Deployment, region: &str) -> bool {
    let settings = &deployment.target.settings;
    let vendors = ["aws_region_name", "vertex_location", "region_name"];
    let own = deployment.region.as_deref();
    let own = own.or_else(|| {
        vendors
            .iter()
            .find_map(|key| settings.get(*key))
            .map(String::as_str)
    });
    let Some(own) = own else {
        return false;
    };
    own.eq_ignore_ascii_case(region)
        || continent(own).is_some_and(|c| c.eq_ignore_ascii_case(region))
}

/// `eu` or `us` of a cloud's region: `eu-west-1`, `europe-west4`, `us-east5`, `westeurope`, `eastus2`.
fn continent(region: &str) -> Option<&'static str> {
    let region = region.to_ascii_lowercase();
    // Named after the continent, and in London or Zurich.
    let outside = ["eu-west-2", "eu-central-2", "europe-west2", "europe-west6"];
    if outside.contains(&region.as_str()) {
        return None;
    }
    if region.starts_with("eu-") || region.contains("europe") {
        return Some("eu");
    }
    let azure = region.trim_end_matches(|c: char| c.is_ascii_digit());
    if region.starts_with("us-") || azure.ends_with("us") {
        return Some("us");
    }
    // Of Azure's countries in the Union.
    let union = ["france", "germany", "italy", "poland", "spain", "sweden"];
    union
        .iter()
        .any(|country| region.starts_with(country))
        .then_some("eu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_regions_are_on_continents() {
        for (region, expected) in [
            ("eu-west-1", Some("eu")),
            ("europe-west4", Some("eu")),
            ("westeurope", Some("eu")),
            ("swedencentral", Some("eu")),
            ("us-east5", Some("us")),
            ("us-gov-west-1", Some("us")),
            ("eastus2", Some("us")),
            ("southcentralus", Some("us")),
            ("uksouth", None),
            ("eu-west-2", None),
            ("ap-southeast-1", None),
            ("switzerlandnorth", None),
            ("australiaeast", None),
        ] {
            assert_eq!(continent(region), expected, "{region}");
        }
    }
}
