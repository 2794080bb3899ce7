"""A deployment that rested: of two gateways over one Redis, one request finds out whether it is well, for both."""

import concurrent.futures
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from conftest import KEY, Gateway
from servers import Redis, until
from test_limits import ANSWER

CONFIG = """
model_list:
  - model_name: pair
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/ill/v1", api_key: sk-upstream}}
    model_info: {{id: ill}}
  - model_name: pair
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/well/v1", api_key: sk-upstream}}
    model_info: {{id: well}}
router_settings: {{num_retries: 2, redis_host: 127.0.0.1, redis_port: {port}}}
general_settings: {{master_key: {key}}}
"""

HEADERS = {"authorization": f"Bearer {KEY}"}


class Vendor:
    """Two of them: `/well` answers at once; `/ill` refuses, or answers once it is `open`."""

    def __init__(self):
        self.asked = {"ill": 0, "well": 0}
        self.lock = threading.Lock()
        self.refuses = True
        self.open = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                name = self.path.split("/")[1]
                with vendor.lock:
                    vendor.asked[name] += 1
                refuses = vendor.refuses and name == "ill"
                if name == "ill" and not refuses:
                    vendor.open.wait(60)
                error = {"error": {"message": "too many", "type": "rate_limit_error"}}
                data = json.dumps(error if refuses else ANSWER).encode()
                self.send_response(429 if refuses else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                if refuses:
                    self.send_header("retry-after", "3")
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def vendor():
    server = Vendor()
    yield server
    server.open.set()
    server.server.shutdown()


@pytest.fixture
def two(vendor, tmp_path):
    redis = Redis(str(tmp_path))
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=vendor.url, port=redis.port, key=KEY))
    running = [Gateway(["--config", str(config)]) for _ in range(2)]
    for gateway in running:
        until(lambda: any("Redis is there" in line for line in gateway.lines), "Redis is found")
    yield running
    for gateway in running:
        gateway.process.kill()
        gateway.wait()
    redis.kill()


def ask(gateway):
    body = {"model": "pair", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=HEADERS, timeout=90)
    assert answer.status_code == 200, answer.text
    return answer


def standing(gateway):
    answer = httpx.get(f"{gateway.url}/v1/router/explain", params={"model": "pair"}, headers=HEADERS, timeout=30)
    return next(one["standing"] for one in answer.json()["deployments"] if one["deployment"] == "ill")


def both(two, state):
    until(lambda: [standing(gateway) for gateway in two] == [state, state], f"both know that it is {state}")


def test_one_request_of_two_gateways_finds_out_for_both(two, vendor):
    until(lambda: ask(two[0]) and vendor.asked["ill"] == 1, "it is asked, and rests")
    both(two, "cooling")
    vendor.refuses = False
    both(two, "on_trial")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(ask, two[n % 2]) for n in range(60)]
        until(lambda: sum(one.done() for one in sent) == 59, "the other one answers all but the trial")
        assert vendor.asked["ill"] == 2
        vendor.open.set()
        assert all(one.result() for one in sent)
    both(two, "well")
    for gateway in two:
        before = vendor.asked["ill"]
        until(lambda: ask(gateway) and vendor.asked["ill"] > before, "it is asked again")


def test_a_failed_trial_is_a_rest_for_both(two, vendor):
    until(lambda: ask(two[0]) and vendor.asked["ill"] == 1, "it is asked, and rests")
    both(two, "cooling")
    both(two, "on_trial")
    until(lambda: ask(two[1]) and vendor.asked["ill"] == 2, "the other gateway tries it")
    both(two, "cooling")
    assert vendor.asked["ill"] == 2
