//! Requests that were sent and have not ended.

use std::collections::{BTreeMap, BTreeSet};

use super::Charged;
use crate::{Cell, Error, balances::fault};

/// What changes among the requests under way.
pub(super) struct Noted {
    /// Sent, and not ended in the same batch.
    pub(super) begun: Vec<Vec<Cell>>,
    /// Noted in an earlier batch, and ended in this one.
    pub(super) gone: Vec<Vec<Cell>>,
}

impl Noted {
    pub(super) fn of(sent: &[&Charged], ended: &[&Charged], journal: &str) -> Result<Self, Error> {
        let noted = ended.iter().filter(|one| !one.is_alone);
        let noted: BTreeSet<&str> = noted.map(|one| one.row.id.as_str()).collect();
        let text = |text: &str| Cell::Text(Some(text.to_owned()));
        let mut begun = BTreeMap::new();
        let mut here: BTreeSet<&str> = BTreeSet::new();
        if !sent.is_empty() {
            here.extend(ended.iter().map(|one| one.row.id.as_str()));
        }
        for charged in sent {
            let id = charged.row.id.as_str();
            if !here.contains(id) {
                let json = serde_json::to_string(charged);
                let json = json.map_err(|error| fault(error.to_string()))?;
                begun.insert(id, vec![text(id), text(journal), text(&json)]);
            }
        }
        // What was noted again may have been noted in an earlier batch, too.
        let sent = sent.iter().filter(|one| !one.renews);
        let sent: BTreeSet<&str> = sent.map(|one| one.row.id.as_str()).collect();
        let gone = noted.difference(&sent).map(|id| vec![text(id)]);
        Ok(Self {
            gone: gone.collect(),
            begun: begun.into_values().collect(),
        })
    }
}
