"""A gateway that is killed at random moments under load: what a client saw whole has exactly one row."""

import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import CONFIG, KEY, Gateway

ROUNDS = 50
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def start(upstream, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY))

    def start():
        return Gateway(["--config", str(config), "--db", str(tmp_path / "gateway.db")])

    return start


def ask_until_killed(gateway, key, seed, whole):
    """Asks until nobody answers, and notes the id of every answer that came whole."""
    dice = random.Random(seed)
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        while True:
            path, end = dice.choice(
                [("/v1/chat/completions", b"data: [DONE]\n\n"), ("/v1/messages", b'"message_stop"'), (None, None)]
            )
            body = {"model": "claude", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
            try:
                if path is None:
                    answer = client.post(f"{gateway.url}/v1/chat/completions", json=body)
                    is_whole = answer.status_code == 200 and answer.json()["choices"]
                else:
                    answer = client.post(f"{gateway.url}{path}", json={**body, "stream": True})
                    is_whole = answer.status_code == 200 and end in answer.content
            except httpx.HTTPError:
                return
            assert is_whole, answer.text
            whole.append(answer.headers["x-litellm-call-id"])


def test_every_whole_answer_has_one_row(start, tmp_path):
    gateway = start()
    made = httpx.post(f"{gateway.url}/key/generate", headers=HEADERS, json={"max_budget": 100}, timeout=30)
    key, token = made.json()["key"], made.json()["token"]
    dice, whole = random.Random(7), []
    for round in range(ROUNDS):
        killer = threading.Timer(dice.uniform(0.02, 0.4), gateway.process.kill)
        with ThreadPoolExecutor(4) as clients:
            asking = [clients.submit(ask_until_killed, gateway, key, round * 4 + n, whole) for n in range(4)]
            killer.start()
        gateway.wait()
        for client in asking:
            client.result()
        gateway = start()
    # A reservation of the last process that died would show here, too.
    assert gateway.stop() == 0
    assert len(whole) > ROUNDS
    with sqlite3.connect(tmp_path / "gateway.db") as database:
        rows = database.execute("SELECT call_id, COUNT(*) FROM spend WHERE api_key = ? GROUP BY call_id", (token,))
        rows = dict(rows.fetchall())
        spent, sums = (
            database.execute(query, (token,)).fetchone()[0]
            for query in (
                "SELECT spent + reserved FROM balances WHERE scope = 'key' AND id = ? AND meter = ''",
                "SELECT SUM(spend) FROM spend WHERE api_key = ?",
            )
        )
    assert [call for call in whole if rows.get(call) != 1] == []
    assert spent == sums
