-- Who made what the gateway keeps. What was made before is nobody's, and stays everybody's.

ALTER TABLE kept_files ADD COLUMN owner TEXT;
ALTER TABLE kept_batches ADD COLUMN owner TEXT;
