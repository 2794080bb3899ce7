//! The daily activity of users, teams, tags, organizations, customers and agents.

use std::collections::BTreeMap;

use llm_store::{Days, Moment, Named, rows::SpendDay};
use serde_json::{Value, json};

use super::{
    csv,
    dates::{self, Range},
    sums::{Activity, Names, metrics},
    view,
};
use crate::{Answer, Call, Refusal, keys::token_of};

/// Sums of single keys that an answer on one page is made of; beyond, keys are summed up apart.
const FINE: i64 = 20_000;

/// Keys of an answer on one page whose keys are summed up apart.
const KEYS: i64 = 100;

/// Coarse sums of an answer on one page.
const COARSE: i64 = 100_000;

/// Rows of an export.
const EXPORTED: i64 = 100_000;

/// What the sums of one family of routes are by.
#[derive(Clone, Copy)]
struct Family {
    dimension: &'static str,
    entities: &'static str,
    except: &'static str,
}

const USER: Family = Family {
    dimension: "user",
    entities: "user_id",
    except: "",
};
const TEAM: Family = Family {
    dimension: "team",
    entities: "team_ids",
    except: "exclude_team_ids",
};
const TAG: Family = Family {
    dimension: "tag",
    entities: "tags",
    except: "exclude_tags",
};
const ORGANIZATION: Family = Family {
    dimension: "organization",
    entities: "organization_ids",
    except: "exclude_organization_ids",
};
const CUSTOMER: Family = Family {
    dimension: "customer",
    entities: "end_user_ids",
    except: "exclude_end_user_ids",
};

const AGENT: Family = Family {
    dimension: "agent",
    entities: "agent_ids",
    except: "exclude_agent_ids",
};

/// The routes of a family: in pages, on one page, and as CSV.
macro_rules! family {
    ($($family:ident: $paged:ident, $whole:ident, $export:ident;)*) => {$(
        pub(super) async fn $paged(call: Call) -> Result<Answer, Refusal> {
            paged(&call, $family).await
        }

        pub(super) async fn $whole(call: Call) -> Result<Answer, Refusal> {
            whole(&call, $family).await
        }

        pub(super) async fn $export(call: Call) -> Result<Answer, Refusal> {
            export(&call, $family).await
        }
    )*};
}

family! {
    USER: user, user_whole, user_export;
    TEAM: team, team_whole, team_export;
    TAG: tag, tag_whole, tag_export;
    ORGANIZATION: organization, organization_whole, organization_export;
    CUSTOMER: customer, customer_whole, customer_export;
    AGENT: agent, agent_whole, agent_export;
}

/// One part of what was asked for: of an entity, of a key, of a key within an entity, or everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    entity: Option<String>,
    api_key: Option<String>,
}

/// What was asked for.
struct Wanted {
    family: Family,
    range: Range,
    model: Option<String>,
    except: Vec<String>,
    parts: Vec<Part>,
}

impl Wanted {
    async fn of(call: &Call, family: Family) -> Result<Self, Refusal> {
        let query = &call.query;
        let range = dates::local(query)?;
        let named = match family.entities {
            "user_id" => query
                .text("user_id")
                .map(str::to_owned)
                .into_iter()
                .collect(),
            list => query.texts(list),
        };
        let key = query.text("api_key").map(token_of);
        let mut parts = seen(call, family, &named).await?;
        if let Some(key) = key {
            parts.retain(|part| part.api_key.as_ref().is_none_or(|own| *own == key));
            parts
                .iter_mut()
                .for_each(|part| part.api_key = Some(key.clone()));
        }
        Ok(Self {
            family,
            range,
            model: query.text("model").map(str::to_owned),
            except: query.texts(family.except),
            parts,
        })
    }

    fn days<'a>(&'a self, part: &'a Part) -> Days<'a> {
        Days {
            dimension: self.family.dimension,
            from: &self.range.from,
            to: &self.range.to,
            entity: part.entity.as_deref(),
            api_key: part.api_key.as_deref(),
            model: self.model.as_deref(),
            except: &self.except,
        }
    }

    /// Whether everything is asked for, so that coarse sums say it.
    fn is_everything(&self) -> bool {
        self.model.is_none() && self.except.is_empty() && self.parts == [Part::default()]
    }

    /// How many rows there are, counted up to `limit`.
    async fn count(&self, call: &Call, limit: i64) -> Result<i64, Refusal> {
        let store = call.governance.store();
        let mut total = 0;
        for part in &self.parts {
            let left = limit - total;
            if left <= 0 {
                break;
            }
            total += store.count_days(&self.days(part), left).await?;
        }
        Ok(total)
    }

    /// Rows of all parts, one part behind the other.
    async fn rows(
        &self,
        call: &Call,
        mut limit: i64,
        mut offset: i64,
    ) -> Result<Vec<SpendDay>, Refusal> {
        let store = call.governance.store();
        let mut rows = Vec::new();
        for part in &self.parts {
            if limit <= 0 {
                break;
            }
            let days = self.days(part);
            let found = store.days(&days, limit, offset).await?;
            if found.is_empty() && offset > 0 {
                offset -= store.count_days(&days, offset).await?;
                continue;
            }
            offset = 0;
            limit -= i64::try_from(found.len()).unwrap_or(limit);
            rows.extend(found);
        }
        Ok(rows)
    }
}

/// The parts of what was named, or of everything, that the caller sees.
async fn seen(call: &Call, family: Family, named: &[String]) -> Result<Vec<Part>, Refusal> {
    let of = |entities: &[String]| -> Vec<Part> {
        let part = |entity: &String| Part {
            entity: Some(entity.clone()),
            api_key: None,
        };
        entities.iter().map(part).collect()
    };
    let only = |own: Vec<String>| -> Vec<String> {
        let wanted = |entity: &String| named.is_empty() || named.contains(entity);
        own.into_iter().filter(wanted).collect()
    };
    if call.caller.role.sees_all() {
        return Ok(if named.is_empty() {
            vec![Part::default()]
        } else {
            of(named)
        });
    }
    match family.dimension {
        "user" => {
            let own = call
                .caller
                .user_id()
                .map(str::to_owned)
                .into_iter()
                .collect();
            Ok(of(&only(own)))
        }
        "organization" => Ok(of(&only(view::organizations(call).await?))),
        "team" => {
            let mut parts = Vec::new();
            let keys = view::keys(call).await?;
            for team in only(view::teams(call).await?) {
                if view::sees_team(call, &team).await? {
                    parts.extend(of(&[team]));
                    continue;
                }
                parts.extend(keys.iter().map(|key| Part {
                    entity: Some(team.clone()),
                    api_key: Some(key.clone()),
                }));
            }
            Ok(parts)
        }
        _ => {
            let mut parts = Vec::new();
            for key in view::keys(call).await? {
                let key = Some(key);
                if named.is_empty() {
                    parts.push(Part {
                        entity: None,
                        api_key: key,
                    });
                    continue;
                }
                parts.extend(of(named).into_iter().map(|part| Part {
                    api_key: key.clone(),
                    ..part
                }));
            }
            Ok(parts)
        }
    }
}

async fn paged(call: &Call, family: Family) -> Result<Answer, Refusal> {
    let query = &call.query;
    let wanted = Wanted::of(call, family).await?;
    if query.text("format") == Some("csv") {
        return table(call, &wanted).await;
    }
    let page = query.count("page").unwrap_or(1).max(1);
    let size = query.count("page_size").unwrap_or(50).clamp(1, 1_000);
    let total = u64::try_from(wanted.count(call, i64::MAX).await?).unwrap_or(0);
    let offset = i64::try_from((page - 1).saturating_mul(size)).unwrap_or(i64::MAX);
    let rows = wanted
        .rows(call, i64::try_from(size).unwrap_or(1_000), offset)
        .await?;
    let mut activity = Activity::default();
    rows.iter().for_each(|row| activity.add(row));
    let names = names(call, family, &activity).await?;
    activity.described(&names, page, total.div_ceil(size))
}

async fn whole(call: &Call, family: Family) -> Result<Answer, Refusal> {
    let wanted = Wanted::of(call, family).await?;
    if call.query.text("format") == Some("csv") {
        return table(call, &wanted).await;
    }
    let mut activity = Activity::default();
    let many = wanted.count(call, FINE + 1).await? > FINE;
    if many && !wanted.is_everything() {
        let message =
            "this is too much for one page: narrow it down, or use the route without '/aggregated'";
        return Err(Refusal::bad("start_date", message));
    }
    if !many {
        let rows = wanted.rows(call, FINE, 0).await?;
        rows.iter().for_each(|row| activity.add(row));
    } else {
        coarse(call, &wanted, &mut activity).await?;
    }
    let names = names(call, family, &activity).await?;
    activity.described(&names, 1, 1)
}

/// Everything, from coarse sums: keys are the ones that spent most, and are not within models.
async fn coarse(call: &Call, wanted: &Wanted, activity: &mut Activity) -> Result<(), Refusal> {
    let store = call.governance.store();
    let (from, to) = (wanted.range.from.as_str(), wanted.range.to.as_str());
    // Everybody is a user: for users, everything is what `all` says, in far fewer rows.
    let kinds = match wanted.family.dimension {
        "user" => "all",
        other => other,
    };
    for row in store.sums_by_kind(kinds, from, to).await? {
        activity.add_kinds(&row);
    }
    let total = format!("{}_total", wanted.family.dimension);
    for row in store.every_day(&total, from, to, COARSE).await? {
        activity.add_entity(&row);
    }
    for row in store.days_of_most("key_total", from, to, KEYS).await? {
        activity.add_key(&row);
    }
    Ok(())
}

async fn export(call: &Call, family: Family) -> Result<Answer, Refusal> {
    let wanted = Wanted::of(call, family).await?;
    table(call, &wanted).await
}

/// A line for each day, entity, key, model, provider and operation.
async fn table(call: &Call, wanted: &Wanted) -> Result<Answer, Refusal> {
    let rows = wanted.rows(call, EXPORTED + 1, 0).await?;
    if i64::try_from(rows.len()).is_ok_and(|rows| rows > EXPORTED) {
        let message = format!("this is more than {EXPORTED} lines: please narrow it down");
        return Err(Refusal::bad("start_date", message));
    }
    let lines: Vec<Value> = rows.iter().map(|row| line(wanted.family, row)).collect();
    Ok(csv::of(&lines))
}

fn line(family: Family, row: &SpendDay) -> Value {
    let mut line = json!({
        "date": row.day,
        family.dimension: row.entity,
        "api_key": row.api_key,
        "model": row.model,
        "model_group": row.model_group,
        "custom_llm_provider": row.provider,
        "endpoint": row.endpoint,
    });
    if let (Value::Object(line), Value::Object(metrics)) = (&mut line, metrics(row)) {
        line.extend(metrics.into_iter().filter(|(name, _)| {
            !name.contains("savings") && !name.contains("saved") && name != "flat_cost"
        }));
    }
    line
}

/// What the keys and entities of an answer are called.
async fn names(call: &Call, family: Family, activity: &Activity) -> Result<Names, Refusal> {
    let store = call.governance.store();
    let tokens: Vec<String> = activity.keys().into_iter().collect();
    let unknown = json!({
        "key_alias": null, "team_id": null, "user_id": null, "user_email": null, "key_exists": false,
    });
    let mut keys: BTreeMap<String, Value> = BTreeMap::new();
    for key in store.key_names(&tokens, Moment::now()).await? {
        let metadata = json!({
            "key_alias": key.key_alias, "team_id": key.team_id, "user_id": key.user_id,
            "user_email": key.user_email, "key_exists": true,
        });
        keys.insert(key.token, metadata);
    }
    for token in tokens {
        keys.entry(token).or_insert_with(|| unknown.clone());
    }
    let (kind, alias) = match family.dimension {
        "team" => (Named::Teams, "team_alias"),
        "organization" => (Named::Organizations, "organization_alias"),
        _ => {
            let entities = BTreeMap::new();
            return Ok(Names { keys, entities });
        }
    };
    let ids: Vec<String> = activity.entities().into_iter().collect();
    let entities = store.entity_names(kind, &ids).await?.into_iter();
    let entities = entities.map(|(id, name)| (id, json!({alias: name})));
    let entities = entities.collect();
    Ok(Names { keys, entities })
}
