"""A LiteLLM database is taken over by one command, and its keys go on to work."""

import hashlib
import os
import subprocess

import httpx
import openai
import pytest
from conftest import CONFIG, KEY, Gateway
from servers import Postgres

THEIRS = "sk-made-by-litellm-1234567890"

TABLES = """
CREATE TABLE "LiteLLM_TeamTable" (team_id text, team_alias text, models text[], metadata jsonb, max_budget double precision,
    spend double precision, blocked boolean, members_with_roles jsonb, budget_duration text, tpm_limit bigint, rpm_limit bigint);
CREATE TABLE "LiteLLM_UserTable" (user_id text, user_role text, user_email text, models text[], metadata jsonb, teams text[],
    max_budget double precision, spend double precision, budget_duration text, tpm_limit bigint, rpm_limit bigint);
CREATE TABLE "LiteLLM_VerificationToken" (token text, key_name text, key_alias text, spend double precision, models text[],
    aliases jsonb, config jsonb, permissions jsonb, metadata jsonb, user_id text, team_id text, max_budget double precision, blocked boolean,
    budget_duration text, expires timestamp, tpm_limit bigint, rpm_limit bigint, max_parallel_requests int, allowed_routes text[]);
INSERT INTO "LiteLLM_TeamTable" VALUES ('crew', 'the crew', '{}', '{}', 10, 1.5, false, '[]', null, null, null);
INSERT INTO "LiteLLM_UserTable" VALUES ('ada', 'internal_user', 'ada@example.com', '{}', '{}', '{crew}', null, 0.25, null, null, null);
"""

KEYS = """
INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, models, aliases, config, permissions, metadata, user_id, team_id, max_budget)
VALUES ('{token}', 'sk-...7890', 'ci', 0.123456789, '{{gpt-4o}}', '{{}}', '{{}}', '{{}}', '{{"cost_centre": "a''b"}}', 'ada', 'crew', 5);
"""


@pytest.fixture(scope="module")
def theirs():
    server = Postgres()
    server.ask(TABLES)
    server.ask(KEYS.format(token=hashlib.sha256(THEIRS.encode()).hexdigest()))
    yield server
    server.close()


def run(config, theirs, *more):
    command = [os.environ["INTERLINGUA_GATEWAY"], "--config", str(config), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=config.parent)


def test_keys_of_litellm_go_on_to_work(theirs, upstream, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY))
    ours = str(tmp_path / "ours.db")
    command = ["--db", ours, "import", "--from-litellm-db", theirs.url]
    dry = run(config, theirs, *command, "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert "Nothing was written. Everything could be imported." in dry.stdout
    done = run(config, theirs, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything is here, and equal." in done.stdout
    again = run(config, theirs, *command)
    assert again.returncode == 0 and "Everything is here, and equal." in again.stdout

    gateway = Gateway(["--config", str(config), "--db", ours])
    try:
        client = openai.OpenAI(api_key=THEIRS, base_url=gateway.url, max_retries=0)
        messages = [{"role": "user", "content": "Hi"}]
        assert client.chat.completions.create(model="gpt-4o", messages=messages).choices
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="claude", messages=messages)
        headers = {"Authorization": f"Bearer {KEY}"}
        info = httpx.get(f"{gateway.url}/key/info", params={"key": THEIRS}, headers=headers, timeout=30).json()["info"]
        assert (info["key_alias"], info["user_id"], info["team_id"], info["max_budget"]) == ("ci", "ada", "crew", 5)
        assert info["metadata"]["cost_centre"] == "a'b"
        assert info["spend"] > 0.123456789
        team = httpx.get(f"{gateway.url}/team/info", params={"team_id": "crew"}, headers=headers, timeout=30).json()["team_info"]
        assert team["team_alias"] == "the crew" and team["spend"] > 1.5
    finally:
        assert gateway.stop() == 0


def test_a_database_that_is_away_is_named(upstream, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY))
    away = "postgres://nobody:secret@127.0.0.1:1/none"
    failed = run(config, None, "--db", str(tmp_path / "ours.db"), "import", "--from-litellm-db", away)
    assert failed.returncode != 0
    assert "secret" not in failed.stdout + failed.stderr
    assert "importing" in failed.stderr or "importing" in failed.stdout
