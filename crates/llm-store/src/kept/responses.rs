//! Responses, the newest ones up to a number of bytes.

use super::{fault, number, text, texts};
use crate::{Column, Error, Moment, Store, record::query};

/// As many are forgotten at a time.
const AT_ONCE: i64 = 500;

impl Store {
    /// Keeps a response.
    pub async fn put_response(&self, id: &str, response: &str, now: Moment) -> Result<(), Error> {
        let bytes = i64::try_from(response.len()).unwrap_or(i64::MAX);
        let cells = [text(id), number(bytes), now.cell(), text(response)];
        query(texts::PUT_RESPONSE, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// A response.
    pub async fn response(&self, id: &str) -> Result<Option<String>, Error> {
        let row = query(texts::RESPONSE, [text(id)])
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        let response = row.map(|row| String::read(&row, 0)).transpose();
        response.map_err(fault("kept_responses"))
    }

    /// Forgets a response; says whether there was one.
    pub async fn forget_response(&self, id: &str) -> Result<bool, Error> {
        let done = query(texts::FORGET_RESPONSE, [text(id)])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets the responses from before a moment, and the oldest of what is more than `most` bytes.
    pub async fn sweep_responses(&self, before: Moment, most: i64) -> Result<(), Error> {
        while self.forget_oldest(before, AT_ONCE).await? > 0 {}
        loop {
            let row = query(texts::SIZE_OF_RESPONSES, [])
                .fetch_one(&mut *self.reader().await?)
                .await?;
            let read = |column| i64::read(&row, column).map_err(fault("kept_responses"));
            let (size, count) = (read(0)?, read(1)?);
            if size <= most {
                return Ok(());
            }
            // As many as that is on the average, and then it is counted again.
            let each = (size / count.max(1)).max(1);
            let surplus = ((size - most) / each).clamp(1, AT_ONCE);
            if self.forget_oldest(Moment(i64::MAX), surplus).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Forgets some of the responses from before a moment, the oldest first.
    async fn forget_oldest(&self, before: Moment, limit: i64) -> Result<u64, Error> {
        let done = query(texts::OLD_RESPONSES, [before.cell(), number(limit)])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected())
    }
}
