"""Several gateways over one Redis: limits hold together, and Redis may go and come."""

import concurrent.futures

import httpx
import pytest
from conftest import KEY, Gateway
from servers import Redis, until

HEADERS = {"authorization": f"Bearer {KEY}"}

CONFIG = """
model_list:
  - model_name: limited
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream, rpm: 20}}
    model_info: {{id: limited}}
  - model_name: free
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream}}
router_settings: {{num_retries: 0, redis_host: 127.0.0.1, redis_port: {port}}}
general_settings: {{master_key: {key}}}
"""


@pytest.fixture
def redis(tmp_path):
    server = Redis(str(tmp_path))
    yield server
    server.kill()


@pytest.fixture
def instances(upstream, redis, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, port=redis.port, key=KEY))
    running = [Gateway(["--config", str(config)]) for _ in range(2)]
    for gateway in running:
        assert ask(gateway, "free").status_code == 200
        until(lambda: said(gateway, "Redis is there"), "Redis is found")
    yield running
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def said(gateway, words):
    return sum(words in line for line in gateway.lines)


def ask(gateway, model):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=HEADERS, timeout=30)


def test_two_gateways_never_exceed_a_limit_together(instances, redis):
    before = redis.minute()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(ask, instances[n % 2], "limited") for n in range(60)]
        answers = [one.result() for one in sent]
    minutes = redis.minute() - before + 1
    served = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(served) + len(refused) == 60
    assert 20 <= len(served) <= 20 * minutes
    for answer in refused:
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.json()["error"]["code"] == "429"


def test_requests_go_on_without_redis_and_share_again_with_it(instances, redis):
    redis.kill()
    for gateway in instances:
        until(lambda: said(gateway, "Redis is gone"), "its loss is noticed")
        assert ask(gateway, "free").status_code == 200
        assert ask(gateway, "limited").status_code == 200
    redis.start()
    for gateway in instances:
        until(lambda: said(gateway, "Redis is there") == 2, "it is found again")
        assert said(gateway, "Redis is gone") == 1, "one line for each change"
        assert ask(gateway, "limited").status_code == 200


def test_an_unreachable_redis_is_reported_and_stops_nobody(upstream, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, port=1, key=KEY))
    gateway = Gateway(["--config", str(config)])
    try:
        assert ask(gateway, "limited").status_code == 200
        until(lambda: said(gateway, "Redis cannot be reached"), "it is reported")
    finally:
        gateway.process.kill()
        gateway.wait()
