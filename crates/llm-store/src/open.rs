use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions},
    pool::PoolConnection,
};

use crate::{
    Error, Page, Record, Transaction, holds::Teller, record, schema, shipping::FileWriter,
};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A file of one process.
    Sqlite,
    /// A server that several processes share.
    Postgres,
}

impl Dialect {
    /// The one that this connection speaks.
    pub(crate) fn of(db: &AnyConnection) -> Self {
        match db.backend_name() {
            "SQLite" => Self::Sqlite,
            _ => Self::Postgres,
        }
    }
}

/// Where the database is, and how it is used.
#[derive(Clone)]
pub struct Settings {
    /// `sqlite://path` or `postgres://user:password@host/name`.
    pub url: String,
    /// The most connections that are ever open.
    pub max_connections: u32,
    /// How long a caller waits for a free connection before it is told that there is none.
    pub acquire_timeout: Duration,
}

impl Settings {
    /// Connections that are open at most, unless it is said otherwise.
    pub const MAX_CONNECTIONS: u32 = 10;

    /// A database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: Self::MAX_CONNECTIONS,
            acquire_timeout: Duration::from_secs(10),
        }
    }

    /// A database in a file, which is made if it does not exist.
    pub fn sqlite(file: &Path) -> Self {
        Self::new(format!("sqlite://{}", file.display()))
    }

    fn dialect(&self) -> Result<Dialect, Error> {
        let scheme = self.url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" => Ok(Dialect::Sqlite),
            "postgres" | "postgresql" => Ok(Dialect::Postgres),
            // Not the address itself: it has a password in it.
            other => Err(Error::Address(format!(
                "{other:?} is neither sqlite nor postgres"
            ))),
        }
    }

    /// The file of an SQLite address.
    fn file(&self) -> Result<PathBuf, Error> {
        let path = self.url.trim_start_matches("sqlite:");
        let path = path.trim_start_matches("//").split('?').next();
        match path {
            None | Some("" | ":memory:") => Err(Error::Address(
                "SQLite needs a file: one in memory is another for each connection".to_owned(),
            )),
            Some(path) => Ok(PathBuf::from(path)),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .finish_non_exhaustive()
    }
}

/// A journal's file is removed once its rows are committed here: a commit has to last.
pub(crate) const SQLITE: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// Fewer, longer turns to move what was written to its place.
const SQLITE_TURNS: &str = "PRAGMA wal_autocheckpoint = 8000;";

/// Rows of requests go into many indexes: with room for their pages (64 MiB at most, as they are used), a page that
/// many rows of a batch touch is written once.
pub(crate) const SQLITE_WRITER: &str =
    "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 8000;";

/// Reports go through indexes of hundreds of megabytes: pages that the system has in memory are not copied.
const SQLITE_READER: &str = "PRAGMA mmap_size = 1073741824;";

/// Pieces of long files pass by: pages of theirs that stayed would soon be the whole file.
const SQLITE_PIECES: &str = "PRAGMA cache_size = -2048; PRAGMA mmap_size = 0;";

/// A connection that lay about for longer is looked at before it is used.
const FRESH: Duration = Duration::from_secs(1);

/// Connections that stay out for holds, at most.
const TELLERS: usize = 2;

/// Connections for pieces of files, on SQLite.
const PIECES: u32 = 4;

/// An open database. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    dialect: Dialect,
    read: AnyPool,
    /// SQLite has one writer: waiting in a queue is better than being told that the file is busy.
    write: AnyPool,
    /// On SQLite apart from the others, whose caches are large.
    pieces: AnyPool,
    /// It did not answer when it was asked last.
    away: Arc<AtomicBool>,
    /// On PostgreSQL, what holds are made with when they are asked for next.
    tellers: Arc<Mutex<Vec<(Teller, Instant)>>>,
    /// On SQLite, what requests are written with.
    file: Option<Arc<FileWriter>>,
    /// Keeps other processes from the same SQLite file.
    _lock: Option<Arc<File>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// Writes pieces of files.
pub(crate) struct PieceWriter {
    pub(crate) db: PoolConnection<Any>,
    _turn: Option<PoolConnection<Any>>,
}

impl Store {
    /// Opens the database and brings its schema up to date.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let store = match settings.dialect()? {
            Dialect::Sqlite => Self::sqlite(settings).await?,
            Dialect::Postgres => Self::postgres(settings).await?,
        };
        schema::migrate(&store).await?;
        Ok(store)
    }

    async fn sqlite(settings: &Settings) -> Result<Self, Error> {
        let file = settings.file()?;
        let lock = lock(&file)?;
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let options = options(&url)?;
        let pool = |connections: u32, more: &'static str| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(settings.acquire_timeout)
                .after_connect(move |db, _| {
                    Box::pin(async move {
                        db.execute(SQLITE).await?;
                        db.execute(more).await?;
                        Ok(())
                    })
                })
        };
        let write = pool(1, SQLITE_TURNS).connect_with(options.clone()).await?;
        let readers = settings.max_connections.saturating_sub(1).max(1);
        let read = pool(readers, SQLITE_READER);
        let read = read.connect_with(options.clone()).await?;
        let pieces = pool(PIECES, SQLITE_PIECES).connect_lazy_with(options);
        Ok(Self {
            dialect: Dialect::Sqlite,
            read,
            write,
            pieces,
            away: Arc::default(),
            tellers: Arc::default(),
            file: Some(Arc::new(FileWriter::new(&file))),
            _lock: Some(Arc::new(lock)),
        })
    }

    async fn postgres(settings: &Settings) -> Result<Self, Error> {
        let pool = AnyPoolOptions::new()
            .max_connections(settings.max_connections.max(1))
            .acquire_timeout(settings.acquire_timeout)
            // One that was given back was looked at then.
            .test_before_acquire(false)
            .before_acquire(|db, known| {
                Box::pin(async move {
                    match known.idle_for < FRESH {
                        true => Ok(true),
                        false => Ok(db.ping().await.is_ok()),
                    }
                })
            })
            .connect_with(options(&settings.url)?)
            .await?;
        Ok(Self {
            dialect: Dialect::Postgres,
            read: pool.clone(),
            write: pool.clone(),
            pieces: pool,
            away: Arc::default(),
            tellers: Arc::default(),
            file: None,
            _lock: None,
        })
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the database answers. This is asked also while it is away.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1")
            .execute(&mut *self.read.acquire().await?)
            .await?;
        Ok(())
    }

    /// Notes whether the database is away, and says whether it was. While it is, every call but [`Store::ping`] fails at
    /// once: nobody waits for what is known not to come.
    pub fn set_away(&self, away: bool) -> bool {
        self.away.swap(away, Ordering::AcqRel)
    }

    /// Whether the database is away, as far as is known.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// Closes the connections once they are free.
    pub async fn close(&self) {
        self.tellers().clear();
        self.read.close().await;
        self.write.close().await;
        self.pieces.close().await;
        if let Some(file) = &self.file {
            file.close();
        }
    }

    /// Begins a transaction. On SQLite it is the only one that writes until it ends.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        self.must_be_there()?;
        let inner = match self.dialect {
            Dialect::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.write.begin().await?,
        };
        Ok(Transaction::new(inner, self.dialect))
    }

    /// The row with this key.
    pub async fn get<R: Record>(&self, key: &[&str]) -> Result<Option<R>, Error> {
        record::get(&mut *self.reader().await?, R::crud().get, key).await
    }

    /// One page of the rows whose columns have the values in `filters`; another filter is an error.
    pub async fn list<R: Record>(
        &self,
        filters: &[(&str, &str)],
        limit: i64,
        offset: i64,
    ) -> Result<Page<R>, Error> {
        record::list(&mut *self.reader().await?, filters, limit, offset).await
    }

    /// Adds a row; one with its key or another unique value is an error.
    pub async fn insert<R: Record>(&self, row: &R) -> Result<(), Error> {
        record::insert(&mut *self.writer().await?, row).await
    }

    /// Adds a row unless there is one like it; says whether it did.
    pub async fn add<R: Record>(&self, row: &R) -> Result<bool, Error> {
        record::add(&mut *self.writer().await?, row).await
    }

    /// Replaces the row with this key; says whether there was one.
    pub async fn update<R: Record>(&self, key: &[&str], row: &R) -> Result<bool, Error> {
        record::update(&mut *self.writer().await?, key, row).await
    }

    /// Removes the row with this key; says whether there was one.
    pub async fn delete<R: Record>(&self, key: &[&str]) -> Result<bool, Error> {
        record::delete::<R>(&mut *self.writer().await?, key).await
    }

    pub(crate) async fn reader(&self) -> Result<PoolConnection<Any>, Error> {
        self.must_be_there()?;
        Ok(self.read.acquire().await?)
    }

    pub(crate) async fn writer(&self) -> Result<PoolConnection<Any>, Error> {
        self.must_be_there()?;
        Ok(self.write.acquire().await?)
    }

    /// A connection that reads pieces of files.
    pub(crate) async fn piece_reader(&self) -> Result<PoolConnection<Any>, Error> {
        self.must_be_there()?;
        Ok(self.pieces.acquire().await?)
    }

    /// A connection that writes pieces of files, and on SQLite the turn to write, which is held meanwhile.
    pub(crate) async fn piece_writer(&self) -> Result<PieceWriter, Error> {
        let turn = match self.dialect {
            Dialect::Sqlite => Some(self.writer().await?),
            Dialect::Postgres => None,
        };
        let db = self.piece_reader().await?;
        Ok(PieceWriter { db, _turn: turn })
    }

    /// A connection for holds.
    pub(crate) async fn teller(&self) -> Result<Teller, Error> {
        self.must_be_there()?;
        let kept = self.tellers().pop();
        let kept = kept.filter(|(_, since)| since.elapsed() < FRESH);
        if let Some((teller, _)) = kept {
            return Ok(teller);
        }
        Ok(Teller::new(self.writer().await?))
    }

    /// Takes a connection back that did its work.
    pub(crate) fn keep(&self, teller: Teller) {
        let mut kept = self.tellers();
        // The others are there for all else, and for more of them.
        let spare = self.write.options().get_max_connections() as usize / 4;
        if kept.len() < TELLERS.min(spare) && !self.write.is_closed() {
            kept.push((teller, Instant::now()));
        }
    }

    fn tellers(&self) -> MutexGuard<'_, Vec<(Teller, Instant)>> {
        self.tellers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn file_writer(&self) -> Option<Arc<FileWriter>> {
        self.file.clone()
    }

    fn must_be_there(&self) -> Result<(), Error> {
        match self.is_away() {
            true => Err(Error::Away),
            false => Ok(()),
        }
    }
}

/// Statements are counted and timed by the caller, not written to the log with their text.
pub(crate) fn options(url: &str) -> Result<AnyConnectOptions, Error> {
    let options: AnyConnectOptions = url
        .parse()
        .map_err(|error: sqlx::Error| Error::Address(error.to_string()))?;
    Ok(options.disable_statement_logging())
}

/// A lock beside the file that ends with the process: budgets of an SQLite file are counted in one process's memory.
fn lock(file: &Path) -> Result<File, Error> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let address = |error: std::io::Error| Error::Address(format!("{}: {error}", file.display()));
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
        .map_err(address)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(file.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(address(error)),
    }
}
