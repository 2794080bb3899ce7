-- Tokens of identity providers that stand for a virtual key.
CREATE TABLE jwt_key_mappings (
    jwt_claim_name TEXT NOT NULL,
    jwt_claim_value TEXT NOT NULL,
    jwt_issuer TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    token TEXT NOT NULL,
    description TEXT,
    is_active BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    updated_at BIGINT NOT NULL,
    updated_by TEXT,
    PRIMARY KEY (jwt_claim_name, jwt_claim_value, jwt_issuer)
);
CREATE INDEX jwt_key_mappings_by_token ON jwt_key_mappings (token);
