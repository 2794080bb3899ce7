-- What the gateway keeps itself: files in pieces, batches with the answers to their lines, and responses.

CREATE TABLE kept_files (
    id TEXT NOT NULL PRIMARY KEY,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    is_shown BIGINT NOT NULL
);
CREATE INDEX kept_files_by_time ON kept_files (created_at, id);
CREATE INDEX kept_files_by_end ON kept_files (expires_at);

CREATE TABLE kept_pieces (
    file_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    piece BYTEA NOT NULL,
    PRIMARY KEY (file_id, number)
);

-- Stage 0: not over; 1: over, and its answers are still there; 2: over.
CREATE TABLE kept_batches (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    stage BIGINT NOT NULL,
    cancelling_at BIGINT,
    runner TEXT,
    leased_until BIGINT NOT NULL
);
CREATE INDEX kept_batches_by_time ON kept_batches (created_at, id);
CREATE INDEX kept_batches_by_stage ON kept_batches (stage, created_at, id) WHERE stage < 2;

CREATE TABLE kept_answers (
    batch_id TEXT NOT NULL,
    line BIGINT NOT NULL,
    is_good BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (batch_id, line)
);
CREATE INDEX kept_answers_by_end ON kept_answers (batch_id, is_good);

CREATE TABLE kept_responses (
    id TEXT NOT NULL PRIMARY KEY,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    response TEXT NOT NULL
);
CREATE INDEX kept_responses_by_time ON kept_responses (created_at, id, bytes);
