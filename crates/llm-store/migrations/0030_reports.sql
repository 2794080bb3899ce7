-- What reports look for. Sums of days get coarser ones beside them: `all` is everything by model, provider and operation;
-- `key_total`, `user_total` and so on are one row for each entity and day.

ALTER TABLE spend ADD COLUMN error_code TEXT;
ALTER TABLE spend ADD COLUMN error_class TEXT;
ALTER TABLE spend_days ADD COLUMN cache_hits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE spend_days ADD COLUMN cached_completion_tokens BIGINT NOT NULL DEFAULT 0;

-- The columns behind the id are there to be sorted by without a look at the rows.
DROP INDEX spend_by_time;
CREATE INDEX spend_by_time ON spend (start_time, id, spend, total_tokens, end_time);
CREATE INDEX spend_by_model ON spend (model, start_time);
CREATE INDEX spend_by_end_user ON spend (end_user, start_time) WHERE end_user IS NOT NULL;
CREATE INDEX spend_failed ON spend (start_time, id) WHERE status <> 'success';
CREATE INDEX spend_by_call ON spend (call_id);

CREATE INDEX spend_days_by_entity ON spend_days (dimension, entity, day);
CREATE INDEX spend_days_by_key ON spend_days (dimension, api_key, day);

INSERT INTO spend_days (day, dimension, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens,
    completion_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, api_requests,
    successful_requests, failed_requests, total_response_time_ms, timed_requests)
SELECT day, 'all', '', '', model, model_group, provider, endpoint, SUM(spend), SUM(prompt_tokens),
    SUM(completion_tokens), SUM(total_tokens), SUM(cache_read_input_tokens), SUM(cache_creation_input_tokens),
    SUM(api_requests), SUM(successful_requests), SUM(failed_requests), SUM(total_response_time_ms), SUM(timed_requests)
FROM spend_days WHERE dimension = 'user' GROUP BY day, model, model_group, provider, endpoint;

INSERT INTO spend_days (day, dimension, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens,
    completion_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, api_requests,
    successful_requests, failed_requests, total_response_time_ms, timed_requests)
SELECT day, 'key_total', api_key, '', '', '', '', '', SUM(spend), SUM(prompt_tokens),
    SUM(completion_tokens), SUM(total_tokens), SUM(cache_read_input_tokens), SUM(cache_creation_input_tokens),
    SUM(api_requests), SUM(successful_requests), SUM(failed_requests), SUM(total_response_time_ms), SUM(timed_requests)
FROM spend_days WHERE dimension = 'user' GROUP BY day, api_key;

INSERT INTO spend_days (day, dimension, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens,
    completion_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, api_requests,
    successful_requests, failed_requests, total_response_time_ms, timed_requests)
SELECT day, dimension || '_total', entity, '', '', '', '', '', SUM(spend), SUM(prompt_tokens),
    SUM(completion_tokens), SUM(total_tokens), SUM(cache_read_input_tokens), SUM(cache_creation_input_tokens),
    SUM(api_requests), SUM(successful_requests), SUM(failed_requests), SUM(total_response_time_ms), SUM(timed_requests)
FROM spend_days WHERE dimension IN ('user', 'team', 'organization', 'customer', 'tag') GROUP BY day, dimension, entity;

-- Work that one instance does at a time, until its time is up.
CREATE TABLE jobs (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    busy_until BIGINT NOT NULL,
    next_at BIGINT NOT NULL
);

-- Alerts that were raised: each once for its window.
CREATE TABLE alerts (
    name TEXT NOT NULL PRIMARY KEY,
    raised_at BIGINT NOT NULL
);
CREATE INDEX alerts_by_time ON alerts (raised_at);
CREATE INDEX balances_by_charge ON balances (charged_at);
