//! Listings that are narrowed and ordered in more ways than by a column's value.

use sqlx::AnyConnection;

use crate::{Cell, Column, Error, Page, Record, Store, record, record::query};

/// A table that can be searched.
pub trait Searched: Record {
    /// What a search can ask for: a name, and the condition in SQL with `#` for the value, which is a text.
    const CONDITIONS: &'static [(&'static str, &'static str)];
    /// The texts that it can be ordered by: a name and what it is in SQL.
    const TEXTS: &'static [(&'static str, &'static str)];
    /// The numbers that it can be ordered by.
    const NUMBERS: &'static [(&'static str, &'static str)];

    /// The table's searches.
    fn finder() -> &'static Finder;
}

/// The statements of a search.
#[derive(Debug)]
pub struct Finder {
    /// The smallest first.
    pub up: &'static str,
    /// The greatest first.
    pub down: &'static str,
    /// How many there are.
    pub count: &'static str,
}

/// How the rows of a search are ordered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order<'a> {
    /// The name of what they are ordered by; the newest come first where there is none.
    pub by: &'a str,
    /// Whether the smallest comes first.
    pub up: bool,
}

impl Finder {
    /// The statements for one type of row, made once.
    pub fn of<R: Searched>() -> Self {
        let conditions = R::CONDITIONS.iter().enumerate();
        let conditions: Vec<String> = conditions
            .map(|(at, (_, condition))| {
                let place = format!("${}", at + 1);
                let condition = condition.replace('#', &place);
                format!("(CAST({place} AS TEXT) IS NULL OR ({condition}))")
            })
            .collect();
        let matching = conditions.join(" AND ");
        let select = record::select::<R>();
        let by = format!("CAST(${} AS TEXT)", R::CONDITIONS.len() + 1);
        let (limit, offset) = (R::CONDITIONS.len() + 2, R::CONDITIONS.len() + 3);
        let listed = |direction: &str| {
            let order = [R::TEXTS, R::NUMBERS].map(|columns| cases(&by, columns, direction));
            let order: String = order.concat();
            let usual = record::order::<R>();
            format!(
                "{select} WHERE {matching} ORDER BY {order}{usual} LIMIT ${limit} OFFSET ${offset}"
            )
        };
        let table = R::TABLE;
        Self {
            up: listed("ASC").leak(),
            down: listed("DESC").leak(),
            count: format!("SELECT COUNT(*) FROM {table} AS t WHERE {matching}").leak(),
        }
    }
}

/// One expression for all columns of a kind: which of them orders is a value, the statement stays the same.
fn cases(by: &str, columns: &[(&str, &str)], direction: &str) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let whens = columns.iter();
    let whens: String = whens
        .map(|(name, value)| format!(" WHEN '{name}' THEN {value}"))
        .collect();
    format!("CASE {by}{whens} END {direction} NULLS LAST, ")
}

/// A text that `LIKE` finds anywhere, whatever its letters' case: what means something to `LIKE` is taken as it is.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// Several values as one: a condition finds whether a column has one of them.
pub fn any_of<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::from(BETWEEN);
    for value in values {
        text.push_str(value);
        text.push(BETWEEN);
    }
    text
}

/// Stands between values; no name has a control character.
const BETWEEN: char = '\u{1f}';

impl Store {
    /// One page of the rows that meet every condition in `wanted`; another condition or order is an error.
    pub async fn find<R: Searched>(
        &self,
        wanted: &[(&str, String)],
        order: Order<'_>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<R>, Error> {
        find(&mut *self.reader().await?, wanted, order, limit, offset).await
    }
}

async fn find<R: Searched>(
    db: &mut AnyConnection,
    wanted: &[(&str, String)],
    order: Order<'_>,
    limit: i64,
    offset: i64,
) -> Result<Page<R>, Error> {
    let filter = |name: &str| Error::Filter {
        table: R::TABLE,
        filter: name.to_owned(),
    };
    let known = |name: &str| R::CONDITIONS.iter().any(|(one, _)| *one == name);
    if let Some((name, _)) = wanted.iter().find(|(name, _)| !known(name)) {
        return Err(filter(name));
    }
    // Of two values for one condition only one would hold.
    let before = |at: usize, name: &str| wanted[..at].iter().any(|(other, _)| *other == name);
    let mut named = wanted.iter().enumerate();
    if let Some((_, (name, _))) = named.find(|(at, (name, _))| before(*at, name)) {
        return Err(filter(name));
    }
    let mut orders = R::TEXTS.iter().chain(R::NUMBERS);
    if !order.by.is_empty() && !orders.any(|(name, _)| *name == order.by) {
        return Err(filter(order.by));
    }
    let cells = R::CONDITIONS.iter().map(|(name, _)| {
        let value = wanted.iter().find(|(one, _)| one == name);
        Cell::Text(value.map(|(_, value)| value.clone()))
    });
    let cells: Vec<Cell> = cells.collect();
    let finder = R::finder();
    let total = query(finder.count, cells.clone())
        .fetch_one(&mut *db)
        .await?;
    let total = i64::read(&total, 0).map_err(|reason| Error::Row {
        table: R::TABLE,
        column: "count",
        reason,
    })?;
    let page = [
        Cell::Text((!order.by.is_empty()).then(|| order.by.to_owned())),
        Cell::Integer(Some(limit)),
        Cell::Integer(Some(offset)),
    ];
    let statement = if order.up { finder.up } else { finder.down };
    let rows = query(statement, cells.into_iter().chain(page))
        .fetch_all(db)
        .await?;
    let rows = rows.iter().map(R::read).collect::<Result<_, _>>()?;
    Ok(Page { rows, total })
}

#[cfg(test)]
mod tests {
    use super::containing;

    #[test]
    fn what_like_means_is_meant_literally() {
        assert_eq!(containing("50%_A\\"), "%50\\%\\_a\\\\%");
    }
}
