//! Jobs that one process at a time does.

use crate::{Cell, Column, Error, Moment, Store, record::query, statements};

impl Store {
    /// Takes a job until then, or keeps it; says whether it is `owner`'s. Another's that is past its time is taken over.
    pub async fn take_job(
        &self,
        name: &str,
        owner: &str,
        now: Moment,
        until: Moment,
    ) -> Result<bool, Error> {
        let text = |text: &str| Cell::Text(Some(text.to_owned()));
        let cells = [text(name), text(owner), until.cell(), now.cell()];
        let done = query(statements::TAKE_JOB, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
