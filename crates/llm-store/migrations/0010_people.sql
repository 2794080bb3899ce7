-- Invitations: whoever has one sets a password once.
CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    is_accepted BIGINT NOT NULL,
    accepted_at BIGINT,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT
);
CREATE INDEX invitations_by_user ON invitations (user_id);

CREATE INDEX keys_by_organization ON keys (organization_id);
CREATE INDEX keys_by_rotation ON keys (key_rotation_at);
CREATE INDEX keys_by_budget ON keys (budget_id);
