-- Failures are told apart in the index that finds them, which only they are in.
DROP INDEX spend_failed;
CREATE INDEX spend_failed ON spend (start_time, id, status, error_code) WHERE status <> 'success';

-- Coarse sums have a table of their own, because reports of everything read it from end to end: what lies between fine ones
-- is a page read for each. Beside those that there were, `begun` counts how many of the requests that are kept began in each
-- hour since 1970; its day is the hour and 1000000.
CREATE TABLE spend_totals (
    day TEXT NOT NULL,
    dimension TEXT NOT NULL,
    entity TEXT NOT NULL,
    api_key TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    spend BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cache_read_input_tokens BIGINT NOT NULL,
    cache_creation_input_tokens BIGINT NOT NULL,
    api_requests BIGINT NOT NULL,
    successful_requests BIGINT NOT NULL,
    failed_requests BIGINT NOT NULL,
    total_response_time_ms BIGINT NOT NULL,
    timed_requests BIGINT NOT NULL,
    cache_hits BIGINT NOT NULL DEFAULT 0,
    cached_completion_tokens BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (dimension, day, entity, api_key, model, model_group, provider, endpoint)
) /* SQLite: WITHOUT ROWID */;

INSERT INTO spend_totals (day, dimension, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens,
    completion_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, api_requests,
    successful_requests, failed_requests, total_response_time_ms, timed_requests, cache_hits, cached_completion_tokens)
SELECT day, dimension, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens,
    completion_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, api_requests,
    successful_requests, failed_requests, total_response_time_ms, timed_requests, cache_hits, cached_completion_tokens
FROM spend_days WHERE dimension IN ('all', 'key_total', 'user_total', 'team_total', 'organization_total',
    'customer_total', 'tag_total', 'agent_total') ORDER BY dimension, day, entity;
DELETE FROM spend_days WHERE dimension IN ('all', 'key_total', 'user_total', 'team_total', 'organization_total',
    'customer_total', 'tag_total', 'agent_total');

INSERT INTO spend_totals (day, dimension, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens,
    completion_tokens, total_tokens, cache_read_input_tokens, cache_creation_input_tokens, api_requests,
    successful_requests, failed_requests, total_response_time_ms, timed_requests)
SELECT CAST(1000000 + start_time / 3600000 AS TEXT), 'begun', '', '', '', '', '', '', 0, 0, 0, 0, 0, 0, COUNT(*), 0, 0, 0, 0
FROM spend GROUP BY start_time / 3600000;
