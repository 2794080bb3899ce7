"""The executable as operators meet it: signals, sockets, flags, metrics and logs."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import httpx
import openapi_spec_validator
import pytest
from conftest import KEY, Gateway

FIXTURES = pathlib.Path(__file__).parents[4] / "fixtures"
HEADERS = {"authorization": f"Bearer {KEY}"}
SECRET = "a sentence that is nobody's business"

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream-secret}}
    model_info: {{id: the-deployment}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{url}", api_key: sk-upstream-secret}}
  - model_name: held
    litellm_params: {{model: openai/held, api_base: "{url}/v1", api_key: sk-upstream-secret}}
  - model_name: held-claude
    litellm_params: {{model: anthropic/held, api_base: "{url}", api_key: sk-upstream-secret}}
litellm_settings: {settings}
general_settings: {general}
"""


@pytest.fixture
def start(upstream, tmp_path):
    """Starts gateways; those that still run when the test ends are killed."""
    running = []

    def begin(*arguments, settings="{}", general=f"{{master_key: {KEY}}}", **environment):
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.format(url=upstream.url, settings=settings, general=general))
        running.append(Gateway(["--config", str(config), *arguments], environment))
        return running[-1]

    upstream.holding.clear()
    upstream.release.clear()
    yield begin
    upstream.release.set()
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def run(*arguments, **environment):
    command = [os.environ["INTERLINGUA_GATEWAY"], *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def chat(gateway, model="gpt-4o", **more):
    body = {"model": model, "messages": [{"role": "user", "content": SECRET}], **more}
    return httpx.post(f"{gateway.url}/v1/chat/completions", headers=HEADERS, json=body, timeout=60)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# Stopping


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_under_way_ends_before_the_gateway_does(start, upstream, how, stream):
    gateway = start()
    # Nobody asks anything on this one: it must not keep the gateway from stopping.
    silent = socket.create_connection(("127.0.0.1", gateway.port))
    answers = []
    client = threading.Thread(target=lambda: answers.append(chat(gateway, "held", stream=stream)))
    client.start()
    assert upstream.holding.wait(timeout=60)
    assert httpx.get(f"{gateway.url}/health/readiness").status_code == 200
    gateway.process.send_signal(how)
    # Signals arrive when they do; a gateway that never says no is one that this loop never leaves.
    while (ready := httpx.get(f"{gateway.url}/health/readiness")).status_code == 200:
        assert gateway.process.poll() is None
    assert ready.status_code == 503 and ready.json() == {"status": "shutting_down"}
    assert ready.headers["connection"] == "close"
    assert httpx.get(f"{gateway.url}/health/liveliness").status_code == 503
    late = chat(gateway)
    assert (late.status_code, late.headers["retry-after"], late.headers["connection"]) == (503, "1", "close")
    assert not answers and gateway.process.poll() is None
    upstream.release.set()
    client.join(timeout=60)
    assert answers[0].status_code == 200
    assert answers[0].text.endswith("data: [DONE]\n\n") if stream else answers[0].json()["choices"]
    assert gateway.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port))
    assert silent.recv(1) == b""


def test_what_cannot_end_in_time_is_cut_and_said(start, upstream):
    gateway = start(GRACEFUL_SHUTDOWN_TIMEOUT="1")
    failures = []

    def ask():
        try:
            chat(gateway, "held", stream=True)
        except httpx.HTTPError as error:
            failures.append(error)

    client = threading.Thread(target=ask)
    client.start()
    assert upstream.holding.wait(timeout=60)
    assert gateway.stop() == 1
    client.join(timeout=60)
    assert failures, "a stream that was cut must not look like a whole one"


# Sockets


def test_tls(start):
    certificate, key = FIXTURES / "tls/localhost.pem", FIXTURES / "tls/localhost.key"
    gateway = start("--ssl_certfile_path", str(certificate), "--ssl_keyfile_path", str(key))
    assert gateway.url.startswith("https://")
    trusting = ssl.create_default_context(cafile=FIXTURES / "tls/ca.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, timeout=60, context=trusting)
    connection.request("GET", "/v1/models", headers=HEADERS)
    answer = connection.getresponse()
    assert answer.status == 200
    assert "gpt-4o" in {model["id"] for model in json.load(answer)["data"]}
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{gateway.port}/health/liveliness", timeout=60)
    for protocol in ["h2", "http/1.1"]:
        trusting.set_alpn_protocols([protocol])
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as plain:
            with trusting.wrap_socket(plain, server_hostname="localhost") as secured:
                assert secured.selected_alpn_protocol() == protocol
    connection.close()
    assert gateway.stop() == 0


@pytest.mark.parametrize("flag", ["--ssl_certfile_path", "--ssl_keyfile_path"])
def test_half_a_certificate_is_refused(flag):
    refused = run("--port", "0", flag, str(FIXTURES / "tls/localhost.pem"))
    assert refused.returncode != 0
    assert "--ssl_keyfile_path" in refused.stderr and "--ssl_certfile_path" in refused.stderr


def test_a_certificate_that_is_none_is_named():
    text = str(FIXTURES / "README.md")
    refused = run("--host", "127.0.0.1", "--port", "0", "--ssl_certfile_path", text, "--ssl_keyfile_path", text)
    assert refused.returncode != 0
    assert "--ssl_" in refused.stderr and "README.md" in refused.stderr


def frame(kind, flags, stream, payload=b""):
    """An HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def read_frames(connection):
    received = connection.makefile("rb")
    while head := received.read(9):
        yield head[3], int.from_bytes(head[5:9], "big"), received.read(int.from_bytes(head[:3], "big"))


def test_http2_without_an_upgrade(start):
    gateway = start()
    path = b"/health/liveliness"
    # By their numbers in HPACK's static table: GET, http, :path and :authority.
    request = b"\x82\x86\x44" + bytes([len(path)]) + path + b"\x41\x01x"
    settings, headers, data = 4, 1, 0
    end_both = 5
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0) + frame(headers, end_both, 1, request))
        seen = {}
        for kind, stream, payload in read_frames(connection):
            if stream == 1:
                seen[kind] = payload
            if kind == data:
                break
    assert seen[headers][0] == 0x88, ":status 200"
    assert json.loads(seen[data]) == "I'm alive!"
    assert gateway.stop() == 0


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"P", id="a letter"),
        pytest.param(b"GET / HT", id="half a line"),
        pytest.param(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ", id="half a head"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM", id="half a preface"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0), id="a preface alone"),
    ],
)
def test_who_never_ends_a_head_is_cut_off(start, said):
    gateway = start("--keepalive_timeout", "1")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(said)
        while connection.recv(4096):
            pass
    # Everyone else is still served.
    assert chat(gateway).status_code == 200
    assert gateway.stop() == 0


def test_a_slow_answer_is_no_slow_head(start, upstream):
    gateway = start("--keepalive_timeout", "1", settings="{sse_keepalive_ping_interval_seconds: 1}")
    body = {"model": "held", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    pings = 0
    with httpx.stream("POST", f"{gateway.url}/v1/chat/completions", headers=HEADERS, json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        while pings < 2:
            pings += next(lines) == ": ping"
        upstream.release.set()
        assert "data: [DONE]" in list(lines)
    assert gateway.stop() == 0


# Flags


def test_version():
    shown = run("--version")
    assert shown.returncode == 0
    assert "Interlingua: Current Version = " in shown.stdout
    assert run("-v").stdout == shown.stdout


def test_validate_config(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("model_list:\n  - model_name: a\n    litellm_params: {model: openai/gpt-4o, api_key: x}\n")
    assert run("--validate_config", "--config", str(config)).returncode == 0
    config.write_text("model_list:\n  - model_name: a\n    litellm_params: {modle: openai/gpt-4o}\n")
    bad = run("--validate_config", "--config", str(config))
    assert bad.returncode == 1
    assert "Interlingua: config validation failed: " in bad.stderr and f"{config}:3:" in bad.stderr
    assert "sk-" not in bad.stdout + bad.stderr
    missing = run("--validate_config", "--config", str(tmp_path / "none.yaml"))
    assert missing.returncode == 1 and "none.yaml" in missing.stderr


def test_check_names_every_mistake_with_its_place(tmp_path):
    config = tmp_path / "config.yaml"
    models = "model_list:\n  - {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: x%s}}\n"
    routes = "router_settings:\n  fallbacks: [{a: [%s]}]\n"
    config.write_text(models % "")
    fine = run("check", "--strict", str(config))
    assert fine.returncode == 0 and "config OK (1 models)" in fine.stdout, fine.stderr
    config.write_text(models % ", weight: -2" + routes % "gtp")
    for command in (["check", str(config)], ["--config", str(config), "--port", "0"]):
        bad = run(*command)
        assert bad.returncode == 1
        assert f"{config}:2:80: error: 'a': a weight cannot be negative" in bad.stderr
        assert f"{config}:4:20: error: fallbacks: no model is named 'gtp'" in bad.stderr
        assert "2 mistakes" in bad.stderr


def test_check_strict_counts_warnings(tmp_path):
    config = tmp_path / "config.yaml"
    model = "model_list: [{model_name: a, litellm_params: {model: openai/gpt-4o, api_key: sk-x}}]\n"
    config.write_text(model + "router_settings: {retry_policy: {RateLimitRetries: 3}}\n")
    warned = run("check", str(config))
    assert warned.returncode == 0 and "config OK (1 models), 1 warning" in warned.stdout
    place = f"{config}:2:34: warning: unknown key 'RateLimitRetries' in retry_policy: did you mean 'RateLimitErrorRetries'?"
    assert place in warned.stdout
    strict = run("check", "--strict", str(config))
    assert strict.returncode == 1 and place in strict.stdout and "--strict" in strict.stderr
    assert "--strict" in run("check", "--help").stdout


def test_skip_server_startup():
    ended = run("--skip_server_startup", "--model", "openai/gpt-4o", OPENAI_API_KEY="sk-x")
    assert ended.returncode == 0 and "Setup complete" in ended.stdout


def test_health_of_a_running_gateway(start, upstream):
    gateway = start()
    upstream.release.set()
    asked = run("--health", "--host", "127.0.0.1", "--port", str(gateway.port), LITELLM_MASTER_KEY=KEY)
    assert asked.returncode == 0, asked.stderr
    health = json.loads(asked.stdout)
    assert health["healthy_count"] == 4 and health["unhealthy_count"] == 0
    assert "the-deployment" in {endpoint["model_id"] for endpoint in health["healthy_endpoints"]}
    assert "sk-upstream-secret" not in asked.stdout
    assert gateway.stop() == 0
    gone = run("--health", "--host", "127.0.0.1", "--port", str(gateway.port))
    assert gone.returncode != 0 and "no gateway answers" in gone.stderr


# Pages


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_page_runs_nothing_of_others(start, path):
    gateway = start()
    page = httpx.get(gateway.url + path)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert page.headers["x-content-type-options"] == "nosniff"
    # Relative, so that it holds below a root path too.
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page.text)) >= {"docs/page.js", "docs/page.css"}
    assert not re.search(r'(?:src|href)="(?:\w+:|//)', page.text), "nothing is fetched from elsewhere"
    for part in ["docs/page.js", "docs/page.css"]:
        assert httpx.get(f"{gateway.url}/{part}").status_code == 200
    assert gateway.stop() == 0


def test_openapi(start):
    gateway = start()
    document = httpx.get(gateway.url + "/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert {"/v1/chat/completions", "/v1/embeddings", "/v1/messages"} <= set(document["paths"])
    openapi_spec_validator.validate(document)
    assert gateway.stop() == 0


# Metrics and logs


def samples(text, name):
    """The samples of one metric: their labels and values."""
    lines = [line for line in text.splitlines() if line.startswith((name + "{", name + "_total{"))]
    return [(line[: line.rindex("}")], float(line[line.rindex("}") + 1 :].split()[0])) for line in lines]


def test_metrics_tell_tokens_and_spend(start):
    port = free_port()
    gateway = start("--prometheus_metrics_port", str(port))
    assert chat(gateway).status_code == 200
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    for name, expected in [("input", 11.0), ("output", 7.0), ("total", 18.0)]:
        metric = "litellm_total_tokens_metric" if name == "total" else f"litellm_{name}_tokens_metric"
        [(labels, value)] = samples(text, metric)
        assert value == expected
        assert 'model="gpt-4o"' in labels and 'model_id="the-deployment"' in labels and 'api_provider="openai"' in labels
    [(_, spend)] = samples(text, "litellm_spend_metric")
    # 7 tokens in and 4 cached at 2.50 and 1.25 dollars per million, 7 out at 10.
    assert spend == pytest.approx((7 * 2.5 + 4 * 1.25 + 7 * 10) / 1e6)
    assert KEY not in text and "sk-upstream-secret" not in text and SECRET not in text
    assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 404, "metrics and nothing else"
    assert httpx.get(f"{gateway.url}/metrics", headers=HEADERS).status_code == 200
    assert gateway.stop() == 0


def test_a_taken_metrics_port_is_named(upstream):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("--host", "127.0.0.1", "--port", "0", "--prometheus_metrics_port", port)
    assert refused.returncode != 0 and f"--prometheus_metrics_port {port}" in refused.stderr


def test_json_logs_tell_what_was_asked_but_never_the_words(start):
    gateway = start(JSON_LOGS="true")
    answer = chat(gateway)
    streamed = chat(gateway, stream=True)
    refused = httpx.post(f"{gateway.url}/v1/chat/completions", headers={"authorization": "Bearer sk-wrong-key"}, json={"model": "gpt-4o"})
    assert (answer.status_code, streamed.status_code, refused.status_code) == (200, 200, 401)
    assert gateway.stop() == 0
    lines = [json.loads(line) for line in gateway.lines if line.startswith("{")]
    first, second, third = [line for line in lines if line["message"] == "request"]
    assert first["call_id"] == answer.headers["x-litellm-call-id"]
    assert second["call_id"] == streamed.headers["x-litellm-call-id"] != first["call_id"]
    assert "stream" not in first and second["stream"] is True
    for line in [first, second]:
        assert (line["level"], line["status"], line["model"]) == ("INFO", 200, "gpt-4o")
        assert (line["deployment"], line["provider"]) == ("the-deployment", "openai")
        assert (line["input_tokens"], line["output_tokens"]) == (11, 7)
        assert line["cost_usd"] == pytest.approx((7 * 2.5 + 4 * 1.25 + 7 * 10) / 1e6)
        assert line["duration_ms"] >= line["vendor_ms"] >= 0
    assert third["status"] == 401 and "error" in third
    everything = "".join(gateway.lines)
    for secret in [SECRET, KEY, "sk-upstream-secret", "sk-wrong-key"]:
        assert secret not in everything


def test_logs_tell_session_and_end_user(start):
    gateway = start()
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": SECRET}], "user": "by-body"}
    headers = {**HEADERS, "x-litellm-session-id": "session-1", "x-litellm-end-user-id": "customer-1"}
    url = f"{gateway.url}/v1/chat/completions"
    assert httpx.post(url, headers=headers, json=body).status_code == 200
    assert httpx.post(url, headers=HEADERS, json=body).status_code == 200
    assert gateway.stop() == 0
    first, second = [line for line in gateway.lines if " request status=200 " in line]
    assert 'session_id="session-1"' in first and 'end_user="customer-1"' in first
    assert 'end_user="by-body"' in second and "session_id" not in second


def test_what_stands_between_is_said_at_the_start(start):
    gateway = start(SSL_VERIFY="false", HTTPS_PROXY="http://me:a-secret-password@127.0.0.1:9")
    assert gateway.stop() == 0
    said = "".join(gateway.lines)
    assert "certificates of vendors are not verified" in said
    assert "forward proxy 127.0.0.1:9 (https)" in said and "a-secret-password" not in said


# Changes while it runs

BOOKS = {
    "database_url": "sqlite://elsewhere.db",
    "database_connection_pool_limit": 3,
    "database_connection_timeout": 7,
    "spend_journal_folder": "elsewhere",
    "spend_journal_full_wait": 3,
    "spend_journal_sync": 0.5,
}


def until(holds, what):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_what_a_running_gateway_does_not_change_is_named(start, tmp_path):
    gateway = start()
    config = tmp_path / "config.yaml"
    books = "".join(f", {key}: {value}" for key, value in BOOKS.items())
    unpriced = "litellm_settings: {block_requests_for_models_without_pricing: true}"
    changed = config.read_text().replace("litellm_settings: {}", unpriced)
    changed = changed.replace(f"{{master_key: {KEY}", f"{{master_key: {KEY}{books}")
    config.write_text(changed)
    until(lambda: any("was loaded anew" in line for line in gateway.lines), "the change is noticed")
    warned = [line for line in gateway.lines if "holds after a restart" in line]
    named = {re.search(r'key="(\w+)"', line).group(1) for line in warned}
    assert named == {*BOOKS, "block_requests_for_models_without_pricing"}
    assert chat(gateway).status_code == 200
    assert not any("elsewhere" in name for name in os.listdir(tmp_path))
    # What is not about the books holds at once, and is not warned of.
    del gateway.lines[:]
    config.write_text(changed.replace("claude-sonnet-4-5", "claude-opus-4-1"))
    until(lambda: any("was loaded anew" in line for line in gateway.lines), "the change is noticed")
    assert not any("holds after a restart" in line for line in gateway.lines)


def test_a_database_that_comes_while_it_runs_waits_for_a_restart(start, tmp_path):
    gateway = start(general="{}")
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("general_settings: {}", "general_settings: {database_url: sqlite://new.db}"))
    until(lambda: any("was loaded anew" in line for line in gateway.lines), "".join(gateway.lines))
    assert any("holds after a restart" in line and 'key="database_url"' in line for line in gateway.lines)
    assert chat(gateway).status_code == 200


def test_a_change_that_cannot_work_changes_nothing(start, tmp_path):
    gateway = start()
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("openai/gpt-4o", "nobody-has-this/gpt-4o"))
    until(lambda: any("the one before stays" in line for line in gateway.lines), "the mistake is named")
    assert any("nobody-has-this" in line for line in gateway.lines)
    assert chat(gateway).status_code == 200


# Quiet streams


@pytest.mark.parametrize("model", ["held", "held-claude"])
def test_anthropics_clients_get_pings_while_the_vendor_thinks(start, upstream, model):
    gateway = start(settings="{anthropic_sse_ping_interval_seconds: 1}")
    body = {"model": model, "stream": True, "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
    with httpx.stream("POST", f"{gateway.url}/v1/messages", headers=HEADERS, json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        while next(lines) != "event: ping":
            pass
        assert json.loads(next(lines).removeprefix("data: ")) == {"type": "ping"}
        assert upstream.holding.is_set()
        upstream.release.set()
        assert "event: message_stop" in list(lines)
    assert gateway.stop() == 0
