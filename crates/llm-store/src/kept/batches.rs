//! Batches, each worked on by whoever holds its lease, and the answers to their lines.

use sqlx::any::AnyRow;

use super::{Page, fault, number, owned, text, texts};
use crate::{Column, Error, Moment, Store, record::query};

/// A batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// What its runner wrote down.
    pub state: String,
    /// When it was asked to stop.
    pub cancelling_at: Option<Moment>,
    /// Whether it is over. Its answers are not counted then.
    pub is_over: bool,
    /// How many lines are answered.
    pub completed: i64,
    /// How many lines have failed.
    pub failed: i64,
}

/// Who works on a batch, and until when nobody else does.
#[derive(Debug, Clone, Copy)]
pub struct Tenure<'a> {
    /// Who.
    pub runner: &'a str,
    /// The time now.
    pub now: Moment,
    /// The end of it.
    pub until: Moment,
}

/// What came of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineAnswer {
    /// The line's number.
    pub line: i64,
    /// Whether it succeeded.
    pub good: bool,
    /// The answer.
    pub text: String,
}

impl Batch {
    fn read(row: &AnyRow) -> Result<Self, String> {
        Ok(Self {
            state: Column::read(row, 0)?,
            cancelling_at: Column::read(row, 1)?,
            is_over: i64::read(row, 2)? > 0,
            completed: Column::read(row, 3)?,
            failed: Column::read(row, 4)?,
        })
    }
}

impl Store {
    /// Keeps a new batch.
    pub async fn make_batch(
        &self,
        id: &str,
        state: &str,
        made: Moment,
        owner: Option<&str>,
    ) -> Result<(), Error> {
        let owner = owner.map(str::to_owned).cell();
        let cells = [text(id), text(state), made.cell(), owner];
        query(texts::MAKE_BATCH, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// A batch.
    pub async fn batch(&self, id: &str) -> Result<Option<Batch>, Error> {
        let row = query(texts::BATCH, [text(id)])
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        let batch = row.as_ref().map(Batch::read).transpose();
        batch.map_err(fault("kept_batches"))
    }

    /// The batches.
    pub async fn batches(&self, page: &Page<'_>) -> Result<Vec<Batch>, Error> {
        let statement = match (page.owner, page.oldest_first) {
            (None, true) => texts::BATCHES_OLDEST,
            (None, false) => texts::BATCHES_NEWEST,
            (Some(_), true) => owned::BATCHES_OLDEST,
            (Some(_), false) => owned::BATCHES_NEWEST,
        };
        let said = |value: Option<&str>| value.map(str::to_owned).cell();
        let cells = [said(page.after), number(page.limit), said(page.owner)];
        let rows = query(statement, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let batches = rows.iter().map(Batch::read).collect::<Result<_, _>>();
        batches.map_err(fault("kept_batches"))
    }

    /// Notes that a batch that is not over shall stop.
    pub async fn cancel_batch(&self, id: &str, now: Moment) -> Result<(), Error> {
        query(texts::CANCEL_BATCH, [text(id), now.cell()])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Takes on the oldest batch that nobody works on.
    pub async fn claim_batch(&self, tenure: Tenure<'_>) -> Result<Option<Batch>, Error> {
        loop {
            let free = query(texts::FREE_BATCH, [tenure.now.cell()])
                .fetch_optional(&mut *self.reader().await?)
                .await?;
            let Some(free) = free else {
                return Ok(None);
            };
            let id = String::read(&free, 0).map_err(fault("kept_batches"))?;
            let cells = [
                text(&id),
                text(tenure.runner),
                tenure.until.cell(),
                tenure.now.cell(),
            ];
            let claimed = query(texts::CLAIM_BATCH, cells)
                .execute(&mut *self.writer().await?)
                .await?;
            // Another process may have been faster: the next one, then.
            if claimed.rows_affected() > 0 {
                return self.batch(&id).await;
            }
        }
    }

    /// Goes on with a batch, and says whether it shall stop; `None`: it is somebody else's.
    pub async fn renew_batch(&self, id: &str, tenure: Tenure<'_>) -> Result<Option<bool>, Error> {
        let cells = [text(id), text(tenure.runner), tenure.until.cell()];
        let row = query(texts::RENEW_BATCH, cells)
            .fetch_optional(&mut *self.writer().await?)
            .await?;
        let stop = row.map(|row| bool::read(&row, 0)).transpose();
        stop.map_err(fault("kept_batches"))
    }

    /// Writes down where a batch is, and when it ended; says whether it is still `runner`'s. The answers of one that is
    /// over go.
    pub async fn save_batch(
        &self,
        id: &str,
        runner: &str,
        state: &str,
        ended: Option<Moment>,
    ) -> Result<bool, Error> {
        let is_over = ended.is_some();
        let cells = [
            text(id),
            text(runner),
            text(state),
            number(is_over.into()),
            ended.cell(),
        ];
        let saved = query(texts::SAVE_BATCH, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        let is_ours = saved.rows_affected() > 0;
        if is_ours && is_over {
            self.clear_batch(id).await?;
        }
        Ok(is_ours)
    }

    /// Removes the answers of batches whose runner did not come to it.
    pub async fn sweep_batches(&self) -> Result<(), Error> {
        let rows = query(texts::ENDED_BATCHES, [])
            .fetch_all(&mut *self.reader().await?)
            .await?;
        for row in &rows {
            let id = String::read(row, 0).map_err(fault("kept_batches"))?;
            self.clear_batch(&id).await?;
        }
        Ok(())
    }

    /// Removes batches that ended before a moment, `limit` of them at most; says how many.
    pub async fn forget_batches(&self, before: Moment, limit: i64) -> Result<u64, Error> {
        let done = query(texts::FORGET_BATCHES, [before.cell(), number(limit)])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected())
    }

    async fn clear_batch(&self, id: &str) -> Result<(), Error> {
        loop {
            // A connection for each: other writers go between.
            let gone = query(texts::FORGET_ANSWERS, [text(id)])
                .execute(&mut *self.writer().await?)
                .await?;
            if gone.rows_affected() == 0 {
                break;
            }
        }
        query(texts::CLEAR_BATCH, [text(id)])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Keeps the answer to a line that has none, if the batch is `runner`'s; says whether it did.
    pub async fn add_answer(
        &self,
        id: &str,
        runner: &str,
        answer: &LineAnswer,
    ) -> Result<bool, Error> {
        let cells = [
            text(id),
            number(answer.line),
            number(answer.good.into()),
            number(i64::try_from(answer.text.len()).unwrap_or(i64::MAX)),
            text(&answer.text),
            text(runner),
        ];
        let done = query(texts::ADD_ANSWER, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Which lines are answered.
    pub async fn answered_lines(&self, id: &str) -> Result<Vec<i64>, Error> {
        let rows = query(texts::LINES, [text(id)])
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let lines = rows
            .iter()
            .map(|row| i64::read(row, 0))
            .collect::<Result<_, _>>();
        lines.map_err(fault("kept_answers"))
    }

    /// The answers from a line on, of about `most` bytes, in the order of their lines, and where the next ones begin.
    pub async fn line_answers(
        &self,
        id: &str,
        from: i64,
        most: i64,
    ) -> Result<(Vec<LineAnswer>, Option<i64>), Error> {
        let fault = fault("kept_answers");
        let db = &mut *self.reader().await?;
        let sizes = query(texts::ANSWER_SIZES, [text(id), number(from)])
            .fetch_all(&mut *db)
            .await?;
        let (mut last, mut sum) = (None, 0_i64);
        for row in &sizes {
            if sum >= most {
                break;
            }
            last = Some(i64::read(row, 0).map_err(&fault)?);
            sum = sum.saturating_add(i64::read(row, 1).map_err(&fault)?);
        }
        let Some(last) = last else {
            return Ok((Vec::new(), None));
        };
        let rows = query(texts::ANSWERS, [text(id), number(from), number(last)])
            .fetch_all(&mut *db)
            .await?;
        let read = |row| {
            Ok::<_, String>(LineAnswer {
                line: Column::read(row, 0)?,
                good: Column::read(row, 1)?,
                text: Column::read(row, 2)?,
            })
        };
        let answers = rows.iter().map(read).collect::<Result<_, _>>();
        Ok((answers.map_err(fault)?, Some(last.saturating_add(1))))
    }
}
