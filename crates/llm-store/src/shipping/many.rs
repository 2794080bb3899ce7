//! Statements for many rows.

use sqlx::AnyConnection;

use crate::{Cell, Dialect, Error, record::query, sized::Sized};

/// Runs a statement for all rows, in as few calls as there are sizes of it; answers how many rows changed.
pub(crate) async fn run_in_chunks(
    db: &mut AnyConnection,
    statement: Sized,
    rows: Vec<Vec<Cell>>,
) -> Result<u64, Error> {
    let dialect = Dialect::of(db);
    let mut changed = 0;
    let mut rows = rows.into_iter();
    while let Some((size, text)) = statement.up_to(rows.len(), dialect) {
        let cells = rows.by_ref().take(size).flatten();
        changed += query(text, cells).execute(&mut *db).await?.rows_affected();
    }
    Ok(changed)
}
