-- What administrators changed a moment ago, so that every instance forgets what it remembers of it.
CREATE TABLE changes (
    id TEXT NOT NULL PRIMARY KEY,
    table_name TEXT NOT NULL,
    object_id TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX changes_by_time ON changes (changed_at);
