//! Guaranteed throughput: what is promised to the keys of a team is not more than the team has.

use std::collections::BTreeMap;

use llm_store::rows::{Budget, Key, Object, Organization, Team};
use serde_json::Value;

use crate::{Edit, Refusal};

/// Promises that are summed up: keys of one team, teams of one organization.
const MOST: i64 = 100_000;

/// The word for a limit that is a promise.
const GUARANTEED: &str = "guaranteed_throughput";

/// Limits of one kind.
struct Meter {
    name: &'static str,
    kind: &'static str,
    of_models: &'static str,
}

const METERS: [Meter; 2] = [
    Meter {
        name: "rpm_limit",
        kind: "rpm_limit_type",
        of_models: "model_rpm_limit",
    },
    Meter {
        name: "tpm_limit",
        kind: "tpm_limit_type",
        of_models: "model_tpm_limit",
    },
];

/// Refuses a key that is promised more than its team has left. The team is locked, so two keys cannot both get the rest.
/// `token` is what the key has in the database until now.
pub(super) async fn of_key(edit: &mut Edit<'_>, key: &Key, token: &str) -> Result<(), Refusal> {
    let Some(id) = key.team_id.as_ref().filter(|_| promises(&key.metadata)) else {
        return Ok(());
    };
    let Some(team) = edit.get::<Team>(&[id]).await? else {
        return Ok(());
    };
    let others = edit
        .list::<Key>(&[("team_id", &team.team_id)], MOST)
        .await?;
    let others = others.iter().filter(|other| other.token != token);
    let others: Vec<(&Object, [Option<i64>; 2])> = others
        .map(|other| (&other.metadata, [other.rpm_limit, other.tpm_limit]))
        .collect();
    let own = (&key.metadata, [key.rpm_limit, key.tpm_limit]);
    fits(
        own,
        &others,
        (&team.metadata, [team.rpm_limit, team.tpm_limit]),
        "team",
    )
}

/// Refuses a team that is promised more than its organization has left.
pub(crate) async fn of_team(edit: &mut Edit<'_>, team: &Team) -> Result<(), Refusal> {
    let Some(id) = team
        .organization_id
        .as_ref()
        .filter(|_| promises(&team.metadata))
    else {
        return Ok(());
    };
    let Some(organization) = edit.get::<Organization>(&[id]).await? else {
        return Ok(());
    };
    let budget = match &organization.budget_id {
        Some(budget) => edit.get::<Budget>(&[budget]).await?,
        None => None,
    };
    let limits = budget.map_or([None, None], |budget| [budget.rpm_limit, budget.tpm_limit]);
    let others = edit.list::<Team>(&[("organization_id", id)], MOST).await?;
    let others = others.iter().filter(|other| other.team_id != team.team_id);
    let others: Vec<(&Object, [Option<i64>; 2])> = others
        .map(|other| (&other.metadata, [other.rpm_limit, other.tpm_limit]))
        .collect();
    let own = (&team.metadata, [team.rpm_limit, team.tpm_limit]);
    fits(
        own,
        &others,
        (&organization.metadata, limits),
        "organization",
    )
}

/// A row's metadata, and its limits in the order of the meters.
type Limited<'a> = (&'a Object, [Option<i64>; 2]);

fn fits(
    own: Limited<'_>,
    others: &[Limited<'_>],
    whole: Limited<'_>,
    whose: &str,
) -> Result<(), Refusal> {
    for (at, meter) in METERS.iter().enumerate() {
        if !is_promise(own.0, meter) {
            continue;
        }
        let promised = others.iter().filter(|other| is_promise(other.0, meter));
        if let Some((asked, most)) = own.1[at].zip(whole.1[at]) {
            let given: i64 = promised.clone().filter_map(|other| other.1[at]).sum();
            check(meter.name, None, (given, asked, most), whose)?;
        }
        let most = counts(whole.0, meter.of_models);
        for (model, asked) in counts(own.0, meter.of_models) {
            let Some(most) = most.get(model.as_str()) else {
                continue;
            };
            let given = promised.clone();
            let given = given.filter_map(|other| counts(other.0, meter.of_models).remove(&model));
            let sums = (given.sum(), asked, *most);
            check(meter.of_models, Some(&model), sums, whose)?;
        }
    }
    Ok(())
}

fn check(
    name: &'static str,
    model: Option<&str>,
    (given, asked, most): (i64, i64, i64),
    whose: &str,
) -> Result<(), Refusal> {
    if given.saturating_add(asked) <= most {
        return Ok(());
    }
    let of_model = model.map(|model| format!(" for the model '{model}'"));
    Err(Refusal::bad(
        name,
        format!(
            "'{name}'{} is promised ({GUARANTEED}): {given} of the {whose}'s {most} are given away, {asked} more are not there",
            of_model.unwrap_or_default()
        ),
    ))
}

fn promises(metadata: &Object) -> bool {
    METERS.iter().any(|meter| is_promise(metadata, meter))
}

fn is_promise(metadata: &Object, meter: &Meter) -> bool {
    metadata.get(meter.kind).and_then(Value::as_str) == Some(GUARANTEED)
}

fn counts(metadata: &Object, name: &str) -> BTreeMap<String, i64> {
    let entries = metadata.get(name).and_then(Value::as_object);
    let entries = entries.into_iter().flatten();
    entries
        .filter_map(|(model, count)| Some((model.clone(), count.as_i64()?)))
        .collect()
}
