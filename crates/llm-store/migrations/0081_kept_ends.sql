-- When batches ended, so that they go some time later. Those that are over ended within a day.

ALTER TABLE kept_batches ADD COLUMN ended_at BIGINT;
UPDATE kept_batches SET ended_at = created_at + 86400000 WHERE stage > 0;
CREATE INDEX kept_batches_by_end ON kept_batches (ended_at, id) WHERE ended_at IS NOT NULL;
