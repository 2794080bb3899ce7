"""Several gateways over one PostgreSQL: one budget, one row for each request, and a database that goes and comes."""

import collections
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import KEY, Gateway
from servers import Postgres, Redis, until

HEADERS = {"Authorization": f"Bearer {KEY}"}

#: Every answer has seven tokens, and no question costs anything: a request costs what is held for it.
CONFIG = """
model_list:
  - model_name: priced
    litellm_params:
      {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream, input_cost_per_token: 0, output_cost_per_token: 0.001}}
router_settings: {{num_retries: 0, disable_cooldowns: true, redis_host: 127.0.0.1, redis_port: {redis}}}
general_settings:
  master_key: {key}
  database_url: "{database}"
  database_connection_pool_limit: 8
  database_connection_timeout: 2
  spend_journal_folder: os.environ/JOURNAL
"""

#: What one request costs, in nano-dollars.
COST = 7_000_000


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = Redis(str(tmp_path_factory.mktemp("redis")))
    yield server
    server.kill()


@pytest.fixture
def start(upstream, postgres, redis, tmp_path):
    config = tmp_path / "config.yaml"
    fields = {"url": upstream.url, "redis": redis.port, "database": postgres.url, "key": KEY}
    config.write_text(CONFIG.format(**fields))
    running = []

    def start(name):
        journal = str(tmp_path / name)
        gateway = Gateway(["--config", str(config)], {"JOURNAL": journal})
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def make_key(gateway, **fields):
    made = httpx.post(f"{gateway.url}/key/generate", headers=HEADERS, json=fields, timeout=30).json()
    return made["key"], made["token"]


def ask(gateway, key, client=httpx, stream=False):
    """The status of an answer and its id; no status if it did not come whole."""
    body = {"model": "priced", "max_tokens": 7, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    try:
        answer = client.post(f"{gateway.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    except httpx.HTTPError:
        return None, None
    if answer.status_code == 200 and stream and not answer.content.endswith(b"data: [DONE]\n\n"):
        return None, None
    return answer.status_code, answer.headers.get("x-litellm-call-id")


def books(postgres, token):
    """What a key has spent and what is held on it, and the sum and the number of its rows."""
    [[spent, held]] = postgres.ask(f"SELECT spent, reserved FROM balances WHERE scope = 'key' AND id = '{token}' AND meter = ''")
    [[total, rows]] = postgres.ask(f"SELECT COALESCE(SUM(spend), 0), COUNT(*) FROM spend WHERE api_key = '{token}'")
    return int(spent), int(held), int(total), int(rows)


def test_three_gateways_share_a_budget_and_one_is_killed(start, postgres):
    gateways = [start(f"journal-{n}") for n in range(3)]
    key, token = make_key(gateways[0], max_budget=0.7)
    dice, answered, killed = random.Random(11), threading.Semaphore(0), gateways[2]

    def one(n):
        status, _ = ask(gateways[n % 3], key)
        answered.release()
        return status

    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(one, n) for n in range(500)]
        for _ in range(dice.randrange(20, 60)):
            answered.acquire()
        killed.process.kill()
        killed.wait()
        # What the killed one had sent is in its journal, and what it held is let go of. It comes back while others are asked:
        # after its lease, what it had spent would be there to be spent again for as long as nobody opens the journal.
        gateways.append(start("journal-2"))
        statuses = collections.Counter(one.result() for one in asked)
    assert set(statuses) <= {200, 422, None}, statuses
    until(lambda: books(postgres, token)[1] == 0, "nothing is held")
    later = 0
    while ask(gateways[0], key)[0] == 200:
        later += 1
    assert later <= 8, "it had taken some, and not asked for them yet"

    def all_is_written():
        spent, _, total, rows = books(postgres, token)
        return spent == total and rows >= statuses[200] + later

    until(all_is_written, "every row is in the database")
    spent, held, total, rows = books(postgres, token)
    assert (spent, held, rows) == (100 * COST, 0, 100)


def test_a_killed_gateway_that_never_returns_holds_nothing_for_long(start, postgres, upstream):
    staying, leaving = start("journal-a"), start("journal-b")
    key, token = make_key(staying, max_budget=0.007)
    upstream.release.clear()
    upstream.holding.clear()
    body = {"model": "priced", "max_tokens": 7, "messages": [{"role": "user", "content": "hi"}]}
    made = httpx.post(
        f"{leaving.url}/model/new",
        headers=HEADERS,
        json={
            "model_name": "held",
            "litellm_params": {"model": "openai/held", "api_base": f"{upstream.url}/v1", "api_key": "sk-x", "input_cost_per_token": 0, "output_cost_per_token": 0.001},
        },
        timeout=30,
    )
    assert made.status_code == 200, made.text
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.post, f"{leaving.url}/v1/chat/completions", json={**body, "model": "held"}, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        assert upstream.holding.wait(30)
        assert ask(staying, key)[0] == 422, "all is held"
        leaving.process.kill()
        leaving.wait()
        upstream.release.set()
        assert isinstance(waiting.exception(), httpx.HTTPError)
    until(lambda: books(postgres, token)[1] == 0, "its lease ends", 90)
    assert ask(staying, key)[0] == 200


def test_the_database_is_killed_and_frozen_under_load(start, postgres):
    gateway = start("journal")
    key, token = make_key(gateway, max_budget=100)
    stop, seen = threading.Event(), []

    def load(seed):
        dice = random.Random(seed)
        with httpx.Client() as client:
            while not stop.is_set():
                seen.append(ask(gateway, key, client, stream=dice.random() < 0.5))

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(load, seed) for seed in range(6)]
        try:
            for way, back in ((postgres.kill, postgres.start), (postgres.freeze, postgres.thaw), (postgres.kill, postgres.start)):
                until_served(seen)
                way()
                until(lambda: ready(gateway).status_code == 503, "readiness says so", 10)
                back()
                until(lambda: ready(gateway).status_code == 200, "it recovers by itself")
            until_served(seen)
        finally:
            stop.set()
        for one in asking:
            one.result()
    statuses = collections.Counter(status for status, _ in seen)
    assert set(statuses) <= {200, 503}, statuses
    whole = [call for status, call in seen if status == 200]

    def rows():
        return dict(postgres.ask(f"SELECT call_id, COUNT(*) FROM spend WHERE api_key = '{token}' GROUP BY call_id"))

    until(lambda: len(rows()) >= len(whole), "every row is in the database")
    written = rows()
    assert [call for call in whole if written.get(call) != "1"] == []
    until(lambda: books(postgres, token)[1] == 0, "nothing is held")
    spent, _, total, _ = books(postgres, token)
    assert spent == total
    [[connections]] = postgres.ask("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()")
    assert int(connections) <= 8
    assert gateway.stop() == 0


def ready(gateway):
    return httpx.get(f"{gateway.url}/health/readiness", timeout=30)


def until_served(seen):
    """Some more requests are answered."""
    so_far = len(seen)
    until(lambda: sum(status == 200 for status, _ in seen[so_far:]) >= 10, "requests are served")
