//! Rows that requests need again and again, remembered.

use std::{
    borrow::Borrow,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use llm_store::{
    Account, Error, Moment, Record, Store,
    rows::{
        AccessGroup, Budget, Customer, Key, KeyMapping, Organization, Project, RetiredKey, Tag,
        Team, TeamMember, User,
    },
};
use quick_cache::sync::Cache;

use crate::{Entry, Governed, Settings};

/// How long it is remembered that there is no such row: a key may have been made elsewhere just now.
const ABSENT: Duration = Duration::from_secs(1);

/// The rows of one table.
pub(crate) struct Shelf<R> {
    cache: Cache<String, Slot<R>>,
    /// Counts what was forgotten: a row that was read before must not be remembered after.
    generation: AtomicU64,
    /// Many requests that need the same row read it once.
    reading: [tokio::sync::Mutex<()>; LANES],
}

/// Rows of one table that are read at the same time, at most.
const LANES: usize = 16;

struct Slot<R> {
    entry: Option<Arc<Entry<R>>>,
    until: Instant,
}

/// What is known of a row.
enum Known<R> {
    /// This, and it holds.
    Now(Option<Arc<Entry<R>>>),
    /// Nothing that still holds; what held before.
    Never(Option<Arc<Entry<R>>>),
}

impl<R> Clone for Slot<R> {
    fn clone(&self) -> Self {
        Self {
            entry: self.entry.clone(),
            until: self.until,
        }
    }
}

/// The rows that say who may do what.
pub(crate) struct Directory {
    store: Store,
    settings: Arc<ArcSwap<Settings>>,
    /// Where tokens lead that were replaced, for a moment.
    retired: Cache<String, (RetiredKey, Instant)>,
    keys: Shelf<Key>,
    users: Shelf<User>,
    teams: Shelf<Team>,
    members: Shelf<TeamMember>,
    organizations: Shelf<Organization>,
    projects: Shelf<Project>,
    customers: Shelf<Customer>,
    tags: Shelf<Tag>,
    access_groups: Shelf<AccessGroup>,
    budgets: Shelf<Budget>,
    mappings: Shelf<KeyMapping>,
    /// The teams of users, for tokens that name none.
    places: Cache<String, (Arc<Vec<String>>, Instant)>,
    all_groups: Roll<AccessGroup>,
}

/// All rows of a table.
pub(crate) type Rows<R> = Arc<Vec<Arc<Entry<R>>>>;

/// All rows of a table that is small and asked for as a whole, and until when they are remembered.
struct Roll<R> {
    rows: Mutex<Option<(Rows<R>, Instant)>>,
    generation: AtomicU64,
}

/// Which shelf a row belongs to.
pub(crate) trait Shelved: Governed {
    fn shelf(directory: &Directory) -> &Shelf<Self>;
}

macro_rules! shelved {
    ($($row:ident on $shelf:ident),*) => {
        $(impl Shelved for $row {
            fn shelf(directory: &Directory) -> &Shelf<Self> {
                &directory.$shelf
            }
        })*

        impl Directory {
            pub(crate) fn new(store: Store, settings: Arc<ArcSwap<Settings>>) -> Self {
                let rows = settings.load().cached_rows;
                let all_groups = Roll::default();
                let retired = Cache::new(1_000);
                let places = Cache::new(rows.max(1));
                Self { store, settings, all_groups, retired, places, $($shelf: Shelf::new(rows),)* }
            }

            /// Other settings hold: nothing that was worked out by the ones before does.
            pub(crate) fn settings_changed(&self) {
                let rows = self.settings.load().cached_rows.max(1) as u64;
                self.places.set_capacity(rows);
                $(self.$shelf.cache.set_capacity(rows);)*
                self.forget_all();
            }

            /// Forgets a row, and with a budget every row that may name it.
            pub(crate) fn forget(&self, table: &str, id: &str) {
                $(if table == <$row as Record>::TABLE {
                    self.$shelf.forget(id);
                })*
                if table == <Key as Record>::TABLE {
                    self.retired.clear();
                }
                if table == <TeamMember as Record>::TABLE {
                    self.places.clear();
                }
                if table == <Budget as Record>::TABLE {
                    self.forget_all();
                }
                if table == <AccessGroup as Record>::TABLE {
                    self.all_groups.forget();
                }
            }

            /// Forgets everything.
            pub(crate) fn forget_all(&self) {
                self.retired.clear();
                self.places.clear();
                $(self.$shelf.forget_all();)*
                self.all_groups.forget();
            }
        }
    };
}

shelved!(
    Key on keys, User on users, Team on teams, TeamMember on members, Organization on organizations,
    Project on projects, Customer on customers, Tag on tags, AccessGroup on access_groups,
    Budget on budgets, KeyMapping on mappings
);

impl<R: Governed> Shelf<R> {
    fn new(rows: usize) -> Self {
        Self {
            cache: Cache::new(rows.max(1)),
            generation: AtomicU64::new(0),
            reading: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
        }
    }

    /// What is known of a row: nothing, or that it is there or not.
    fn known(&self, id: &str) -> Known<R> {
        match self.cache.get(id) {
            None => Known::Never(None),
            Some(slot) if slot.until > Instant::now() => Known::Now(slot.entry),
            Some(slot) => Known::Never(slot.entry),
        }
    }

    fn lane(&self, id: &str) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        &self.reading[hasher.finish() as usize % LANES]
    }

    fn forget(&self, id: &str) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.cache.remove(id);
    }

    fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.cache.clear();
    }

    fn remember(&self, id: &str, entry: Option<Arc<Entry<R>>>, read_at: u64, ttl: Duration) {
        let lasts = if entry.is_some() { ttl } else { ABSENT };
        let slot = Slot {
            entry,
            until: Instant::now() + lasts,
        };
        if self.generation.load(Ordering::Acquire) == read_at {
            self.cache.insert(id.to_owned(), slot);
            // Somebody may have forgotten it between the two.
            if self.generation.load(Ordering::Acquire) != read_at {
                self.cache.remove(id);
            }
        }
    }
}

impl<R> Default for Roll<R> {
    fn default() -> Self {
        Self {
            rows: Mutex::new(None),
            generation: AtomicU64::new(0),
        }
    }
}

impl<R> Roll<R> {
    fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Rows<R>, Instant)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// How long a row is remembered.
    fn ttl(&self) -> Duration {
        self.settings.load().cache_ttl
    }

    /// Whether rows that are past their time are used while the database is away.
    fn is_lenient(&self) -> bool {
        self.settings.load().serve_without_database
    }

    /// All access groups.
    pub(crate) async fn access_groups(&self) -> Result<Rows<AccessGroup>, Error> {
        let known = self.all_groups.lock().clone();
        if let Some((rows, until)) = &known
            && *until > Instant::now()
        {
            return Ok(Arc::clone(rows));
        }
        // On the heap, as most requests never come here.
        Box::pin(self.read_access_groups(known.map(|(rows, _)| rows))).await
    }

    async fn read_access_groups(
        &self,
        known: Option<Rows<AccessGroup>>,
    ) -> Result<Rows<AccessGroup>, Error> {
        let roll = &self.all_groups;
        let generation = roll.generation.load(Ordering::Acquire);
        let rows = match self.all_of::<AccessGroup>().await {
            Ok(rows) => Arc::new(rows),
            Err(error) if error.is_unavailable() && self.is_lenient() => {
                return known.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        let mut slot = roll.lock();
        if roll.generation.load(Ordering::Acquire) == generation {
            let lasts = rows.iter().filter_map(|entry| entry.terms.lasts());
            let ttl = lasts.fold(self.ttl(), Duration::min);
            *slot = Some((Arc::clone(&rows), Instant::now() + ttl));
        }
        Ok(rows)
    }

    async fn all_of<R: Shelved>(&self) -> Result<Vec<Arc<Entry<R>>>, Error> {
        let page = self.store.list::<R>(&[], i64::MAX, 0).await?;
        let mut entries = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            entries.extend(self.entry(async || Ok(Some(row))).await?);
        }
        Ok(entries)
    }

    /// The key with this hash, or the one that replaced it while the old one's grace lasts.
    pub(crate) async fn key(&self, token: &str) -> Result<Option<Arc<Entry<Key>>>, Error> {
        if let Some(key) = self.get(&[token]).await? {
            return Ok(Some(key));
        }
        match Box::pin(self.successor(token)).await? {
            // By its own name, so that it is forgotten by that.
            Some(active) => self.get(&[&active]).await,
            None => Ok(None),
        }
    }

    /// The key that replaced this one.
    async fn successor(&self, token: &str) -> Result<Option<String>, Error> {
        let known = self.retired.get(token);
        let known = known.filter(|(_, until)| *until > Instant::now());
        let retired = match known {
            Some((retired, _)) => retired,
            None => {
                let Some(retired) = self.store.get::<RetiredKey>(&[token]).await? else {
                    return Ok(None);
                };
                let slot = (retired.clone(), Instant::now() + ABSENT);
                self.retired.insert(token.to_owned(), slot);
                retired
            }
        };
        let in_grace = retired.revoke_at > Moment::now();
        Ok(in_grace.then_some(retired.active_token))
    }

    /// The teams that a user is in, at most `most`.
    pub(crate) async fn teams_of(&self, user: &str, most: i64) -> Result<Arc<Vec<String>>, Error> {
        if let Some((teams, until)) = self.places.get(user)
            && until > Instant::now()
        {
            return Ok(teams);
        }
        let generation = self.members.generation.load(Ordering::Acquire);
        let of_user = [("user_id", user)];
        let members = self.store.list::<TeamMember>(&of_user, most, 0).await?.rows;
        let teams: Vec<String> = members.into_iter().map(|member| member.team_id).collect();
        let teams = Arc::new(teams);
        if self.members.generation.load(Ordering::Acquire) == generation {
            let slot = (Arc::clone(&teams), Instant::now() + self.ttl());
            self.places.insert(user.to_owned(), slot);
        }
        Ok(teams)
    }

    /// The row with this key.
    pub(crate) async fn get<R: Shelved>(
        &self,
        key: &[&str],
    ) -> Result<Option<Arc<Entry<R>>>, Error> {
        match key {
            [id] => self.find(id, async || self.store.get::<R>(key).await).await,
            parts => {
                let id = joined(parts);
                self.find(&id, async || self.store.get::<R>(key).await)
                    .await
            }
        }
    }

    async fn find<R: Shelved>(
        &self,
        id: &str,
        read: impl AsyncFnOnce() -> Result<Option<R>, Error>,
    ) -> Result<Option<Arc<Entry<R>>>, Error> {
        let shelf = R::shelf(self);
        if let Known::Now(entry) = shelf.known(id) {
            return Ok(entry);
        }
        // On the heap, as most requests never come here.
        Box::pin(self.fetch(id, read)).await
    }

    async fn fetch<R: Shelved>(
        &self,
        id: &str,
        read: impl AsyncFnOnce() -> Result<Option<R>, Error>,
    ) -> Result<Option<Arc<Entry<R>>>, Error> {
        let shelf = R::shelf(self);
        let _lane = shelf.lane(id).lock().await;
        // Somebody may have read it while this one waited.
        let old = match shelf.known(id) {
            Known::Now(entry) => return Ok(entry),
            Known::Never(old) => old,
        };
        let generation = shelf.generation.load(Ordering::Acquire);
        let entry = match self.entry(read).await {
            Ok(entry) => entry,
            Err(error) if error.is_unavailable() && self.is_lenient() => {
                return old.map(Some).ok_or(error);
            }
            Err(error) => return Err(error),
        };
        let lasts = entry.as_ref().and_then(|entry| entry.terms.lasts());
        let ttl = lasts.map_or(self.ttl(), |lasts| lasts.min(self.ttl()));
        shelf.remember(id, entry.clone(), generation, ttl);
        Ok(entry)
    }

    async fn entry<R: Shelved>(
        &self,
        read: impl AsyncFnOnce() -> Result<Option<R>, Error>,
    ) -> Result<Option<Arc<Entry<R>>>, Error> {
        let Some(row) = read().await? else {
            return Ok(None);
        };
        let budget = match row.budget_id() {
            Some(id) => self.store.get::<Budget>(&[id]).await?,
            None => None,
        };
        let entry = Entry::new(row, budget.as_ref(), &self.settings.load().calendar);
        Ok(Some(Arc::new(entry)))
    }
}

/// The name of a row whose key has several parts.
pub(crate) fn joined<S: Borrow<str>>(parts: &[S]) -> String {
    let separator = Account::SEPARATOR.to_string();
    parts.join(&separator)
}
