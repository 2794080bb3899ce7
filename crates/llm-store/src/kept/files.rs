//! Files, in pieces: none is ever in memory as a whole.

use sqlx::{Row, any::AnyRow};

use super::{Page, fault, number, owned, text, texts};
use crate::{Column, Error, Moment, Store, record::query};

/// What was begun and is not shown after so many milliseconds never will be.
const ABANDONED: i64 = 86_400_000;
/// As many are removed at a time.
const MOST_SWEPT: i64 = 100;

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its name.
    pub filename: String,
    /// What it is for.
    pub purpose: String,
    /// How long it is.
    pub bytes: i64,
    /// When it was made.
    pub created_at: Moment,
    /// When it goes, if it does by itself.
    pub expires_at: Option<Moment>,
    /// Whose it is; `None`: everybody's.
    pub owner: Option<String>,
}

impl File {
    fn read(row: &AnyRow) -> Result<Self, String> {
        Ok(Self {
            id: Column::read(row, 0)?,
            filename: Column::read(row, 1)?,
            purpose: Column::read(row, 2)?,
            bytes: Column::read(row, 3)?,
            created_at: Column::read(row, 4)?,
            expires_at: Column::read(row, 5)?,
            owner: Column::read(row, 6)?,
        })
    }
}

impl Store {
    /// Begins a file that nobody sees yet, or leaves it as it was begun before; says no where all files would have more
    /// than `most` bytes.
    pub async fn begin_file(&self, file: &File, now: Moment, most: i64) -> Result<bool, Error> {
        let cells = [
            text(&file.id),
            text(&file.filename),
            text(&file.purpose),
            number(file.bytes),
            now.cell(),
            now.plus(ABANDONED).cell(),
            number(most),
            file.owner.clone().cell(),
        ];
        let done = query(texts::BEGIN_FILE, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0 || file.bytes == 0)
    }

    /// Keeps a piece of a file.
    pub async fn put_piece(&self, id: &str, piece: i64, bytes: Vec<u8>) -> Result<(), Error> {
        query(texts::PUT_PIECE, [text(id), number(piece)])
            .bind(bytes)
            .execute(&mut *self.piece_writer().await?.db)
            .await?;
        Ok(())
    }

    /// A piece of a file.
    pub async fn piece(&self, id: &str, piece: i64) -> Result<Option<Vec<u8>>, Error> {
        let row = query(texts::PIECE, [text(id), number(piece)])
            .fetch_optional(&mut *self.piece_reader().await?)
            .await?;
        let bytes = row.map(|row| row.try_get(0).map_err(|error| error.to_string()));
        bytes.transpose().map_err(fault("kept_pieces"))
    }

    /// Shows a file that was begun; says whether it is still there.
    pub async fn show_file(&self, file: &File) -> Result<bool, Error> {
        let cells = [
            text(&file.id),
            text(&file.filename),
            text(&file.purpose),
            number(file.bytes),
            file.created_at.cell(),
            file.expires_at.cell(),
        ];
        let done = query(texts::SHOW_FILE, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// A file that is shown.
    pub async fn file(&self, id: &str) -> Result<Option<File>, Error> {
        let row = query(texts::FILE, [text(id)])
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        let file = row.as_ref().map(File::read).transpose();
        file.map_err(fault("kept_files"))
    }

    /// The files that are shown and have not expired.
    pub async fn files(&self, page: &Page<'_>, now: Moment) -> Result<Vec<File>, Error> {
        let statement = match (page.owner, page.oldest_first) {
            (None, true) => texts::FILES_OLDEST,
            (None, false) => texts::FILES_NEWEST,
            (Some(_), true) => owned::FILES_OLDEST,
            (Some(_), false) => owned::FILES_NEWEST,
        };
        let said = |value: Option<&str>| value.map(str::to_owned).cell();
        let cells = [
            now.cell(),
            said(page.purpose),
            said(page.after),
            number(page.limit),
            said(page.owner),
        ];
        let rows = query(statement, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let files = rows.iter().map(File::read).collect::<Result<_, _>>();
        files.map_err(fault("kept_files"))
    }

    /// Removes a file; says whether it was shown.
    pub async fn remove_file(&self, id: &str) -> Result<bool, Error> {
        let hidden = query(texts::HIDE_FILE, [text(id)])
            .execute(&mut *self.writer().await?)
            .await?;
        loop {
            // A connection for each: other writers go between.
            let gone = query(texts::FORGET_PIECES, [text(id)])
                .execute(&mut *self.piece_writer().await?.db)
                .await?;
            if gone.rows_affected() == 0 {
                break;
            }
        }
        query(texts::FORGET_FILE, [text(id)])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(hidden.rows_affected() > 0)
    }

    /// Removes some of the files that have expired, or were begun and never shown.
    pub async fn sweep_files(&self, now: Moment) -> Result<(), Error> {
        let rows = query(texts::EXPIRED_FILES, [now.cell(), number(MOST_SWEPT)])
            .fetch_all(&mut *self.reader().await?)
            .await?;
        for row in &rows {
            let id = String::read(row, 0).map_err(fault("kept_files"))?;
            self.remove_file(&id).await?;
        }
        Ok(())
    }
}
