-- A page of what cost most is read from an index. SQLite sorts in memory, and an index would cost its process with every request.
/* PostgreSQL: CREATE INDEX spend_by_spend ON spend (spend, start_time, id); */
