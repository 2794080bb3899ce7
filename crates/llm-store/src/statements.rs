//! Every statement that is not one of a table's own ([`crate::Crud`]): one text for both databases, unless it says so.

use std::sync::LazyLock;

use crate::{
    Cell, Crud, Dialect, Finder, Record, Searched,
    kept::texts,
    reports::{NAMES, REPORTS},
    rows::{
        AccessGroup, AuditEntry, Budget, Credential, Customer, DeletedKey, DeletedTeam, Invitation,
        Key, KeyMapping, Model, Organization, OrganizationMember, Project, RetiredKey, SpendDay,
        SpendRow, Tag, Team, TeamMember, User,
    },
    sized::{Sized, Values},
};

/// A statement and where it runs.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// What it is called in messages.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The only database that knows its words, if one does not.
    pub only: Option<Dialect>,
}

/// What changed since a moment.
pub(crate) const CHANGES: &str =
    "SELECT id, table_name, object_id FROM changes WHERE changed_at > $1 ORDER BY id";

/// Adds a change.
pub(crate) const TELL: &str =
    "INSERT INTO changes (id, table_name, object_id, changed_at) VALUES ($1, $2, $3, $4)";

/// Removes changes that everybody knows.
pub(crate) const FORGET_CHANGES: &str = "DELETE FROM changes WHERE changed_at < $1";

/// An account's counts.
pub(crate) const BALANCE: &str = "SELECT spent, reserved, total, resets_at FROM balances WHERE scope = $1 AND id = $2 AND meter = $3";

/// The counts of many accounts, in their order. `$1` the accounts as JSON.
pub(crate) const BALANCES: &str = "SELECT COALESCE(b.spent, 0), COALESCE(b.reserved, 0), COALESCE(b.total, 0), b.resets_at \
     FROM jsonb_array_elements(CAST(CAST($1 AS text) AS jsonb)) WITH ORDINALITY AS w(account, place) \
     LEFT JOIN balances AS b ON b.scope = w.account->>'scope' AND b.id = w.account->>'id' \
     AND b.meter = COALESCE(w.account->>'meter', '') ORDER BY w.place";

/// Makes sure that an account exists.
pub(crate) const OPEN_BALANCE: &str = "INSERT INTO balances (scope, id, meter, spent, reserved, total, charged_at) \
     VALUES ($1, $2, $3, 0, 0, 0, 0) ON CONFLICT DO NOTHING";

/// Sets what was spent in the present window, and when the window ends.
pub(crate) const SET_SPENT: &str = "INSERT INTO balances (scope, id, meter, spent, reserved, total, resets_at, charged_at) \
     VALUES ($1, $2, $3, $4, 0, 0, $5, 0) \
     ON CONFLICT (scope, id, meter) DO UPDATE SET spent = excluded.spent, resets_at = excluded.resets_at";

/// Adds to what was spent in the present window, and not to the total.
pub(crate) const ADJUST_SPENT: &str = "INSERT INTO balances (scope, id, meter, spent, reserved, total, charged_at) \
     VALUES ($1, $2, $3, $4, 0, 0, 0) \
     ON CONFLICT (scope, id, meter) DO UPDATE SET spent = balances.spent + excluded.spent";

/// Sets when the present window ends.
pub(crate) const SET_WINDOW: &str = "INSERT INTO balances (scope, id, meter, spent, reserved, total, resets_at, charged_at) \
     VALUES ($1, $2, $3, 0, 0, 0, $4, 0) \
     ON CONFLICT (scope, id, meter) DO UPDATE SET resets_at = excluded.resets_at";

/// The meters of an entity.
pub(crate) const METERS: &str = "SELECT meter FROM balances WHERE scope = $1 AND id = $2";

/// Nothing was ever spent of an entity's accounts. What is held stays.
pub(crate) const FORGET_SPENT: &str = "UPDATE balances SET spent = 0, total = 0, resets_at = NULL \
     WHERE scope = $1 AND id = $2";

/// Sets everything that an account has spent, as another product counted it.
pub(crate) const SET_BALANCE: &str = "INSERT INTO balances (scope, id, meter, spent, reserved, total, resets_at, charged_at) \
     VALUES ($1, $2, $3, $4, 0, $5, $6, 0) \
     ON CONFLICT (scope, id, meter) DO UPDATE SET \
     spent = excluded.spent, total = excluded.total, resets_at = excluded.resets_at";

/// Holds an amount on all accounts of requests, or on none, in one round trip.
///
/// Rows are locked in the order of their bytes, here and where holds are returned, so that two requests never wait for
/// each other. A row that another transaction changed meanwhile is read again after its lock is granted.
/// `$1` limits as JSON, `$2` now, `$3` the amount, `$4` the least that will do, `$5` the holds as JSON, `$6` owner, `$7`
/// deadline, `$8` the accounts as JSON. One hold gets what is left; several get all of theirs, or nothing.
pub(crate) const HOLD: &str = r#"
WITH wanted AS (
    SELECT x.scope, x.id, x.meter, x.max, x.until
    FROM jsonb_to_recordset(CAST(CAST($1 AS text) AS jsonb)) AS x(scope text, id text, meter text, max bigint, until bigint)
), held AS (
    SELECT b.scope, b.id, b.meter, w.max, b.reserved,
        CASE WHEN b.resets_at <= $2 THEN 0 ELSE b.spent END AS spent,
        CASE WHEN b.resets_at IS NULL OR b.resets_at <= $2 THEN w.until ELSE b.resets_at END AS resets_at
    FROM balances b JOIN wanted w ON b.scope = w.scope AND b.id = w.id AND b.meter = w.meter
    ORDER BY b.scope COLLATE "C", b.id COLLATE "C", b.meter COLLATE "C"
    FOR UPDATE OF b
), verdict AS (
    SELECT COUNT(*) AS found, (SELECT COUNT(*) FROM wanted) AS wanted,
        LEAST(CAST($3 AS bigint), MIN(max - spent - reserved)) AS granted,
        MIN(max - spent - reserved) AS room
    FROM held
), decision AS (
    SELECT granted, found = wanted AND granted >= CAST($4 AS bigint) AND room > 0 AS fits FROM verdict
), moved AS (
    UPDATE balances b SET reserved = b.reserved + d.granted, spent = h.spent, resets_at = h.resets_at,
        began_at = CASE WHEN b.resets_at <= $2 THEN b.resets_at ELSE b.began_at END
    FROM held h, decision d
    WHERE d.fits AND b.scope = h.scope AND b.id = h.id AND b.meter = h.meter
    RETURNING 1
), noted AS (
    INSERT INTO reservations (id, owner, deadline, amount, accounts)
    SELECT x.id, CAST($6 AS text), CAST($7 AS bigint), LEAST(x.amount, d.granted), CAST($8 AS text)
    FROM decision d, jsonb_to_recordset(CAST(CAST($5 AS text) AS jsonb)) AS x(id text, amount bigint) WHERE d.fits
    RETURNING 1
)
SELECT h.scope, h.id, h.meter, h.spent, h.reserved, h.resets_at, d.granted, CAST(d.fits AS int) AS fits
FROM held h, decision d
"#;

/// Ends holds; answers what they held together on the same accounts, and how many they were. `$1` their ids as JSON.
pub(crate) const END_HOLDS: &str = r#"
WITH ended AS (
    DELETE FROM reservations WHERE id IN (SELECT json_array_elements_text(CAST(CAST($1 AS text) AS json)))
    RETURNING amount, accounts
)
SELECT CAST(SUM(amount) AS bigint), accounts, COUNT(*) FROM ended GROUP BY accounts
"#;

/// Makes holds smaller, as far as they are larger; answers how much less they are together on the same accounts. `$1` their
/// ids and what they keep, as JSON.
pub(crate) const SHRINK_HOLDS: &str = r#"
WITH wanted AS (
    SELECT x.id, x.keep FROM jsonb_to_recordset(CAST(CAST($1 AS text) AS jsonb)) AS x(id text, keep bigint)
), large AS (
    SELECT r.id, r.amount, w.keep FROM reservations r JOIN wanted w ON w.id = r.id
    WHERE r.amount > w.keep ORDER BY r.id FOR UPDATE OF r
), shrunk AS (
    UPDATE reservations r SET amount = l.keep FROM large l WHERE r.id = l.id
    RETURNING l.amount - l.keep AS less, r.accounts
)
SELECT CAST(SUM(less) AS bigint), accounts FROM shrunk GROUP BY accounts
"#;

/// Which spend rows are there. `$1` ids as JSON.
pub(crate) const KNOWN_SPEND: &str = "SELECT id FROM spend \
     WHERE id IN (SELECT json_array_elements_text(CAST(CAST($1 AS text) AS json)))";

/// Says that a process lives.
pub(crate) const RENEW_LEASE: &str = "INSERT INTO instances (owner, lease_until) VALUES ($1, $2) \
     ON CONFLICT (owner) DO UPDATE SET lease_until = excluded.lease_until";

/// Holds whose time is up, or whose owner is dead.
pub(crate) const ABANDONED: &str = "SELECT r.id FROM reservations AS r \
     LEFT JOIN instances AS i ON i.owner = r.owner \
     WHERE r.deadline <= $1 OR i.owner IS NULL OR i.lease_until <= $1 ORDER BY r.id LIMIT 500";

/// Holds of one owner.
pub(crate) const HELD_BY: &str =
    "SELECT id FROM reservations WHERE owner = $1 ORDER BY id LIMIT 500";

/// Forgets a process.
pub(crate) const END_LEASE: &str = "DELETE FROM instances WHERE owner = $1";

/// Lets go of the leases that ended long ago.
pub(crate) const FORGET_LEASES: &str = "DELETE FROM instances WHERE lease_until <= $1 \
     AND NOT EXISTS (SELECT 1 FROM reservations AS r WHERE r.owner = instances.owner)";

/// The tokens that led to a replaced key lead to its new one.
pub(crate) const FORWARD_RETIRED: &str =
    "UPDATE retired_keys SET active_token = $2 WHERE active_token = $1";

/// How far a journal was shipped.
pub(crate) const POSITION: &str =
    "SELECT segment, position FROM journal_positions WHERE journal = $1";

/// Notes how far a journal was shipped.
pub(crate) const SET_POSITION: &str = "INSERT INTO journal_positions (journal, segment, position) VALUES ($1, $2, $3) \
     ON CONFLICT (journal) DO UPDATE SET segment = excluded.segment, position = excluded.position";

/// Requests of a journal that were sent and are not known to have ended.
pub(crate) const UNDER_WAY: &str =
    "SELECT charged FROM under_way WHERE journal = $1 ORDER BY id LIMIT 500";

/// Everything that is held.
pub(crate) const ALL_HELD: &str = "SELECT CAST(COALESCE(SUM(reserved), 0) AS BIGINT) FROM balances";

/// What the rows of a key, or of all keys, add up to.
pub(crate) const SUM_OF_ROWS: &str = "SELECT CAST(COALESCE(SUM(spend), 0) AS BIGINT), COUNT(*) FROM spend \
     WHERE (CAST($1 AS TEXT) IS NULL OR api_key = $1)";

/// Gives work to one instance: if it is due, and nobody does it or whoever did is late.
pub(crate) const BEGIN_JOB: &str = "INSERT INTO jobs (name, owner, busy_until, next_at) VALUES ($1, $2, $3, 0) \
     ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, busy_until = excluded.busy_until \
     WHERE jobs.next_at <= $4 AND (jobs.busy_until <= $4 OR jobs.owner = excluded.owner)";

/// Says that work is done, and when it is due again.
pub(crate) const END_JOB: &str =
    "UPDATE jobs SET busy_until = 0, next_at = $3 WHERE name = $1 AND owner = $2";

/// Removes the oldest rows from before a moment; answers when they began.
pub(crate) const FORGET_SPEND: &str = "DELETE FROM spend WHERE id IN \
     (SELECT id FROM spend WHERE start_time < $1 ORDER BY start_time, id LIMIT $2) RETURNING start_time";

/// Sets what a row cost, unless somebody else has.
pub(crate) const REPRICE: &str = "UPDATE spend SET spend = $2, price_digest = $3, price_gap = $4 \
     WHERE id = $1 AND spend = $5";

/// Adds to what an account ever spent, and to what it spent in the present window if the charge's moment is in it. What an
/// administrator set to nothing does not become less than that.
pub(crate) const ADJUST_CHARGE: &str = "UPDATE balances SET total = total + CAST($4 AS BIGINT), \
     spent = CASE WHEN resets_at <= $5 OR began_at > $5 THEN spent \
     WHEN spent + CAST($4 AS BIGINT) < 0 THEN 0 ELSE spent + CAST($4 AS BIGINT) END \
     WHERE scope = $1 AND id = $2 AND meter = $3";

/// Raises an alert, once.
pub(crate) const RAISE: &str =
    "INSERT INTO alerts (name, raised_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

/// Forgets alerts whose window is long over.
pub(crate) const FORGET_ALERTS: &str = "DELETE FROM alerts WHERE raised_at < $1";

/// Accounts that were charged since a moment.
pub(crate) const CHARGED_SINCE: &str = "SELECT scope, id, meter, spent, reserved, total, resets_at, charged_at FROM balances \
     WHERE charged_at > $1 AND scope <> 'session' ORDER BY charged_at LIMIT $2";

/// Reading changes: by who, with which key, what, to which table, to which row, a part of its name, from, until.
pub(crate) struct Audit {
    pub(crate) newest: &'static str,
    pub(crate) oldest: &'static str,
    pub(crate) count: &'static str,
}

/// Reading changes.
pub(crate) static AUDIT: LazyLock<Audit> = LazyLock::new(|| {
    let texts = [
        "changed_by",
        "changed_by_api_key",
        "action",
        "table_name",
        "object_id",
    ];
    let equal = texts
        .iter()
        .zip(1..)
        .map(|(column, at)| format!("(CAST(${at} AS TEXT) IS NULL OR {column} = ${at})"));
    let matching = equal.collect::<Vec<_>>().join(" AND ");
    let matching = format!(
        "{matching} AND (CAST($6 AS TEXT) IS NULL OR object_id LIKE $6 ESCAPE '!') \
         AND (CAST($7 AS BIGINT) IS NULL OR updated_at >= $7) \
         AND (CAST($8 AS BIGINT) IS NULL OR updated_at < $8)"
    );
    let columns = AuditEntry::COLUMNS.join(", ");
    let page = |order: &str| -> &'static str {
        format!(
            "SELECT {columns} FROM audit_log WHERE {matching} \
             ORDER BY updated_at {order}, id {order} LIMIT $9 OFFSET $10"
        )
        .leak()
    };
    Audit {
        newest: page("DESC"),
        oldest: page("ASC"),
        count: format!("SELECT COUNT(*) FROM audit_log WHERE {matching}").leak(),
    }
});

/// Statements whose text is made of the columns' names.
pub(crate) struct Made {
    /// Adds spend rows, leaving those that are there: SQLite only.
    pub(crate) add_spend_rows: Sized,
    /// Adds spend rows that come as JSON, leaving those that are there: `$1` what they have in common, `$2` the rest of
    /// each. PostgreSQL only.
    pub(crate) add_spend_json: &'static str,
    /// Adds to the sums of days.
    pub(crate) add_days: Sized,
    /// Adds to the coarse ones.
    pub(crate) add_totals: Sized,
    /// Adds to balances: what was spent, in which window, and what is no longer held.
    pub(crate) add_balances: Sized,
    /// Notes requests that were sent.
    pub(crate) add_under_way: Sized,
    /// Forgets them: they ended.
    pub(crate) end_under_way: Sized,
}

/// Statements whose text is made of the columns' names.
pub(crate) static MADE: LazyLock<Made> = LazyLock::new(|| Made {
    add_spend_rows: Sized::new(|values| {
        // Whoever fails is in a transaction that ends: without `OR FAIL`, what each statement of several rows changes would be
        // written down before, to be undone alone.
        format!(
            "INSERT OR FAIL INTO spend ({}) VALUES {} ON CONFLICT (id) DO NOTHING",
            SpendRow::COLUMNS.join(", "),
            values.rows(SpendRow::COLUMNS.len())
        )
    }),
    add_spend_json: {
        let cells = SpendRow::default().cells();
        let typed = SpendRow::COLUMNS.iter().zip(&cells);
        let typed = typed.map(|(column, cell)| match cell {
            Cell::Text(_) => format!("{column} text"),
            Cell::Integer(_) => format!("{column} bigint"),
        });
        let typed = typed.collect::<Vec<_>>().join(", ");
        let values = SpendRow::COLUMNS.iter();
        let values = values.map(|column| format!("COALESCE(x.{column}, c.{column})"));
        format!(
            "INSERT INTO spend ({}) SELECT {} FROM json_to_record(CAST(CAST($1 AS text) AS json)) AS c({typed}), \
             json_to_recordset(CAST(CAST($2 AS text) AS json)) AS x({typed}) ON CONFLICT (id) DO NOTHING",
            SpendRow::COLUMNS.join(", "),
            values.collect::<Vec<_>>().join(", ")
        )
        .leak()
    },
    add_days: Sized::new(|values| add_days("spend_days", values)),
    add_totals: Sized::new(|values| add_days("spend_totals", values)),
    add_balances: Sized::new(|values| {
        // A charge behind the window's end opens the next one; one from before its beginning is part of the total alone.
        format!(
            "INSERT INTO balances (scope, id, meter, spent, reserved, total, resets_at, charged_at) VALUES {} \
             ON CONFLICT (scope, id, meter) DO UPDATE SET \
             spent = CASE WHEN balances.resets_at <= excluded.charged_at THEN excluded.spent \
             WHEN excluded.charged_at < balances.began_at THEN balances.spent \
             ELSE balances.spent + excluded.spent END, \
             reserved = balances.reserved + excluded.reserved, \
             total = balances.total + excluded.total, \
             began_at = CASE WHEN balances.resets_at <= excluded.charged_at THEN balances.resets_at \
             ELSE balances.began_at END, \
             resets_at = CASE WHEN balances.resets_at > excluded.charged_at THEN balances.resets_at \
             ELSE excluded.resets_at END, \
             charged_at = CASE WHEN excluded.charged_at > balances.charged_at THEN excluded.charged_at \
             ELSE balances.charged_at END",
            values.rows(8)
        )
    }),
    add_under_way: Sized::new(|values| {
        format!(
            "INSERT INTO under_way (id, journal, charged) VALUES {} \
             ON CONFLICT (id) DO UPDATE SET charged = excluded.charged",
            values.rows(3)
        )
    }),
    end_under_way: Sized::new(|values| {
        format!("DELETE FROM under_way WHERE id IN ({})", values.each())
    }),
});

fn add_days(table: &str, values: Values) -> String {
    let sums = SpendDay::COLUMNS.iter().skip(SpendDay::KEY.len());
    let sums: Vec<String> = sums
        .map(|sum| format!("{sum} = {table}.{sum} + excluded.{sum}"))
        .collect();
    format!(
        "INSERT INTO {table} ({}) VALUES {} ON CONFLICT ({}) DO UPDATE SET {}",
        SpendDay::COLUMNS.join(", "),
        values.rows(SpendDay::COLUMNS.len()),
        SpendDay::KEY.join(", "),
        sums.join(", ")
    )
}

/// All statements that the store ever runs.
pub fn all() -> Vec<Statement> {
    let both = |name, text| Statement {
        name,
        text,
        only: None,
    };
    let postgres = |name, text| Statement {
        name,
        text,
        only: Some(Dialect::Postgres),
    };
    let mut all = vec![
        both("changes", CHANGES),
        both("tell", TELL),
        both("forget changes", FORGET_CHANGES),
        both("balance", BALANCE),
        postgres("balances", BALANCES),
        both("open balance", OPEN_BALANCE),
        both("set spent", SET_SPENT),
        both("adjust spent", ADJUST_SPENT),
        both("set window", SET_WINDOW),
        both("meters", METERS),
        both("forget spent", FORGET_SPENT),
        both("set balance", SET_BALANCE),
        postgres("hold", HOLD),
        postgres("end holds", END_HOLDS),
        postgres("shrink holds", SHRINK_HOLDS),
        postgres("known spend", KNOWN_SPEND),
        postgres("add spend json", MADE.add_spend_json),
        both("renew lease", RENEW_LEASE),
        both("abandoned", ABANDONED),
        both("held by", HELD_BY),
        both("end lease", END_LEASE),
        both("forget leases", FORGET_LEASES),
        both("forward retired", FORWARD_RETIRED),
        both("position", POSITION),
        both("set position", SET_POSITION),
        both("under way", UNDER_WAY),
        both("all held", ALL_HELD),
        both("sum of rows", SUM_OF_ROWS),
        both("begin job", BEGIN_JOB),
        both("end job", END_JOB),
        both("forget spend", FORGET_SPEND),
        both("reprice", REPRICE),
        both("adjust charge", ADJUST_CHARGE),
        both("raise", RAISE),
        both("forget alerts", FORGET_ALERTS),
        both("charged since", CHARGED_SINCE),
        both("audit", AUDIT.newest),
        both("audit", AUDIT.oldest),
        both("audit", AUDIT.count),
    ];
    for (name, sized) in [
        ("add days", MADE.add_days),
        ("add totals", MADE.add_totals),
        ("add balances", MADE.add_balances),
        ("add under way", MADE.add_under_way),
        ("end under way", MADE.end_under_way),
    ] {
        all.extend(
            sized
                .of(Dialect::Postgres)
                .map(|(_, text)| postgres(name, text)),
        );
        all.extend(sized.of(Dialect::Sqlite).map(|(_, text)| Statement {
            only: Some(Dialect::Sqlite),
            ..both(name, text)
        }));
    }
    let rows = MADE.add_spend_rows.of(Dialect::Sqlite);
    all.extend(rows.map(|(_, text)| Statement {
        only: Some(Dialect::Sqlite),
        ..both("add spend rows", text)
    }));
    let kept = texts::ALL.iter().chain(&texts::SWEEPING);
    all.extend(kept.map(|(name, text)| both(name, text)));
    all.extend(REPORTS.all().map(|(name, text)| both(name, text)));
    all.extend(NAMES.all().map(|text| both("names", text)));
    for crud in tables() {
        let Crud {
            insert,
            add,
            update,
            delete,
            get,
            lock,
            list,
            count,
        } = crud;
        all.extend([insert, add, update, delete, get, list, count].map(|text| both("table", text)));
        all.push(postgres("table", lock));
    }
    for finder in finders() {
        all.extend([finder.up, finder.down, finder.count].map(|text| both("search", text)));
    }
    all
}

fn finders() -> Vec<&'static Finder> {
    vec![
        Key::finder(),
        User::finder(),
        Team::finder(),
        Organization::finder(),
    ]
}

fn tables() -> Vec<&'static Crud> {
    vec![
        Key::crud(),
        RetiredKey::crud(),
        DeletedKey::crud(),
        Team::crud(),
        DeletedTeam::crud(),
        TeamMember::crud(),
        User::crud(),
        Organization::crud(),
        OrganizationMember::crud(),
        Customer::crud(),
        Budget::crud(),
        Tag::crud(),
        AccessGroup::crud(),
        Project::crud(),
        Credential::crud(),
        Invitation::crud(),
        KeyMapping::crud(),
        Model::crud(),
        AuditEntry::crud(),
        SpendRow::crud(),
        SpendDay::crud(),
    ]
}
