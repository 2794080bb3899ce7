"""Limits of keys that several gateways count together: never over, none too early, and no worse alone without Redis."""

import concurrent.futures
import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import openai
import pytest
from conftest import KEY, Gateway
from test_instances import Redis, said, until

CONFIG = """
model_list:
  - model_name: gpt
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream}}
router_settings: {{num_retries: 0, redis_host: 127.0.0.1, redis_port: {port}}}
litellm_settings:
  callbacks: [dynamic_rate_limiter_v3]
general_settings: {{master_key: {key}, fail_closed_rate_limit_enforcement: {closed}}}
"""

#: No window ends while a test runs.
LONG = {"LITELLM_RATE_LIMIT_WINDOW_SIZE": "600"}

ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
}


class Vendor:
    """Answers after a moment, and counts how many it answers at the same time."""

    def __init__(self):
        self.inside, self.most, self.asked = 0, 0, 0
        self.lock = threading.Lock()
        self.open = threading.Event()
        self.open.set()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                with vendor.lock:
                    vendor.asked += 1
                    vendor.inside += 1
                    vendor.most = max(vendor.most, vendor.inside)
                time.sleep(0.02)
                vendor.open.wait(30)
                with vendor.lock:
                    vendor.inside -= 1
                data = json.dumps(ANSWER).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def redis(tmp_path):
    server = Redis(str(tmp_path))
    yield server
    server.kill()


@pytest.fixture
def vendor():
    server = Vendor()
    yield server
    server.open.set()
    server.server.shutdown()


def start(vendor, redis, tmp_path, closed="false"):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=vendor.url, port=redis.port, key=KEY, closed=closed))
    return Gateway(["--config", str(config)], LONG)


@pytest.fixture
def two(vendor, redis, tmp_path):
    running = [start(vendor, redis, tmp_path) for _ in range(2)]
    yield running
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def make(gateways, key, **limits):
    """The same key at each: what counts is its hash, wherever it is kept."""
    for gateway in gateways:
        body = {"key": key, **limits}
        headers = {"authorization": f"Bearer {KEY}"}
        made = httpx.post(f"{gateway.url}/key/generate", json=body, headers=headers, timeout=30)
        assert made.status_code == 200, made.text


def ask(gateway, key, **fields):
    body = {"model": "gpt", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], **fields}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def statuses(gateways, key, count, workers=16):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        sent = [pool.submit(ask, gateways[n % len(gateways)], key) for n in range(count)]
        return [one.result().status_code for one in sent]


def test_together_they_hand_out_the_limit_and_no_more(two, vendor):
    make(two, "sk-limited-by-requests", rpm_limit=50)
    got = statuses(two, "sk-limited-by-requests", 120)
    assert (got.count(200), got.count(429)) == (50, 70)
    assert vendor.asked == 50
    refused = ask(two[0], "sk-limited-by-requests")
    assert refused.headers["rate_limit_type"] == "requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 600
    # Another key has its own.
    make(two, "sk-limited-by-other", rpm_limit=1)
    assert ask(two[1], "sk-limited-by-other").headers["x-ratelimit-api_key-remaining-requests"] == "0"
    assert ask(two[0], "sk-limited-by-other").status_code == 429


def test_tokens_are_held_before_and_known_after(two):
    # A prompt of a few tokens and an answer of five are held; ten are used, as the vendor says.
    make(two, "sk-limited-by-tokens", tpm_limit=205)
    got = statuses(two, "sk-limited-by-tokens", 60, workers=4)
    assert 19 <= got.count(200) <= 20, got
    with openai.OpenAI(base_url=f"{two[0].url}/v1", api_key="sk-limited-by-tokens", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hi" * 50}])
    assert refused.value.response.headers["rate_limit_type"] == "tokens"


def test_slots_are_shared_and_come_back(two, vendor):
    make(two, "sk-limited-by-parallel", max_parallel_requests=3)
    got = statuses(two, "sk-limited-by-parallel", 60)
    assert set(got) <= {200, 429}
    assert vendor.most <= 3
    # One after the other each finds its slot free, whichever gateway has it.
    for n in range(20):
        assert ask(two[n % 2], "sk-limited-by-parallel").status_code == 200, n


def test_whoever_leaves_frees_its_slot(two, vendor):
    make(two, "sk-limited-by-leaves", max_parallel_requests=1)
    vendor.open.clear()
    body = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": "Bearer sk-limited-by-leaves"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{two[0].url}/v1/chat/completions", json=body, headers=headers, timeout=0.5)
    vendor.open.set()
    until(lambda: ask(two[1], "sk-limited-by-leaves").status_code == 200, "the slot is free")


def test_a_killed_gateway_holds_nothing_for_long(two, vendor, redis):
    make(two, "sk-limited-by-killed", max_parallel_requests=1)
    vendor.open.clear()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        lost = pool.submit(ask, two[0], "sk-limited-by-killed")
        until(lambda: vendor.inside == 1, "it is under way")
        assert ask(two[1], "sk-limited-by-killed").status_code == 429
        two[0].process.kill()
        with pytest.raises(httpx.HTTPError):
            lost.result()
    vendor.open.set()
    until(lambda: ask(two[1], "sk-limited-by-killed").status_code == 200, "its slot ends with its lease", seconds=45)


def test_without_redis_each_has_its_part_and_afterwards_nothing_is_forgotten(two, redis):
    make(two, "sk-limited-by-part", rpm_limit=40)
    assert statuses(two, "sk-limited-by-part", 10, workers=1) == [200] * 10
    redis.kill()
    for gateway in two:
        until(lambda: said(gateway, "Redis is gone"), "its loss is noticed")
    got = statuses(two, "sk-limited-by-part", 80)
    assert 28 <= got.count(200) <= 30, got.count(200)
    redis.start()
    for gateway in two:
        until(lambda: said(gateway, "Redis is there") == 2, "it is found again")
        ask(gateway, "sk-limited-by-part")
    assert statuses(two, "sk-limited-by-part", 10) == [429] * 10
    for gateway in two:
        assert said(gateway, "Redis is gone") == 1, "one line for each change"


def test_a_redis_that_hangs_holds_nobody_up_for_long(two, redis):
    make(two, "sk-limited-by-hangs", rpm_limit=1000)
    assert ask(two[0], "sk-limited-by-hangs").status_code == 200
    redis.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert ask(two[0], "sk-limited-by-hangs").status_code == 200
        assert time.monotonic() - began < 10
        until(lambda: said(two[0], "Redis is gone"), "it is noticed")
        assert statuses(two[:1], "sk-limited-by-hangs", 20) == [200] * 20
    finally:
        redis.process.send_signal(signal.SIGCONT)
    until(lambda: said(two[0], "Redis is there") == 2, "it is found again")
    assert ask(two[0], "sk-limited-by-hangs").status_code == 200


def test_nobody_passes_uncounted_where_that_is_wanted(vendor, redis, tmp_path):
    gateway = start(vendor, redis, tmp_path, closed="true")
    try:
        make([gateway], "sk-limited-by-closed", rpm_limit=100)
        make([gateway], "sk-limited-by-unlimited")
        assert ask(gateway, "sk-limited-by-closed").status_code == 200
        redis.kill()
        until(lambda: said(gateway, "Redis is gone"), "its loss is noticed")
        refused = ask(gateway, "sk-limited-by-closed")
        assert refused.status_code == 503
        assert "Redis cannot be reached" in refused.json()["error"]["message"]
        assert ask(gateway, "sk-limited-by-unlimited").status_code == 200
        redis.start()
        until(lambda: ask(gateway, "sk-limited-by-closed").status_code == 200, "it is counted again")
    finally:
        gateway.process.kill()
        gateway.wait()
