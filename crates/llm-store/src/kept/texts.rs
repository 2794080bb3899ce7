//! The statements of what is kept, for both databases.

use super::owned;

pub(crate) const BEGIN_FILE: &str = "INSERT INTO kept_files (id, filename, purpose, bytes, created_at, expires_at, is_shown, owner) \
     SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT), 0, CAST($8 AS TEXT) \
     WHERE CAST($4 AS BIGINT) = 0 OR CAST($4 AS BIGINT) <= CAST($7 AS BIGINT) - (SELECT COALESCE(SUM(bytes), 0) FROM kept_files) \
     ON CONFLICT (id) DO NOTHING";

pub(crate) const SHOW_FILE: &str = "UPDATE kept_files SET filename = $2, purpose = $3, bytes = $4, created_at = $5, expires_at = $6, is_shown = 1 \
     WHERE id = $1";

/// One that is hidden expired long ago: whoever cannot remove it now leaves that to the next sweep.
pub(crate) const HIDE_FILE: &str =
    "UPDATE kept_files SET is_shown = 0, expires_at = 0 WHERE id = $1 AND is_shown = 1";

pub(crate) const FORGET_FILE: &str = "DELETE FROM kept_files WHERE id = $1 AND is_shown = 0";

pub(crate) const FILE: &str = "SELECT id, filename, purpose, bytes, created_at, expires_at, owner FROM kept_files WHERE id = $1 AND is_shown = 1";

pub(crate) const EXPIRED_FILES: &str =
    "SELECT id FROM kept_files WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";

pub(crate) const FILES_NEWEST: &str = "SELECT id, filename, purpose, bytes, created_at, expires_at, owner FROM kept_files \
     WHERE is_shown = 1 AND (expires_at IS NULL OR expires_at > $1) AND (CAST($2 AS TEXT) IS NULL OR purpose = $2) \
     AND (CAST($3 AS TEXT) IS NULL OR (created_at, id) < (SELECT a.created_at, a.id FROM kept_files AS a WHERE a.id = $3 \
     AND (CAST($5 AS TEXT) IS NULL OR a.owner IS NULL OR a.owner = $5))) \
     AND (CAST($5 AS TEXT) IS NULL OR owner IS NULL OR owner = $5) \
     ORDER BY created_at DESC, id DESC LIMIT $4";

pub(crate) const FILES_OLDEST: &str = "SELECT id, filename, purpose, bytes, created_at, expires_at, owner FROM kept_files \
     WHERE is_shown = 1 AND (expires_at IS NULL OR expires_at > $1) AND (CAST($2 AS TEXT) IS NULL OR purpose = $2) \
     AND (CAST($3 AS TEXT) IS NULL OR (created_at, id) > (SELECT a.created_at, a.id FROM kept_files AS a WHERE a.id = $3 \
     AND (CAST($5 AS TEXT) IS NULL OR a.owner IS NULL OR a.owner = $5))) \
     AND (CAST($5 AS TEXT) IS NULL OR owner IS NULL OR owner = $5) \
     ORDER BY created_at, id LIMIT $4";

pub(crate) const PUT_PIECE: &str = "INSERT INTO kept_pieces (file_id, number, piece) VALUES ($1, $2, $3) \
     ON CONFLICT (file_id, number) DO UPDATE SET piece = excluded.piece";

pub(crate) const PIECE: &str = "SELECT piece FROM kept_pieces WHERE file_id = $1 AND number = $2";

pub(crate) const FORGET_PIECES: &str = "DELETE FROM kept_pieces WHERE file_id = $1 AND number IN \
     (SELECT p.number FROM kept_pieces AS p WHERE p.file_id = $1 ORDER BY p.number LIMIT 16)";

pub(crate) const MAKE_BATCH: &str = "INSERT INTO kept_batches (id, state, created_at, owner, stage, leased_until) VALUES ($1, $2, $3, $4, 0, 0)";

pub(crate) const BATCH: &str = "SELECT state, cancelling_at, stage, \
     CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 1) ELSE 0 END, \
     CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 0) ELSE 0 END \
     FROM kept_batches WHERE id = $1";

pub(crate) const BATCHES_NEWEST: &str = "SELECT state, cancelling_at, stage, \
     CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 1) ELSE 0 END, \
     CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 0) ELSE 0 END \
     FROM kept_batches \
     WHERE (CAST($1 AS TEXT) IS NULL OR (created_at, id) < (SELECT b.created_at, b.id FROM kept_batches AS b WHERE b.id = $1 \
     AND (CAST($3 AS TEXT) IS NULL OR b.owner IS NULL OR b.owner = $3))) \
     AND (CAST($3 AS TEXT) IS NULL OR owner IS NULL OR owner = $3) \
     ORDER BY created_at DESC, id DESC LIMIT $2";

pub(crate) const BATCHES_OLDEST: &str = "SELECT state, cancelling_at, stage, \
     CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 1) ELSE 0 END, \
     CASE WHEN stage = 0 THEN (SELECT COUNT(*) FROM kept_answers AS a WHERE a.batch_id = kept_batches.id AND a.is_good = 0) ELSE 0 END \
     FROM kept_batches \
     WHERE (CAST($1 AS TEXT) IS NULL OR (created_at, id) > (SELECT b.created_at, b.id FROM kept_batches AS b WHERE b.id = $1 \
     AND (CAST($3 AS TEXT) IS NULL OR b.owner IS NULL OR b.owner = $3))) \
     AND (CAST($3 AS TEXT) IS NULL OR owner IS NULL OR owner = $3) \
     ORDER BY created_at, id LIMIT $2";

pub(crate) const CANCEL_BATCH: &str = "UPDATE kept_batches SET cancelling_at = $2 WHERE id = $1 AND stage = 0 AND cancelling_at IS NULL";

pub(crate) const FREE_BATCH: &str = "SELECT id FROM kept_batches WHERE stage = 0 AND leased_until <= $1 ORDER BY created_at, id LIMIT 1";

/// Gives a batch to one process: the row's lock decides between two.
pub(crate) const CLAIM_BATCH: &str = "UPDATE kept_batches SET runner = $2, leased_until = $3 \
     WHERE id = $1 AND stage = 0 AND leased_until <= $4";

pub(crate) const RENEW_BATCH: &str = "UPDATE kept_batches SET leased_until = $3 WHERE id = $1 AND runner = $2 AND stage = 0 \
     RETURNING CAST(CASE WHEN cancelling_at IS NULL THEN 0 ELSE 1 END AS BIGINT)";

pub(crate) const SAVE_BATCH: &str = "UPDATE kept_batches SET state = $3, stage = $4, ended_at = $5 WHERE id = $1 AND runner = $2 AND stage = 0";

pub(crate) const ENDED_BATCHES: &str =
    "SELECT id FROM kept_batches WHERE stage = 1 ORDER BY created_at, id LIMIT 100";

pub(crate) const CLEAR_BATCH: &str =
    "UPDATE kept_batches SET stage = 2 WHERE id = $1 AND stage = 1";

/// Removes some of those that ended long ago, whose answers are gone.
pub(crate) const FORGET_BATCHES: &str = "DELETE FROM kept_batches WHERE stage = 2 AND id IN \
     (SELECT b.id FROM kept_batches AS b WHERE b.ended_at <= $1 AND b.stage = 2 ORDER BY b.ended_at, b.id LIMIT $2)";

/// Keeps an answer of whoever works on the batch, once.
pub(crate) const ADD_ANSWER: &str = "INSERT INTO kept_answers (batch_id, line, is_good, bytes, answer) \
     SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS TEXT) \
     WHERE EXISTS (SELECT 1 FROM kept_batches AS b WHERE b.id = $1 AND b.runner = $6 AND b.stage = 0) \
     ON CONFLICT (batch_id, line) DO NOTHING";

pub(crate) const LINES: &str = "SELECT line FROM kept_answers WHERE batch_id = $1 ORDER BY line";

/// How long the next answers are, so that only as many are read as fit.
pub(crate) const ANSWER_SIZES: &str = "SELECT line, bytes FROM kept_answers WHERE batch_id = $1 AND line >= $2 ORDER BY line LIMIT 500";

pub(crate) const ANSWERS: &str = "SELECT line, is_good, answer FROM kept_answers WHERE batch_id = $1 AND line >= $2 AND line <= $3 ORDER BY line";

pub(crate) const FORGET_ANSWERS: &str = "DELETE FROM kept_answers WHERE batch_id = $1 AND line IN \
     (SELECT a.line FROM kept_answers AS a WHERE a.batch_id = $1 ORDER BY a.line LIMIT 500)";

pub(crate) const PUT_RESPONSE: &str = "INSERT INTO kept_responses (id, bytes, created_at, response) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes, created_at = excluded.created_at, response = excluded.response";

pub(crate) const RESPONSE: &str = "SELECT response FROM kept_responses WHERE id = $1";

pub(crate) const FORGET_RESPONSE: &str = "DELETE FROM kept_responses WHERE id = $1";

pub(crate) const SIZE_OF_RESPONSES: &str =
    "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT), COUNT(*) FROM kept_responses";

pub(crate) const OLD_RESPONSES: &str = "DELETE FROM kept_responses WHERE id IN \
     (SELECT r.id FROM kept_responses AS r WHERE r.created_at < $1 ORDER BY r.created_at, r.id LIMIT $2)";

/// All of them.
pub(crate) const ALL: [(&str, &str); 35] = [
    ("begin file", BEGIN_FILE),
    ("show file", SHOW_FILE),
    ("hide file", HIDE_FILE),
    ("forget file", FORGET_FILE),
    ("file", FILE),
    ("expired files", EXPIRED_FILES),
    ("files, newest first", FILES_NEWEST),
    ("files, oldest first", FILES_OLDEST),
    ("files of an owner, newest first", owned::FILES_NEWEST),
    ("files of an owner, oldest first", owned::FILES_OLDEST),
    ("put piece", PUT_PIECE),
    ("piece", PIECE),
    ("forget pieces", FORGET_PIECES),
    ("make batch", MAKE_BATCH),
    ("batch", BATCH),
    ("batches, newest first", BATCHES_NEWEST),
    ("batches, oldest first", BATCHES_OLDEST),
    ("batches of an owner, newest first", owned::BATCHES_NEWEST),
    ("batches of an owner, oldest first", owned::BATCHES_OLDEST),
    ("cancel batch", CANCEL_BATCH),
    ("free batch", FREE_BATCH),
    ("claim batch", CLAIM_BATCH),
    ("renew batch", RENEW_BATCH),
    ("save batch", SAVE_BATCH),
    ("ended batches", ENDED_BATCHES),
    ("clear batch", CLEAR_BATCH),
    ("forget batches", FORGET_BATCHES),
    ("add answer", ADD_ANSWER),
    ("lines", LINES),
    ("answer sizes", ANSWER_SIZES),
    ("answers", ANSWERS),
    ("forget answers", FORGET_ANSWERS),
    ("put response", PUT_RESPONSE),
    ("response", RESPONSE),
    ("forget response", FORGET_RESPONSE),
];

/// And those that sweep.
pub(crate) const SWEEPING: [(&str, &str); 2] = [
    ("size of responses", SIZE_OF_RESPONSES),
    ("old responses", OLD_RESPONSES),
];
