use crate::Form;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    /// Counted from one.
    pub(crate) page: u64,
    /// Rows of a page.
    pub(crate) size: u64,
}

/// Rows of a page at most.
const MOST: u64 = 100;

impl Paging {
    /// What `query` says; `size` is what it calls a page's rows.
    pub(crate) fn of(query: &Form, size: &str, usual: u64) -> Self {
        Self {
            page: query.count("page").unwrap_or(1).max(1),
            size: query.count(size).unwrap_or(usual).clamp(1, MOST),
        }
    }

    pub(crate) fn limit(self) -> i64 {
        bounded(self.size)
    }

    pub(crate) fn offset(self) -> i64 {
        bounded((self.page - 1).saturating_mul(self.size))
    }

    /// How many pages there are.
    pub(crate) fn pages(self, total: i64) -> u64 {
        u64::try_from(total).unwrap_or(0).div_ceil(self.size)
    }
}

fn bounded(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
