//! Finds requests and counts them. How many began in each hour is kept with the sums of days: nobody has to count them all.

use super::{
    Find, Requests, Sort,
    packed::{Failures, Hour},
    text,
    texts::REPORTS,
};
use crate::{
    Cell, Column, Error, Moment, Record, Store,
    days::{HOUR, LAST_HOUR, hour_name, hour_of_name},
    record::query,
    rows::SpendRow,
};

/// Rows that are passed over faster than it is looked where they end.
const FEW: i64 = 1_000;

/// Whole hours, and the moments beside them.
struct Hours {
    from: i64,
    /// Not this one itself.
    to: i64,
}

impl Store {
    /// Requests that failed with this code, by the day on which they began, and by place if that is asked for.
    pub async fn failures(
        &self,
        error_code: &str,
        model_group: Option<&str>,
        by_place: bool,
        from: Moment,
        to: Moment,
    ) -> Result<Vec<Failures>, Error> {
        let group = Cell::Text(model_group.map(str::to_owned));
        let cells = [from.cell(), to.cell(), text(error_code), group];
        let statement = match by_place {
            true => REPORTS.failures_by_place,
            false => REPORTS.failures,
        };
        self.lines(statement, cells).await
    }

    /// Spend rows, `limit` of them after `offset`.
    pub async fn requests(
        &self,
        ask: &Requests,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SpendRow>, Error> {
        let (ask, offset) = self.far_back(ask, offset).await?;
        let Some(finding) = ask.finding() else {
            return Ok(Vec::new());
        };
        let mut cells = ask.cells(limit, offset);
        let statement = match ask.sort {
            Sort::Newest => finding.newest,
            Sort::By { column, ascending } if !finding.by.is_empty() => {
                let by = finding.by.iter();
                let mut by = by.filter(|(name, up, _)| *name == column && *up == ascending);
                by.next().map_or(finding.newest, |(_, _, text)| *text)
            }
            Sort::By { column, ascending } => {
                cells.push(Cell::Integer(Some(if ascending { -1 } else { 1 })));
                cells.push(Cell::Text(Some(column.to_owned())));
                finding.sorted
            }
        };
        let rows = query(statement, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(SpendRow::read).collect()
    }

    async fn count_rows(&self, ask: &Requests, limit: i64) -> Result<i64, Error> {
        let Some(finding) = ask.finding() else {
            return Ok(0);
        };
        self.count(finding.count, ask.cells(limit, 0)).await
    }

    /// How many requests there are, counted up to `limit`.
    pub async fn count_requests(&self, ask: &Requests, limit: i64) -> Result<i64, Error> {
        let Some(hours) = ask.hours() else {
            return self.count_rows(ask, limit).await;
        };
        let mut total = 0;
        for part in [hours.before(ask), hours.behind(ask)] {
            total += self.count_rows(&part, limit).await?;
        }
        total += self
            .begun(&hours)
            .await?
            .iter()
            .map(|hour| hour.count)
            .sum::<i64>();
        Ok(total.min(limit))
    }

    /// The same requests, and what is left to pass over, from where a page far back begins.
    pub(super) async fn far_back(
        &self,
        ask: &Requests,
        mut offset: i64,
    ) -> Result<(Requests, i64), Error> {
        let hours = ask
            .hours()
            .filter(|_| offset > FEW && ask.sort == Sort::Newest);
        let Some(hours) = hours else {
            return Ok((ask.clone(), offset));
        };
        let behind = self.count_rows(&hours.behind(ask), i64::MAX).await?;
        if offset < behind {
            return Ok((ask.clone(), offset));
        }
        offset -= behind;
        let mut begun = self.begun(&hours).await?;
        begun.sort_by_key(|hour| std::cmp::Reverse(hour.name));
        for hour in begun {
            if offset < hour.count {
                let end = (hour_of_name(hour.name) + 1) * HOUR - 1;
                let to = Moment(end);
                return Ok((Requests { to, ..ask.clone() }, offset));
            }
            offset -= hour.count;
        }
        Ok((hours.before(ask), offset))
    }

    async fn begun(&self, hours: &Hours) -> Result<Vec<Hour>, Error> {
        let cells = [hours.from, hours.to].map(|hour| text(&hour_name(hour)));
        self.lines(REPORTS.begun, cells).await
    }
}

impl Requests {
    /// The whole hours that are asked for, if nothing is asked for but a time and there are any.
    fn hours(&self) -> Option<Hours> {
        let all = self.find.0 == Find::Time && self.narrow.is_nothing() && self.before.is_none();
        let hours = Hours {
            from: self.from.0.max(0).div_euclid(HOUR) + i64::from(self.from.0.rem_euclid(HOUR) > 0),
            to: self.to.0.saturating_add(1).div_euclid(HOUR).min(LAST_HOUR),
        };
        Some(hours).filter(|hours| all && hours.from < hours.to)
    }
}

impl Hours {
    fn before(&self, ask: &Requests) -> Requests {
        let to = Moment(self.from * HOUR - 1);
        Requests { to, ..ask.clone() }
    }

    fn behind(&self, ask: &Requests) -> Requests {
        let from = Moment(self.to * HOUR);
        Requests {
            from,
            ..ask.clone()
        }
    }
}
