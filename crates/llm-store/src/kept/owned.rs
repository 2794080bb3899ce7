//! The texts of lists of one owner: what is the owner's and what is nobody's are found by the index apart, each no longer
//! than the page, so that a list does not go through what others keep.

/// A page of a table's rows: which columns, which rows, the places of the owner and the limit, and in which order.
macro_rules! owned {
    ($columns:literal from $table:literal where $matching:literal, $owner:literal, $limit:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $table,
            " JOIN (SELECT o.id AS found FROM (SELECT id, created_at FROM ",
            $table,
            " WHERE owner = ",
            $owner,
            " AND ",
            $matching,
            " ORDER BY ",
            $order,
            " LIMIT ",
            $limit,
            ") AS o UNION ALL SELECT n.id AS found FROM (SELECT id, created_at FROM ",
            $table,
            " WHERE owner IS NULL AND ",
            $matching,
            " ORDER BY ",
            $order,
            " LIMIT ",
            $limit,
            ") AS n) AS p ON p.found = ",
            $table,
            ".id ORDER BY ",
            $order,
            " LIMIT ",
            $limit
        )
    };
}

/// Parameters: 1 now, 2 purpose, 3 behind which, 4 limit, 5 owner.
macro_rules! files {
    ($order:literal, $matching:literal) => {
        owned!("id, filename, purpose, bytes, created_at, expires_at, owner" from "kept_files" where $matching, "$5", "$4", $order)
    };
}

/// Parameters: 1 behind which, 2 limit, 3 owner.
macro_rules! batches {
    ($order:literal, $matching:literal) => {
        owned!("state, cancelling_at, stage, \
            CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 1) ELSE 0 END, \
            CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 0) ELSE 0 END"
            from "kept_batches" where $matching, "$3", "$2", $order)
    };
}

pub(crate) const FILES_NEWEST: &str = files!(
    "created_at DESC, id DESC",
    "is_shown = 1 AND (expires_at IS NULL OR expires_at > $1) AND (CAST($2 AS TEXT) IS NULL OR purpose = $2) \
     AND (CAST($3 AS TEXT) IS NULL OR (created_at, id) < (SELECT a.created_at, a.id FROM kept_files AS a \
     WHERE a.id = $3 AND (a.owner IS NULL OR a.owner = $5)))"
);

pub(crate) const FILES_OLDEST: &str = files!(
    "created_at, id",
    "is_shown = 1 AND (expires_at IS NULL OR expires_at > $1) AND (CAST($2 AS TEXT) IS NULL OR purpose = $2) \
     AND (CAST($3 AS TEXT) IS NULL OR (created_at, id) > (SELECT a.created_at, a.id FROM kept_files AS a \
     WHERE a.id = $3 AND (a.owner IS NULL OR a.owner = $5)))"
);

pub(crate) const BATCHES_NEWEST: &str = batches!(
    "created_at DESC, id DESC",
    "(CAST($1 AS TEXT) IS NULL OR (created_at, id) < (SELECT b.created_at, b.id FROM kept_batches AS b \
     WHERE b.id = $1 AND (b.owner IS NULL OR b.owner = $3)))"
);

pub(crate) const BATCHES_OLDEST: &str = batches!(
    "created_at, id",
    "(CAST($1 AS TEXT) IS NULL OR (created_at, id) > (SELECT b.created_at, b.id FROM kept_batches AS b \
     WHERE b.id = $1 AND (b.owner IS NULL OR b.owner = $3)))"
);
