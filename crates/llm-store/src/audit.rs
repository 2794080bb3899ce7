//! Reading what administrators changed.

use crate::{
    Cell, Column, Error, Moment, Page, Record, Store, balances::fault, record::query,
    rows::AuditEntry, statements::AUDIT,
};

/// Which changes are wanted; what is absent does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditFilter<'a> {
    /// Who made them.
    pub changed_by: Option<&'a str>,
    /// The hash of the key they were asked with.
    pub changed_by_api_key: Option<&'a str>,
    /// What was done.
    pub action: Option<&'a str>,
    /// To what kind of thing.
    pub table_name: Option<&'a str>,
    /// To which one.
    pub object_id: Option<&'a str>,
    /// A part of the name of which one.
    pub search: Option<&'a str>,
    /// From then on.
    pub from: Option<Moment>,
    /// Before then.
    pub until: Option<Moment>,
    /// The oldest first, rather than the newest.
    pub oldest_first: bool,
}

impl Store {
    /// One page of the changes that match.
    pub async fn audit(
        &self,
        filter: &AuditFilter<'_>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<AuditEntry>, Error> {
        let cells = cells(filter);
        let mut db = self.reader().await?;
        let total = query(AUDIT.count, cells.clone())
            .fetch_one(&mut *db)
            .await?;
        let total = i64::read(&total, 0).map_err(fault)?;
        let statement = match filter.oldest_first {
            true => AUDIT.oldest,
            false => AUDIT.newest,
        };
        let page = [Cell::Integer(Some(limit)), Cell::Integer(Some(offset))];
        let rows = query(statement, cells.into_iter().chain(page))
            .fetch_all(&mut *db)
            .await?;
        let rows = rows
            .iter()
            .map(AuditEntry::read)
            .collect::<Result<_, _>>()?;
        Ok(Page { rows, total })
    }
}

fn cells(filter: &AuditFilter<'_>) -> Vec<Cell> {
    let text = |text: Option<&str>| Cell::Text(text.map(str::to_owned));
    let search = filter.search.map(|text| {
        // A sign of the pattern language stands for itself.
        let escaped = text
            .replace('!', "!!")
            .replace('%', "!%")
            .replace('_', "!_");
        format!("%{escaped}%")
    });
    vec![
        text(filter.changed_by),
        text(filter.changed_by_api_key),
        text(filter.action),
        text(filter.table_name),
        text(filter.object_id),
        text(search.as_deref()),
        filter.from.cell(),
        filter.until.cell(),
    ]
}
