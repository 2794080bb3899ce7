-- The newest of one owner.

CREATE INDEX kept_files_by_owner ON kept_files (owner, created_at, id);
CREATE INDEX kept_batches_by_owner ON kept_batches (owner, created_at, id);
