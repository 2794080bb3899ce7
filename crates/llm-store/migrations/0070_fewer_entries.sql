-- What most requests do not have needs no entry in an index: a row is added with fewer of them.

DROP INDEX spend_by_user;
DROP INDEX spend_by_team;
DROP INDEX spend_by_session;
DROP INDEX spend_by_request;
CREATE INDEX spend_by_user ON spend (user_id, start_time) WHERE user_id IS NOT NULL;
CREATE INDEX spend_by_team ON spend (team_id, start_time) WHERE team_id IS NOT NULL;
CREATE INDEX spend_by_session ON spend (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX spend_by_request ON spend (request_id) WHERE request_id IS NOT NULL;
